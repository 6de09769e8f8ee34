/* The methods that the MCP endpoint serves. */
#pragma once

#include "catalog/catalog.h"
#include "mcp/call.h"

extern const struct mcp_service exec_service;

/* The tool or prompt that the call names. ERR_RPC_INVALID_PARAMS if there is none. *arguments are
 * those of the call, an object; NULL: none. Fills c->answer. */
enum rc called_entry(struct mcp_call *c, const struct entry **out, struct json **arguments,
                     struct err *e) MUST_USE;

/* tool_call.c: checks the arguments, executes the tool or starts a task, and checks the result. */
mcp_method_fn mcp_tools_call;
/* The same for a tool that has been found, without the check of headers that repeat arguments. */
enum rc tool_call(struct mcp_call *c, const struct tool *tool, struct json *arguments,
                  struct err *e) MUST_USE;
/* resource_read.c: the contents of a file, a text of the manifest, or what a program prints. */
mcp_method_fn mcp_resources_read;
mcp_entry_fn mcp_resources_read_entry;
/* skills.c: the entry of a skill, and what is in a folder of one (SEP-2640). */
mcp_method_fn mcp_skills_get, mcp_directory_read;
mcp_entry_fn mcp_skills_get_entry, mcp_directory_read_entry;
/* prompts.c: the messages of the manifest, or of a program. */
mcp_method_fn mcp_prompts_get;
/* prompts.c: values for the arguments of prompts and the variables of resource templates. */
mcp_method_fn mcp_complete;
mcp_entry_fn mcp_complete_entry;

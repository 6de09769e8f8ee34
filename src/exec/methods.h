/* The methods and filters that the MCP endpoint serves. */
#pragma once

#include "mcp/call.h"

extern const struct mcp_service exec_service;

/* tool_call.c: checks the arguments, executes the tool or starts a task, and checks the result. */
mcp_method_fn mcp_tools_call;
mcp_scopes_fn mcp_tools_call_scopes;
/* resource_read.c: the contents of a file, a text of the manifest, or what a program prints. */
mcp_method_fn mcp_resources_read;
mcp_scopes_fn mcp_resources_read_scopes;
/* prompt_get.c: the messages of the manifest, or of a program. */
mcp_method_fn mcp_prompts_get;
mcp_scopes_fn mcp_prompts_get_scopes;
/* complete.c: values for the arguments of prompts and the variables of resource templates. */
mcp_method_fn mcp_complete;
mcp_scopes_fn mcp_complete_scopes;

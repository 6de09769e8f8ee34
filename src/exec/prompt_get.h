/* prompts/get: the messages of the manifest, or of a program. */
#ifndef EXEC_PROMPT_GET_H
#define EXEC_PROMPT_GET_H

#include "mcp/method.h"

mcp_method_fn mcp_prompts_get;
mcp_scopes_fn mcp_prompts_get_scopes;

#endif

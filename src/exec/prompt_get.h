/* prompts/get: the messages of the manifest, or of a program. */
#pragma once

#include "mcp/call.h"

mcp_method_fn mcp_prompts_get;
mcp_scopes_fn mcp_prompts_get_scopes;

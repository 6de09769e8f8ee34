/* completion/complete: values for the arguments of prompts and the variables of resource templates.
 */
#pragma once

#include "mcp/call.h"

mcp_method_fn mcp_complete;
mcp_scopes_fn mcp_complete_scopes;

/* tools/call: arguments are checked, the tool answers or becomes a task, and its result is checked.
 */
#pragma once

#include "mcp/call.h"

mcp_method_fn mcp_tools_call;
mcp_scopes_fn mcp_tools_call_scopes;

/* resources/read: of a file, a text of the manifest, or what a program prints. */
#pragma once

#include "mcp/call.h"

mcp_method_fn mcp_resources_read;
mcp_scopes_fn mcp_resources_read_scopes;

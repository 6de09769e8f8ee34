/* Methods that describe the server: initialize and ping of the handshake versions, server/discover
 * of 2026-07-28. */
#pragma once

#include "mcp/method.h"

mcp_method_fn mcp_initialize, mcp_ping, mcp_discover;

/* GET of the MCP endpoint: the stream of notifications of the handshake versions, and with
 * Last-Event-ID what came after that event (2025-11-25, "Resumability and Redelivery"). */
#pragma once

#include "site/exchange.h"

enum rc mcp_get(struct exchange *x, struct err *e);

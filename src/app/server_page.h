/* What a person sees who opens the address of the MCP endpoint in a browser: what it is, and how to
 * connect each client. */
#pragma once

#include "site/exchange.h"

/* GET of the MCP endpoint: the page for a browser, otherwise mcp_get. */
handler_fn server_page_or_stream;

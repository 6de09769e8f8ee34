/* The table of methods and filters that the MCP endpoint serves. */
#pragma once

#include "mcp/call.h"

extern const struct mcp_service exec_service;

/* The table of methods and filters that the MCP endpoint serves. */
#pragma once

#include "mcp/method.h"

extern const struct mcp_service exec_service;

/* The table of methods and filters that the MCP endpoint serves. */
#ifndef EXEC_METHODS_H
#define EXEC_METHODS_H

#include "mcp/method.h"

extern const struct mcp_service exec_service;

#endif

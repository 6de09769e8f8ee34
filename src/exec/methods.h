/* The methods that the MCP endpoint serves, and what else it is given. */
#ifndef EXEC_METHODS_H
#define EXEC_METHODS_H

#include "mcp/method.h"

extern const struct mcp_service exec_service;

#endif

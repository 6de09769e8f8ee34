/* Error codes of JSON-RPC and MCP, besides those of base/err.h. mcp/rpc.c has their numbers in
 * answers. */
#pragma once

#include "base/err.h"

/* Behind those of oauth/codes.h. */
#define RPC_CODE(n) ((enum rc)(ERR_PROTOCOL + 12 + (n)))
#define ERR_RPC_PARSE RPC_CODE(0)
#define ERR_RPC_INVALID_REQUEST RPC_CODE(1)
#define ERR_RPC_METHOD_NOT_FOUND RPC_CODE(2)
#define ERR_RPC_INVALID_PARAMS RPC_CODE(3)
#define ERR_RPC_HEADER_MISMATCH RPC_CODE(4)
#define ERR_RPC_UNSUPPORTED_VERSION RPC_CODE(5)
#define ERR_RPC_MISSING_CAPABILITY RPC_CODE(6)
#define ERR_RPC_RESOURCE_NOT_FOUND RPC_CODE(7)
#define ERR_RPC_INTERNAL RPC_CODE(8) /* a program of a manifest failed */

/* Our own address where MCP_SERVER_URI does not say it. */
#ifndef APP_OWN_ADDRESS_H
#define APP_OWN_ADDRESS_H

#include "base/err.h"
#include "config/config.h"
#include "web/request.h"

/* *out is the configuration with our address in it: `c` itself, or a copy in the request's arena.
 */
enum rc own_address(const struct config *c, const struct request *rq, const struct config **out,
                    struct err *e) MUST_USE;

#endif

#include "app/own_address.h"

#include <string.h>

#include "base/url.h"

/* RFC 3875 §4.1.14: the name that the web server has, or takes from the request. TLS may end before
 * it, so its own scheme and port say nothing of those outside, but on loopback. */
enum rc own_address(const struct config *c, const struct request *rq, const struct config **out,
                    struct err *e) {
    const char *name = request_param(rq, "SERVER_NAME"), *port = request_param(rq, "SERVER_PORT");
    const struct url u = {.host = name};

    *out = c;
    if (*c->mcp_server_uri)
        return OK;
    if (name && *name)
        *out = config_at(c, rq->arena,
                         url_is_loopback(&u) && port
                             ? arena_printf(rq->arena, "http://%s:%s", name, port)
                             : arena_printf(rq->arena, "https://%s", name));
    if (*out && *out != c)
        return OK;
    *out = c;
    return err_set(e, ERR_MISCONFIGURED,
                   "the service does not know its own address: set MCP_SERVER_URI");
}

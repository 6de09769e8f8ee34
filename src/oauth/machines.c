/* Private part of clients.h: clients that call without a user, and have a secret at the identity
 * provider. */

#include "base/encode.h"
#include "base/url.h"
#include "idp/idp.h"
#include "oauth/clients.h"
#include "web/request.h"

bool machine_form_read(struct exchange *x, struct form *f) {
    const char *grant;

    if (!*x->site->config->idp.machine_client_ids ||
        !request_has_type(x->rq, "application/x-www-form-urlencoded") ||
        form_read(x->rq->arena, x->rq->body, x->rq->body_len, f, ERR_IGNORED))
        return false;
    grant = form_get(f, "grant_type");
    return grant && !strcmp(grant, "client_credentials");
}

/* client_id:client_secret, each encoded as in a form; many clients leave them as they are, which is
 * the same for what providers make. */
static bool read_basic(struct arena *a, const char *value, struct idp_machine *out) {
    size_t len;
    const char *text, *colon;

    if (strncasecmp(value, "Basic ", 6) != 0)
        return false;
    value += 6 + strspn(value + 6, " ");
    text = (const char *)base64_decode(a, value, strlen(value), &len);
    colon = text ? memchr(text, ':', len) : NULL;
    if (!colon || memchr(text, 0, len))
        return false;
    out->client_id = url_decode(a, text, (size_t)(colon - text), false);
    out->secret = url_decode(a, colon + 1, len - (size_t)(colon + 1 - text), false);
    return out->client_id && out->secret;
}

const char *machine_id(const struct request *rq) {
    const char *header = request_header(rq, "authorization");
    struct idp_machine machine;

    return header && read_basic(rq->arena, header, &machine) ? machine.client_id : NULL;
}

enum rc machine_read(struct exchange *x, const struct form *f, struct idp_machine *out,
                     struct err *e) {
    const char *header = request_header(x->rq, "authorization"), *id = form_get(f, "client_id");
    unsigned ignored;

    if (form_check_repeated(f, NULL, "resource", e))
        return e->code;
    *out = (struct idp_machine){.client_id = id, .secret = form_get(f, "client_secret")};
    if (header && out->secret)
        return invalid_request(e, "the client's secret must be sent in one way only");
    if (header && !read_basic(x->rq->arena, header, out))
        return invalid_client(e, "the Authorization header is malformed");
    x->rp->audit.client = out->client_id;
    if (!out->client_id || !*out->client_id || !out->secret || (id && strcmp(id, out->client_id)))
        return invalid_client(e, "client_credentials needs a client_id and its secret");
    if (!config_app_client(x->site->config->idp.machine_client_ids, out->client_id, &ignored))
        return invalid_client(e, "this client may not call without a user");
    return OK;
}

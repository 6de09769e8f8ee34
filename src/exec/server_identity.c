#include "exec/server_identity.h"

#include "base/encode.h"
#include "crypto/sign.h"
#include "exec/program_start.h"
#include "runner/relay.h"

#define ID_BYTES 16
#define CACHE "public, max-age=300"

/* RFC 7519 §4.1. */
static struct json *make_claims(struct mcp_call *c, const struct server *s, int64_t valid_s) {
    const int64_t now = clock_now_s(&c->x->site->clock);
    struct json *o = json_new_object(c->arena);
    uint8_t id[ID_BYTES];

    arc4random_buf(id, sizeof id);
    json_put_str(o, "iss", c->x->site->config->auth_proxy_uri);
    json_put_str(o, "aud", s->audience);
    json_put_int(o, "iat", now);
    json_put_int(o, "exp", now + valid_s);
    json_put_str(o, "jti", base64url_encode(c->arena, id, sizeof id));
    return o;
}

const char *server_identity(struct mcp_call *c, const struct server *s) {
    static const char *const members[] = {"sub", "username", "client_id", "groups", "claims"};
    struct json *o, *caller;
    const char *scope;

    if (!s->audience)
        return NULL;
    o = make_claims(c, s, SERVER_USER_S);
    caller = program_caller(c, &s->program);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        json_put_given(o, members[i], json_get(caller, members[i]));
    scope = list_without(c->arena, c->client.claims->scope, "");
    json_put_str(o, "scope", *scope ? scope : NULL); /* RFC 8693 §4.2: one string */
    return jwt_sign(c->arena, c->x->site->seal, IDENTITY_PURPOSE, o);
}

const char *server_service_identity(struct mcp_call *c, const struct server *s) {
    struct json *o;

    if (!s->audience)
        return NULL;
    o = make_claims(c, s, IDENTITY_SERVICE_S);
    json_put_str(o, "sub", c->x->site->config->auth_proxy_uri);
    return jwt_sign(c->arena, c->x->site->seal, IDENTITY_PURPOSE, o);
}

enum rc mcp_key_set(struct exchange *x, struct err *e) {
    (void)e;
    reply_json(x->rp, 200, jwt_key_set(x->rq->arena, x->site->seal, IDENTITY_PURPOSE));
    reply_header(x->rp, "Cache-Control", CACHE);
    return OK;
}

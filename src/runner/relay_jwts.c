/* Private part of relay.h: newer JWTs on their way to the bridge. */
#include "runner/relay.h"

void relay_renew(struct relay *r, const struct relay_call *call, const char *jwt) {
    struct json *o = json_new_object(r->arena);

    if (!jwt)
        return;
    json_put_int(o, SERVER_CALL, call->id);
    json_put_str(o, SERVER_USER, jwt);
    relay_send(&r->to_server, r->arena, o);
}

void relay_renew_service(struct relay *r, struct text jwt) {
    struct json *o = json_new_object(r->arena);

    if (r->to_server.len >= RELAY_QUEUE_MAX)
        return;
    json_put(o, SERVER_SERVICE, json_new_stringn(r->arena, jwt.p, jwt.len));
    relay_send(&r->to_server, r->arena, o);
}

void relay_renew_calls(struct relay *r, const struct relay_caller *caller, const char *jwt) {
    for (const struct relay_call *call = r->calls;
         caller->calls && call < r->calls + RELAY_CALLS_MAX; call++)
        if (call->id && call->caller == caller)
            relay_renew(r, call, jwt);
}

#include "mcp/cancel.h"

#include "base/base.h"
#include "base/encode.h"
#include "crypto/digest.h"
#include "mcp/call.h"
#include "mcp/session.h"
#include "shared/message_socket.h"

#define MESSAGE "cancelled"
#define MESSAGE_MAX 64 /* bytes */

/* Ids are unique within a session, and only the user's client knows the session's key. The number 1
 * and the string "1" are different ids. */
static const char *name_of(const struct mcp_call *c, const struct json *id) {
    const char *text = arena_printf(c->arena, "cancel\n%s\n%s", c->client.session->key,
                                    json_text(c->arena, id, NULL));
    uint8_t digest[SHA256_LEN];

    sha256(text, strlen(text), digest);
    return base64url_encode(c->arena, digest, sizeof digest);
}

void cancel_begin(struct mcp_call *c) {
    struct err e;

    if (c->msg.protocol != PROTOCOL_HANDSHAKE || !c->client.session || !c->msg.id ||
        c->msg.in_batch || message_socket_open(name_of(c, c->msg.id), &c->cancel.socket, &e))
        return;
    c->cancel.watch = message_socket_watch(c->cancel.socket);
}

void cancel_end(struct mcp_call *c) {
    if (!c->cancel.socket)
        return;
    message_socket_close(c->cancel.socket);
    c->cancel.socket = NULL;
    c->cancel.watch = NULL;
}

bool cancel_arrived(void *call) {
    struct mcp_call *c = call;
    struct buf message;

    if (c->cancel.socket && !c->cancel.arrived) {
        buf_init(&message, c->arena, MESSAGE_MAX);
        c->cancel.arrived = message_socket_wait(c->cancel.socket, -1, clock_monotonic_ms(),
                                                &message) == MESSAGE_SOCKET_RECEIVED;
    }
    return c->cancel.arrived;
}

void cancel_deliver(const struct mcp_call *c) {
    const struct json *id = json_get(c->msg.params, "requestId");
    const char *reason = json_get_str(c->msg.params, "reason");

    if (c->msg.protocol != PROTOCOL_HANDSHAKE || !c->client.session ||
        (!json_is_string(id) && !json_is_number(id)))
        return;
    if (message_socket_send(name_of(c, id), MESSAGE, strlen(MESSAGE)))
        log_info("cancelled", kv("request", c->x->rq->id), kv("sub", c->client.claims->sub),
                 kv("reason", reason ? text_quotable(c->arena, reason) : ""));
}

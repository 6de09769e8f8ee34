/* Sessions of the handshake versions ("Session Management"). The session id carries, sealed, what
 * the client said in its `initialize` request, so that any worker can read it and nothing is
 * stored for most sessions. The host's cache stores only a log level that was set, subscriptions to
 * resources, and which sessions have ended. */
#pragma once

#include "mcp/call.h"

#define SESSION_STORED_PREFIX "mcp-session:"
#define SESSION_MAX_S (7 * 24 * 3600) /* then the client has to initialize again */
/* Clients may begin and end any number of sessions, so what is stored of them has quotas, and the
 * oldest entries are deleted. Ended sessions have a quota of their own, so that they do not
 * displace live ones. */
#define SESSION_ENDED_PREFIX "mcp-ended:"
#define SESSION_STORED_BYTES_MAX 16384 /* of one session */
#define SESSION_STORED_USER_MAX 256
#define SESSION_STORED_USER_BYTES_MAX ((size_t)1 << 20)
#define SESSION_STORED_HOST_MAX 4096
#define SESSION_STORED_HOST_BYTES_MAX ((size_t)32 << 20)

struct mcp_session {
    const char *user;    /* digest of the token's sub */
    const char *id;      /* USER:SESSION: `user`, and the digest of the Mcp-Session-Id */
    const char *key;     /* of `stored` in the host's cache */
    struct json *stored; /* {"level", "uris"}, each if it was set */
};

/* Those of a client's capabilities that programs and MCP servers can use. */
struct json *mcp_known_capabilities(struct arena *a, const struct json *given);

/* Fills c->client from the Mcp-Session-Id header, if there is one. ERR_NOT_FOUND if it is not a
 * live session of this user. */
enum rc mcp_session_find(struct mcp_call *c, struct err *e) MUST_USE;
/* Writes c->client.session->stored to the host's cache. ERR_RPC_INVALID_PARAMS if it is over
 * SESSION_STORED_BYTES_MAX. */
enum rc mcp_session_save(struct mcp_call *c, struct err *e) MUST_USE;

/* Begins the call of a GET or DELETE request: checks the token and finds the session. In versions
 * without such requests (2026-07-28), ERR_METHOD_NOT_ALLOWED with the text `why`. */
enum rc mcp_session_begin(struct exchange *x, struct mcp_call *c, const char *why,
                          struct err *e) MUST_USE;
/* DELETE of the MCP endpoint: ends a session. */
enum rc mcp_delete(struct exchange *x, struct err *e);
/* The methods initialize, ping, server/discover and logging/setLevel. */
mcp_method_fn mcp_initialize, mcp_ping, mcp_discover, mcp_set_level;

/* notifications/cancelled of the handshake versions names a request of the same session, which
 * runs in another worker. The worker that gets the notification sends a message to the other one,
 * which expects it while its program runs and while it waits for the client's answers. (In
 * 2026-07-28 closing the stream cancels.) */
#define CANCEL_POLL_MS 500 /* how often the message is looked for during that wait */

/* Makes the call cancellable until cancel_end, if it belongs to a session and no running call of
 * the session has the same id. */
void cancel_begin(struct mcp_call *c);
void cancel_end(struct mcp_call *c);
/* Has the call been cancelled? `call` is a struct mcp_call. */
bool cancel_arrived(void *call);
/* Forwards a notification to the worker of the call; does nothing if the call is over. */
void cancel_deliver(const struct mcp_call *c);

/* Requests to MCP servers (catalog/servers.h), over a connection to the server's relay
 * (runner/relay_client.h), one after the other. The server is started if it does not run. */
#pragma once

#include "catalog/servers.h"
#include "exec/executor.h"
#include "runner/process.h"

struct server_request {
    const struct server *server;
    const char *method;  /* NULL: no request; *out is filled from the relay's first line */
    struct json *params; /* of this request; may be changed */
    int64_t timeout_ms;
    /* Called with each notification that the server sends for the request; NULL: it is dropped. */
    void (*on_notification)(void *arg, struct arena *scratch, const char *method,
                            struct json *params);
    void *arg;
    struct waiter waiter;
    bool is_for_lists; /* what it answers is shown to all users: no user's instance is asked */
    bool can_be_asked; /* the server may ask the client; otherwise it is told that nobody can */
    /* Instead of `method` and `params`: the call that has asked goes on with the answer, an object
     * with "result" or "error"; NULL: it is given up. */
    const char *ticket;
    const struct json *answer;
    /* Instead: a subscription of this user to this URI for so long; `file` is touched when it has
     * changed. */
    const char *subscribe, *user;
    int64_t seconds;
    int file;
};

struct server_answer {
    struct execution execution; /* how it ended: without `result`, `failure` says why */
    struct json *error;         /* the server's own, of JSON-RPC; NULL: it sent none */
    const char *stamp;          /* of its relay; NULL: it did not get so far */
    bool *is_stored;            /* the stamp was found in the file of lists; NULL: nobody knows */
    struct json *capabilities;  /* of the server; NULL: the relay has said them before */
    bool is_stateless;          /* it speaks 2026-07-28 */
    /* What the server asks the client, an object with "method" and "params", and the ticket of the
     * call, which waits for the answer for a while. NULL: nothing. */
    struct json *question;
    const char *ticket;
};

/* What a relay knows the user by who calls. */
const char *server_user(struct mcp_call *c);
/* The key of the instance that is asked for the lists. */
struct instance_key server_instance_key(struct mcp_call *c, const struct server *s);
/* Waits for timeout_ms at most. Everything is in the arena of the call. */
void server_request(struct mcp_call *c, const struct server_request *r, struct server_answer *out);

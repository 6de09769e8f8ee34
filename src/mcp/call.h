/* One message in the endpoint: the input and the answer of a method. */
#pragma once

#include "base/json.h"
#include "base/text.h"
#include "config/config.h"
#include "idp/access_token.h"
#include "mcp/message.h"
#include "mcp/method.h"
#include "site/exchange.h"

struct mcp_session;
struct message_socket;
struct replay_log;

/* Levels of log messages (RFC 5424 §6.2.1, as MCP names them), from debug to emergency. */
enum log_wanted { LOG_WANTED_NONE = 100, LOG_WANTED_INFO = 1 };
int mcp_log_level(const char *name); /* -1: there is no such level */

/* The caller, and what its client supports. */
struct mcp_client {
    const struct token_claims *claims;
    struct json *capabilities;         /* NULL: the client declared none */
    const struct mcp_session *session; /* session.h; NULL: none */
    int log_level;                     /* the lowest that it asked for */
};

/* The stream of events that answers the call, if there is one: stream.h. */
struct mcp_stream {
    int64_t sent_ms;  /* monotonic: when something was last sent */
    int64_t paced_ms; /* monotonic: when the rate limit of notifications is unused again */
    unsigned dropped; /* notifications dropped over the rate limit */
    bool has_progress;
    struct json_number progress; /* the last progress sent */
    bool gone;                   /* the client has closed the stream */
    struct replay_log *replay;   /* where sent events are stored (replay.h); NULL: they are not */
    const char *id;              /* of the stream, in the ids of its events */
};

/* What ends the call before its program ends: cancel.h. */
struct mcp_cancel {
    const int *watch;           /* watched instead of the client's connection; NULL: nothing */
    bool (*confirm)(void *arg); /* asked when it is readable, see runner/process.h; NULL: none */
    void *confirm_arg;
    struct message_socket *socket; /* receives notifications/cancelled; NULL: not supported */
    bool arrived;                  /* one has come */
    int64_t deadline_ms;           /* monotonic: programs are ended then, also in a batch */
};

struct mcp_answer {
    struct text result;
    int error_status;        /* HTTP status of the error; 0: the one of its code */
    struct json *error_data; /* NULL: none */
    /* For the audit line: which tool, resource or prompt, and a word on how the call ended. NULL:
     * what the request names, and "ok" or "error". */
    const char *target, *outcome;
};

struct mcp_call {
    struct exchange *x;
    struct arena *arena; /* memory of the call */
    struct mcp_message msg;
    const struct mcp_method *method; /* NULL: a message that needs no answer */
    struct mcp_client client;
    struct mcp_stream stream;
    struct mcp_cancel cancel;
    struct mcp_answer answer;
};

/* Makes a call of this exchange, before its message is read. */
struct mcp_call mcp_call_begin(struct exchange *x);
/* Turns an object, which it takes over, into the result: adds the members that every result of the
 * protocol version has, with resultType "complete" unless there is one. */
void mcp_call_finish(struct mcp_call *c, struct json *result);

/* Who the caller is, for programs and for whoami: sub, username, client_id and scopes. */
struct json *mcp_client_identity(struct arena *a, const struct mcp_client *client);

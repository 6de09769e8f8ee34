/* One message on its way through the endpoint: what a method is given, and what it answers. */
#ifndef MCP_CALL_H
#define MCP_CALL_H

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

/* Who calls, and what its client can do. */
struct mcp_client {
    const struct token_claims *claims;
    struct json *capabilities;         /* NULL: the client has declared none */
    const struct mcp_session *session; /* session.h; NULL: none */
    int log_level;                     /* the lowest that it wants */
};

/* The stream of events that answers the call, if there is one: stream.h. */
struct mcp_stream {
    int64_t sent_ms;  /* monotonic: when something was last sent */
    int64_t paced_ms; /* monotonic: when no notification of the last ones counts any more */
    unsigned dropped; /* notifications that were more than may be sent */
    bool has_progress;
    struct json_number progress; /* the last one that was sent */
    bool gone;                   /* the client has closed the stream */
    struct replay_log *replay;   /* replay.h: what is sent is kept there; NULL: it is not */
    const char *id;              /* of the stream, in the ids of its events */
};

/* What ends the call before its program has: cancel.h. */
struct mcp_cancel {
    const int *watch;           /* in place of the client's connection; NULL: none */
    bool (*confirm)(void *arg); /* asked when it is readable, see runner/process.h; NULL: none */
    void *confirm_arg;
    struct message_socket *socket; /* for notifications/cancelled; NULL: none can come */
    bool arrived;                  /* one has come */
    int64_t deadline_ms;           /* monotonic: no program runs on after it, in a batch too */
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
    struct arena *arena; /* of what is made for the call */
    struct mcp_message msg;
    const struct mcp_method *method; /* NULL: a message that needs no answer */
    struct mcp_client client;
    struct mcp_stream stream;
    struct mcp_cancel cancel;
    struct mcp_answer answer;
};

/* A call of this exchange, before its message is known. */
struct mcp_call mcp_call_begin(struct exchange *x);
/* Makes the result of an object that it takes over: adds what every result of the protocol version
 * carries, with a resultType of "complete" unless it has one. */
void mcp_call_finish(struct mcp_call *c, struct json *result);

#endif

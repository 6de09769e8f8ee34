/* The interface between the endpoint and the methods that it serves. struct mcp_service is the
 * table of methods (exec/methods.c defines it); struct mcp_call is one message, with the input and
 * the answer of its method. */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "catalog/protocol.h"
#include "config/config.h"
#include "idp/access_token.h"
#include "mcp/rpc.h"
#include "site/exchange.h"

struct catalog;
struct mcp_service;
struct task_store;
struct token_cache;
struct buf;
struct mcp_call;
struct mcp_session;
struct message_socket;
struct replay_log;

/* The part of a site that only MCP uses. */
struct mcp_site {
    const struct mcp_service *service; /* the methods */
    struct token_cache *tokens;        /* verified access tokens */
    struct catalog *catalog;           /* tools, resources, prompts */
    struct task_store *tasks;          /* records of tasks; NULL: there are none */
};

/* Fills c->answer.result, or fails with an ERR_RPC_ code (answered as a JSON-RPC error) or another
 * one (answered by the dispatcher). */
typedef enum rc mcp_method_fn(struct mcp_call *c, struct err *e);
/* The scopes that this call needs besides REQUIRED_SCOPES; "" for none. */
typedef const char *mcp_scopes_fn(const struct mcp_call *c);

struct mcp_method {
    const char *name;
    unsigned protocols; /* enum mcp_protocol bits */
    mcp_method_fn *run;
    mcp_scopes_fn *scopes; /* may be NULL */
    const char *mirrored;  /* the member of params that Mcp-Name repeats, or NULL */
    const char *event;     /* the event of the log line of a call; NULL: calls are not logged */
    const char *kind;      /* the key of the call's target in that line, such as "tool" */
};

/* What subscriptions/listen can ask for besides lists and resources: a member of
 * params.notifications. Adds subscriptions to `list`; *agreed is the granted part of the request,
 * NULL if nothing is granted. */
struct mcp_filter {
    const char *member;
    enum rc (*subscribe)(struct mcp_call *c, const struct json *requested, struct buf *list,
                         struct json **agreed, struct err *e);
};

struct mcp_service {
    const struct mcp_method *methods;
    size_t method_count;
    const struct mcp_filter *filters;
    size_t filter_count;
    const char *extensions; /* that PROTOCOL_STATELESS has: an object, as JSON */
    /* Takes a client's response to a request of the server. */
    void (*take_response)(struct mcp_call *c, struct json *message);
};

/* The log level that the client asked for: it gets log messages of this level and above. Levels are
 * numbered from 0 (debug) to 7 (emergency), and have MCP's names (from RFC 5424 §6.2.1). */
enum mcp_log_level { MCP_LOG_LEVEL_INFO = 1, MCP_LOG_LEVEL_NONE = 100 /* no messages */ };
/* The number of a level; -1 if there is none of this name. */
int mcp_log_level(const char *name);

/* The caller, and what its client supports. */
struct mcp_client {
    const struct token_claims *claims;
    struct json *capabilities;         /* NULL: the client declared none */
    const struct mcp_session *session; /* session.h; NULL: none */
    int log_level;                     /* see enum mcp_log_level */
};

/* The stream of events that answers the call, if there is one: stream.h. */
struct mcp_stream {
    int64_t sent_ms;       /* monotonic: when something was last sent */
    int64_t rate_limit_ms; /* monotonic: when a full burst of notifications is allowed again */
    unsigned dropped;      /* notifications dropped over the rate limit */
    bool has_progress;
    struct json_number progress; /* the last progress sent */
    bool disconnected;           /* the client has closed the stream */
    struct replay_log *replay;   /* where sent events are stored (stream.h); NULL: they are not */
    const char *id;              /* the part of event ids that names the stream */
};

/* What ends the call before its program ends: session.h. */
struct mcp_cancel {
    const int *watch;           /* watched instead of the client's connection; NULL: nothing */
    bool (*confirm)(void *arg); /* called when it is readable, see runner/process.h; may be NULL */
    void *confirm_arg;
    struct message_socket *socket; /* receives notifications/cancelled; NULL: not supported */
    bool arrived;                  /* such a notification has been received */
    int64_t deadline_ms;           /* monotonic: when programs are ended; one for a whole batch */
};

struct mcp_answer {
    struct text result;
    int error_status;        /* HTTP status of the error; 0: that of rpc_error_status */
    struct json *error_data; /* NULL: none */
    /* For the audit line: the tool, resource or prompt (NULL: as the request names it), and how the
     * call ended (NULL: "ok" or "error"). */
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
/* Sets c->answer.result to the text of `result`, after adding the members that every result of the
 * protocol version has (resultType is "complete" unless the object has one). Changes the object. */
void mcp_call_finish(struct mcp_call *c, struct json *result);

/* Who the caller is, for programs and for whoami: sub, username, client_id and scopes. */
struct json *mcp_client_identity(struct arena *a, const struct mcp_client *client);

/* The interface between the endpoint and the methods that it serves. struct mcp_service is the
 * table of methods (exec/methods.c defines it); struct mcp_call is one message, with the input and
 * the answer of its method. */
#pragma once

#include "config/config.h"
#include "idp/access_token.h"
#include "mcp/rpc.h"
#include "site/exchange.h"

struct mcp_call;
struct resource;

/* How a call ended, for the audit log. */
struct mcp_call_end {
    const char *event, *outcome;  /* as in the log */
    const char *kind, *target;    /* such as "tool", and its name */
    const char *task;             /* its id; NULL: none */
    const char *reason;           /* why it did not succeed, in our words; NULL: not known */
    const struct json *arguments; /* NULL: none */
    int64_t ms;                   /* how long it took */
};

/* Who is told how each call ended. */
struct mcp_audit {
    void (*write)(void *arg, const struct mcp_call *c, const struct mcp_call_end *end);
    void (*after_fork)(void *arg); /* descriptors of the parent process are not there any more */
    void *arg;
};

/* The part of a site that only MCP uses. */
struct mcp_site {
    const struct mcp_service *service; /* the methods */
    struct catalog *catalog;           /* tools, resources, prompts */
    struct task_store *tasks;          /* records of tasks; NULL: there are none */
    /* Told when a call begins that may take long, and when it ends; NULL: nobody is. */
    void (*on_call)(void *arg, bool begins);
    void *on_call_arg;
    struct mcp_audit audit; /* write is NULL: nobody is told */
};

/* Fills c->answer.result, or fails with an ERR_RPC_ code (answered as a JSON-RPC error) or another
 * one (answered by the dispatcher). */
typedef enum rc mcp_method_fn(struct mcp_call *c, struct err *e);
/* The entry of the catalog that this call names, which demands something of the caller (access.h);
 * NULL: there is none. */
typedef const struct entry *mcp_entry_fn(struct mcp_call *c);

struct mcp_method {
    const char *name;
    unsigned protocols; /* enum mcp_protocol bits */
    mcp_method_fn *run;
    mcp_entry_fn *entry;    /* may be NULL */
    const char *name_param; /* the member of params that the header Mcp-Name repeats, or NULL */
    const char *event;      /* of the log line of a call; NULL: calls are not logged */
    const char *kind;       /* of the call's target, such as "tool": its key in that line */
};

struct mcp_service {
    const struct mcp_method *methods;
    size_t method_count;
    /* Adds to `list` what subscriptions/listen requests besides lists and resources, and what it
     * gets of that to `granted`, an object like params.notifications. */
    enum rc (*subscribe)(struct mcp_call *c, const struct json *requested, struct buf *list,
                         struct json *granted, struct err *e);
    /* The server's, for server/discover and initialize: an object, as JSON; NULL: none. */
    const char *(*extensions)(const struct mcp_call *c);
    /* The path of a file that changes when this resource, which is no file, does; NULL: none. */
    const char *(*watch_resource)(struct mcp_call *c, const struct resource *r, const char *uri);
    /* Takes a client's response to a request of the server (handshake versions). */
    void (*take_response)(struct mcp_call *c, struct json *message);
};

/* The log level that the client asked for: it gets log messages of this level and above. Levels are
 * numbered from 0 (debug) to 7 (emergency), and have MCP's names (from RFC 5424 §6.2.1). */
enum mcp_log_level { MCP_LOG_LEVEL_INFO = 1, MCP_LOG_LEVEL_NONE = 100 /* no messages */ };
/* The number of a level; -1 if there is none of this name. */
int mcp_log_level(const char *name);
const char *mcp_log_level_name(int level); /* NULL: there is none of this number */

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
    int64_t rate_limit_ms; /* monotonic: from when on a full burst of notifications is allowed */
    unsigned dropped;      /* notifications dropped over the rate limit */
    bool has_progress;
    struct json_number progress; /* the last progress sent */
    bool disconnected;           /* the client has closed the stream */
    struct replay_log *replay;   /* where sent events are stored (stream.h); NULL: they are not */
    const char *id;              /* the part of event ids that names the stream */
};

/* What ends the call before its program ends: session.h. */
struct mcp_cancel {
    const int *watch; /* watched instead of the client's connection; NULL: nothing */
    /* Called when `watch` is readable, as in struct waiter (runner/client.h). */
    bool (*must_stop)(void *arg);
    void *must_stop_arg;
    int socket;          /* receives notifications/cancelled; -1: not supported */
    bool arrived;        /* such a notification has been received */
    int64_t deadline_ms; /* monotonic: when programs are stopped; the same for a batch */
};

struct mcp_answer {
    struct text result;
    int error_status;        /* HTTP status of an error; 0: that of rpc_error_status */
    struct json *error_data; /* member `data` of an error; NULL: none */
    /* For the log line of the call: the tool, resource or prompt (NULL: as the request names it),
     * and how the call ended (NULL: "ok" or "error"). */
    const char *target, *outcome;
    const char *task;    /* the task that the call began; NULL: none */
    bool error_is_other; /* its text is a program's or a server's: it may have data in it */
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
    struct program_usage *usage; /* exec/executor.h; NULL: nobody asks for it */
    struct json *resumed; /* a parked call: its method's state (parked_call.h); NULL: a new call */
};

/* Makes a call of this exchange, before its message is read. */
struct mcp_call mcp_call_begin(struct exchange *x);
/* Sets c->answer.result to the text of `result`, after adding the members that every result of the
 * protocol version has (resultType is "complete" unless the object has one). Changes the object. */
void mcp_call_finish(struct mcp_call *c, struct json *result);

void mcp_call_audit(const struct mcp_call *c, const struct mcp_call_end *end);
/* Calls on_call of the site: the master then starts another worker for the time of the call. */
void mcp_call_takes_long(const struct mcp_call *c, bool begins);

/* The caller, told apart from the users of all other sites of this host: for its limits. */
const char *mcp_call_user(const struct mcp_call *c);
/* Who the caller is, for programs and for whoami: sub, username, client_id and scopes. */
struct json *mcp_client_identity(struct arena *a, const struct mcp_client *client);

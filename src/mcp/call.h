/* One message on its way through the MCP room: everything that a method may need to know, and what
 * it answers. */
#ifndef MCP_CALL_H
#define MCP_CALL_H

#include "config/config.h"
#include "crypto/crypto.h"
#include "mcp/mcp.h"
#include "mcp/rpc.h"
#include "web/handler.h"

#define MCP_VERSION_MODERN "2026-07-28"
#define MCP_VERSION_HANDSHAKE "2025-11-25" /* the latest of its era: what we offer */
#define MCP_VERSION_BATCHES                                                                        \
    "2025-03-26" /* the only one with batches, and the one without a                               \
                    version header */

#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CLIENT_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define META_CLIENT_INFO "io.modelcontextprotocol/clientInfo"
#define META_LOG_LEVEL "io.modelcontextprotocol/logLevel"
#define META_SERVER_INFO "io.modelcontextprotocol/serverInfo"

#define MCP_SERVER_INFO                                                                            \
    "{\"name\":\"" MCP_SERVER_NAME "\",\"title\":\"" MCP_SERVER_NAME                               \
    "\",\"version\":\"" MCP_AUTHD_VERSION "\"}"

struct mcp_method;
struct mcp_session;
struct replay_log;
struct message_socket;

/* For what is made once for each era. */
static inline int mcp_version_index(enum mcp_era era) {
    return era == ERA_MODERN;
}

struct mcp_call {
    struct context *cx;
    const struct request *rq;
    struct reply *rp;
    struct arena *arena;
    const struct token_claims *claims;
    struct rpc_message msg;
    enum mcp_era era;
    const char *version; /* protocol revision that this message follows */
    bool in_batch;
    struct json *capabilities;         /* of the client; NULL: it has told us none */
    const struct mcp_session *session; /* handshake era; NULL: none */
    int log_level;                     /* stream.h */
    const int *watch;                  /* in place of the client's going away; NULL: none */
    bool (*confirm)(void *arg);        /* asked when it is readable, see run.h; NULL: cancel.h's */
    void *confirm_arg;
    struct message_socket *cancel; /* cancel.h; NULL: nobody can cancel this call */
    bool cancelled;
    int64_t sent_ms;   /* monotonic: when something was last sent on its stream */
    int64_t told_ms;   /* stream.h: when it may be told as much as ever again */
    unsigned untold;   /* messages that were left out */
    bool has_progress; /* the last one that was told */
    struct json_number progress;
    bool gone;                  /* the client has closed the stream of this call */
    struct replay_log *journal; /* resume.h: keeps the stream of this call; NULL: it is not kept */
    const char *stream;         /* and what the stream is called in the ids of its events */
    int64_t deadline_ms; /* monotonic: no program runs on after it, however many a batch has */
    const struct mcp_method *method;
    /* For the audit line: which tool, resource or prompt, and a word on how the call ended; NULL:
     * what the request names, and ok or error. */
    const char *target, *outcome;
    /* The answer: a result, or with an error code what else belongs to it. */
    struct text result;
    int error_status;        /* HTTP status of the error; 0: the one of its code */
    struct json *error_data; /* NULL: none */
};

/* Fills c->result, or fails with an ERR_RPC_ code (answered as a JSON-RPC error) or another one
 * (answered by the dispatcher). */
typedef enum rc mcp_method_fn(struct mcp_call *c, struct err *e);
/* The scopes that this call needs beyond those of every call; "" for none. */
typedef const char *mcp_scopes_fn(const struct mcp_call *c);

struct mcp_method {
    const char *name;
    unsigned eras; /* enum mcp_era bits */
    mcp_method_fn *run;
    mcp_scopes_fn *scopes; /* may be NULL */
    const char *mirrored;  /* the member of params that Mcp-Name repeats, or NULL */
    const char *event;     /* of its audit line; NULL: it has none */
    const char *kind;      /* of what it is called on, in that line */
};

/* methods.c: NULL if the era has no such method. */
const struct mcp_method *mcp_method_find(const char *name, enum mcp_era era);

/* era.c: settles c->era and c->version from the header and the message; refuses what does not fit
 * together. Everything about the envelope of a modern message is checked here. */
enum rc mcp_version_settle(struct mcp_call *c, struct err *e) MUST_USE;
/* The era that the header alone speaks for, for answers to what cannot be read. */
enum mcp_era mcp_version_of_header(const struct request *rq);
/* Does the header allow a batch? Only 2025-03-26 has them. */
bool mcp_version_has_batches(const struct request *rq);

bool mcp_version_is_handshake_version(const char *version);

/* methods.c. Takes over a result object: adds what every result of the era carries, with a
 * resultType of "complete" unless it has one. */
void mcp_call_finish(struct mcp_call *c, struct json *result);

/* accept.c: does the Accept header allow this media type? An absent header allows all. */
bool mcp_accepts(const struct request *rq, const char *type);
/* Would the client rather have a stream of events than JSON? */
bool mcp_prefers_stream(const struct request *rq);

/* tool_call.c */
mcp_method_fn mcp_tools_list, mcp_tools_call;
mcp_scopes_fn mcp_tools_call_scopes;
/* resource_read.c */
mcp_method_fn mcp_resources_list, mcp_resource_templates_list, mcp_resources_read;
mcp_scopes_fn mcp_resources_read_scopes;
/* prompt_get.c */
mcp_method_fn mcp_prompts_list, mcp_prompts_get;
mcp_scopes_fn mcp_prompts_get_scopes;
/* complete.c */
mcp_method_fn mcp_complete;
mcp_scopes_fn mcp_complete_scopes;
/* session.c */
mcp_method_fn mcp_set_level;
/* tasks.c */
mcp_method_fn mcp_tasks_get, mcp_tasks_update, mcp_tasks_cancel;
/* listen.c */
mcp_method_fn mcp_listen, mcp_subscribe, mcp_unsubscribe;

#endif

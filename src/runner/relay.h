/* A relay: a process of the runner that has one MCP server, a program that speaks JSON-RPC on stdin
 * and stdout, and carries the calls of many callers to it. For each caller it is as if the server
 * was its own, and had been initialized: ids and progress tokens are replaced, and what the server
 * says reaches the caller that it is for.
 *
 *     relay.c           the process: its pipes and callers, the server's beginning and end
 *     relay_messages.c  what is sent through it
 *     relay_questions.c what the server asks its callers
 *     relay_subscriptions.c  who is told of changed resources
 *     relay_stateless.c what is different with servers of 2026-07-28
 *     relay_queue.c     bytes that wait
 *
 * The relay's own lines are objects with the member "relay" (words below). A caller may send its
 * requests at once; they are read after the first line, so one that has got none was not read. A
 * caller that has been answered may keep its connection for the next request; the relay closes it
 * when it ends, and then a caller reads ECONNRESET if what it has sent was not read (unix(7)). */
#pragma once

#include "base/json.h"
#include "runner/instance.h"

#define RELAY_MESSAGE_MAX ((size_t)8 << 20) /* bytes of a line, either way */
#define RELAY_QUEUE_MAX ((size_t)4 << 20)   /* of more than that, nothing is added for the server */
#define RELAY_CALLERS_MAX 1024
#define RELAY_CALLS_MAX 1024     /* that wait for the server */
#define RELAY_ID_MAX 256         /* bytes of an id as JSON */
#define RELAY_PING_MS 10000      /* for a server that has let a caller wait in vain */
#define RELAY_MEMORY_MS 2000     /* between questions for the server's memory */
#define RELAY_PARKED_MAX 256     /* calls that wait for a client's answer, and no caller for them */
#define RELAY_PARKED_USER_MAX 16 /* of one user: of more, the oldest is given up */
#define RELAY_PARKED_MS 600000   /* for the answer */
#define RELAY_HELD_MAX ((size_t)64 << 10) /* bytes of each queue of a call that has asked */
#define RELAY_GIVEN_UP_MAX 64 /* calls that are remembered as given up and not answered */
#define RELAY_SUBSCRIPTIONS_MAX 256
#define RELAY_SUBSCRIPTIONS_USER_MAX 64 /* of the one who was first */
#define RELAY_SUBSCRIPTION_S_MAX 604800
#define RELAY_TELL_EVERY_MS 1000 /* of changes of its lists */
/* Ids of calls are greater, and fit into 32 bits for long. They are progress tokens, too, and a
 * server's request may have one of its own, which it counts from 0. */
#define RELAY_FIRST_ID (1 << 30)
#define RELAY_TICKET_LEN 32        /* what names a parked call */
#define RELAY_USER_MAX 64          /* bytes */
#define RELAY_VERSION "2025-11-25" /* of MCP: the one that is asked for */
#define RELAY_VERSIONS_HANDSHAKE RELAY_VERSION " 2025-06-18 2025-03-26 2024-11-05"
#define RELAY_VERSION_STATELESS "2026-07-28"
#define METHOD_NOT_FOUND (-32601)             /* JSON-RPC 2.0 §5.1 */
#define RELAY_META "io.modelcontextprotocol/" /* before the members of its _meta */
#define RELAY_DISCOVER_MS 5000                /* for a server that may know only older revisions */
#define RELAY_LISTEN_FIRST_MS 1000 /* before changes are asked for again; then twice that */
#define RELAY_LISTEN_MAX_MS 60000

/* The member of _meta that says who calls, an object; only a worker writes it. */
#define SERVER_META_CALLER "mcp-authd/caller"
/* The member of _meta with HTTP headers of this message alone, an object of values by name; only a
 * worker writes it, and only the bridge reads it. */
#define SERVER_META_HEADERS "mcp-authd/headers"
/* Members of a caller's request, which go through to the bridge: the JWT of the user who calls, and
 * the one for what the bridge sends by itself from now on. It begins with that of the variable. */
#define SERVER_USER "mcp-authd/user"
#define SERVER_USER_S 60           /* for which it is valid */
#define SERVER_USER_RENEW_MS 20000 /* after which a caller that waits sends another one */
#define SERVER_SERVICE "mcp-authd/service"
#define SERVER_SERVICE_MAX 8192 /* bytes */
#define SERVER_SERVICE_VARIABLE "MCP_AUTHD_SERVICE"
/* With SERVER_USER, and nothing else, in a line for the bridge: the call whose user it names. */
#define SERVER_CALL "mcp-authd/call"

/* A notification of the bridge alone: another session has begun, in which the server knows of no
 * subscription, or what it has said of changed resources may be lost. */
#define SERVER_SUBSCRIPTIONS_LOST "notifications/mcp-authd/subscriptions_lost"

/* Of any client: whether that of a call can do what the server asks is known then. */
#define RELAY_CAPABILITIES                                                                         \
    "{\"elicitation\":{\"form\":{},\"url\":{}},\"roots\":{},\"sampling\":{\"context\":{},"         \
    "\"tools\":{}}}"

#define RELAY_CLIENT_INFO "{\"name\":\"mcp-authd\",\"version\":\"" MCP_AUTHD_VERSION "\"}"

/* Words of the member "relay"; with RELAY_NOT_STARTED and RELAY_ENDED, "detail" says why. */
/* The first line, and another one when the server's lists have changed. "initialize" is the
 * server's result; "stamp" is another one after a restart, and after each change of its lists. */
#define RELAY_READY "ready"
#define RELAY_NOT_STARTED "not_started" /* it did not initialize; the last line */
#define RELAY_ENDED "ended"             /* in the middle of a call; the last line */
#define RELAY_BUSY "busy"               /* RELAY_CALLS_MAX */
/* The server asks the client: "method", "params". The caller closes the connection, and brings the
 * answer on another one with the "ticket". Nothing comes after it. */
#define RELAY_QUESTION "question"
#define RELAY_GONE "gone" /* no call has this ticket; the last line */

/* A caller's request has the member "relay", the user, if it can be asked, "capabilities" of its
 * client, and "level" and "levelName" of the log messages that it wants. Instead of a request it
 * can send RELAY_RESUME with "ticket" and "answer", an object with "result" or "error" (without:
 * the call is given up), and SERVER_USER. */
#define RELAY_RESUME "resume"
/* While it waits: with SERVER_USER, of its calls from now on. */
#define RELAY_RENEW "renew"
/* Or RELAY_SUBSCRIBE with "uri", "user" and "seconds", and a descriptor of a file that is touched
 * when the resource has changed. It is answered with RELAY_SUBSCRIBED or RELAY_BUSY. The uri "" is
 * that of the lists: one file, for as long as the relay lives. */
#define RELAY_SUBSCRIBE "subscribe"
#define RELAY_SUBSCRIBED "subscribed"

/* What comes on its control with a descriptor: a caller, or a file with a SERVER_SERVICE. */
#define RELAY_WORD_CALLER "c"
#define RELAY_WORD_SERVICE "s"
/* What the relay says on its control, after which it takes no more callers. */
#define RELAY_WORD_ENDING "e"
#define RELAY_WORD_FAILED "f"

/* ---- relay_queue.c: bytes that wait to be written, or for the end of a line ---- */

struct relay_queue {
    char *p;
    size_t from, len, cap; /* len: from `from` on */
};

void relay_queue_add(struct relay_queue *q, const void *p, size_t len);
void relay_queue_take(struct relay_queue *q, size_t len); /* the first ones */
void relay_queue_free(struct relay_queue *q);
/* All of it; valid until the queue changes. */
static inline struct text relay_queue_text(const struct relay_queue *q) {
    return (struct text){q->len ? q->p + q->from : "", q->len};
}
/* One read; what was there before stays. > 0: there is more; 0: the end; -1: nothing there now. Of
 * a socket a descriptor that comes along is *passed, if that is -1; NULL: it is no socket. */
int relay_queue_read(struct relay_queue *q, int fd, int *passed);
/* false: the other end is gone. */
bool relay_queue_write(struct relay_queue *q, int fd);
/* The first line without its newline, which is no longer in the queue but stays valid until it
 * changes or has no more lines. */
bool relay_queue_line(struct relay_queue *q, struct text *line);

/* ---- the state ---- */

struct relay_caller {
    int fd; /* -1: free */
    bool greeted;
    bool has_asked;   /* it has sent something */
    unsigned changes; /* as it was told */
    struct relay_queue in, out;
    unsigned calls;
    int passed; /* the descriptor that came with what is in `in`; -1: none */
};

struct relay_subscription {
    char *uri;
    char user[RELAY_USER_MAX];
    int file;
    int64_t until_ms;
};

/* A request that the server has to answer. */
struct relay_call {
    int64_t id;                  /* that the server knows; 0: free */
    int64_t until_ms;            /* its caller waits until then, at the most */
    struct relay_caller *caller; /* NULL: the relay itself; with a ticket, it is parked */
    char original[RELAY_ID_MAX]; /* the id that the caller knows, as JSON */
    bool has_token;              /* its caller has a progress token, and puts it back itself */
    char user[RELAY_USER_MAX];   /* "": it cannot be asked */
    /* What the server asks its client: the id that the server knows, as JSON; "": nothing. */
    char question[RELAY_ID_MAX];
    char ticket[RELAY_TICKET_LEN + 1];
    char page[RELAY_ID_MAX]; /* the elicitationId of the page that was asked for last, as JSON */
    bool withdrawn;          /* the server does not want the answer any more */
    bool answered;           /* its answer is in `held` */
    struct relay_queue held; /* for the caller, after the question */
    struct relay_queue next; /* what the server asks besides: one after the other */
};

/* A call that nobody waits for, and that the server may still execute. */
struct relay_given_up {
    int64_t id; /* 0: several of this user */
    char user[RELAY_USER_MAX];
};

/* What the relays of a server count together, in memory that they share with the pool. */
struct relay_record {
    uint8_t group[INSTANCE_ID_LEN];
    bool is_used;
    struct server_state state; /* but for instances, calls_now and memory */
};

/* What each relay tells the pool, in the same memory. */
struct relay_figures {
    int64_t memory;    /* of its server: bytes */
    int64_t called_ms; /* for the last time: its callers keep their connections */
    uint32_t calls;    /* that wait for it */
};

/* Where a relay counts. */
struct relay_place {
    struct relay_record *record;
    struct relay_figures *figures;
};

struct relay {
    struct instance_key key;
    struct relay_place place;
    int64_t memory_due_ms; /* when to ask the runner for it */
    int control;           /* where callers come from, until its end */
    int in, out, err, run;
    struct relay_queue to_server, from_server, errors;
    struct relay_caller callers[RELAY_CALLERS_MAX];
    unsigned callers_used; /* callers from this one on are free */
    struct relay_call calls[RELAY_CALLS_MAX];
    unsigned call_count, parked;
    struct relay_subscription subscriptions[RELAY_SUBSCRIPTIONS_MAX];
    unsigned subscription_count;
    int64_t again_ms; /* when to make them again, since the server has lost them; 0: not */
    int64_t lost_ms;  /* when they were last made again; 0: never */
    unsigned losses;  /* soon one after the other */
    int64_t first_id; /* those of calls are greater */
    int64_t next_id;
    /* Requests of the relay itself; NULL: there is none. */
    struct relay_call *initializing, *discovering, *pinging;
    struct relay_call *listening; /* to changes, in 2026-07-28 */
    bool is_stateless;            /* it speaks 2026-07-28 */
    int64_t listened_from_ms;
    int64_t listen_ms;        /* when to ask for them again; 0: not */
    unsigned listen_failures; /* one after the other */
    const char *refusal;      /* of the revisions that came first; NULL: not yet */
    int64_t deadline_ms;      /* of the state, or of a ping; INT64_MAX: none */
    enum relay_state { RELAY_STARTING, RELAY_RUNNING, RELAY_INPUT_CLOSED, RELAY_STOPPING } state;
    bool retired;           /* no caller comes any more: it ends after the last call */
    const char *initialize; /* the server's result, as JSON; NULL: it has not initialized yet */
    int64_t started_ms;     /* real time */
    bool has_logging, level_is_set;
    int64_t level;                /* of log messages, if it is set */
    int64_t told_ms;              /* when callers were last told of changes */
    int lists_file;               /* that is touched then; -1: none */
    int64_t touched_ms, touch_ms; /* when it was last, and when it is to be; 0: not */
    unsigned changes;             /* that it has announced of its lists */
    int64_t gave_up_until_ms;     /* a caller did, and the server may still work for it */
    struct relay_given_up given_up[RELAY_GIVEN_UP_MAX];
    unsigned given_up_count;
    bool gave_up_more;      /* users than fit */
    const char *why;        /* it ends */
    struct arena *arena;    /* of one message */
    struct arena *keep;     /* as long as the process */
    int64_t log_from_ms;    /* of garbage */
    unsigned garbage;       /* lines that are not logged yet */
    int64_t errors_from_ms; /* the second in which error_lines were logged */
    unsigned error_lines;
};

/* ---- relay_messages.c ---- */

void relay_initialize(struct relay *r);
/* It can be called: `result` is that of initialize or server/discover. */
void relay_begin(struct relay *r, const struct json *result, const char *version);
void relay_from_server(struct relay *r, struct text line);
/* false: the caller breaks the protocol. */
bool relay_from_caller(struct relay *r, struct relay_caller *caller, struct text line);
/* The caller has gone: what it waits for is cancelled. */
void relay_forget_caller(struct relay *r, struct relay_caller *caller);
/* Sends the first line. */
void relay_greet(struct relay *r, struct relay_caller *c);
void relay_say(struct relay *r, struct relay_caller *caller, const char *word, const char *detail);
void relay_send(struct relay_queue *q, struct arena *a, const struct json *message);
/* The error of a response (JSON-RPC 2.0 §5.1). */
struct json *relay_error(struct arena *a, int code, const char *message);
/* The call with this id, as the server knows it; NULL: there is none. */
struct relay_call *relay_find_call(struct relay *r, const struct json *id);
/* Of the relay itself; NULL: there are too many calls. */
struct relay_call *relay_request(struct relay *r, const char *method, struct json *params);
void relay_remove_call(struct relay *r, struct relay_call *call);
/* The server is told that nobody waits for it. */
void relay_cancel(struct relay *r, struct relay_call *call);
/* As JSON; false: it is too long. */
bool relay_keep_text(struct relay *r, const struct json *v, char out[RELAY_ID_MAX]);
struct json *relay_parse(struct relay *r, const char *text); /* NULL: null */
/* The bridge is told the call's newer JWT; NULL: there is none. */
void relay_send_user_jwt(struct relay *r, const struct relay_call *call, const char *jwt);
/* The same for what the bridge sends by itself. */
void relay_send_service_jwt(struct relay *r, struct text jwt);

/* ---- relay_questions.c ---- */

/* Of a call that has a user: it is given up before it was answered. */
void relay_note_given_up(struct relay *r, const struct relay_call *call);
/* The server has answered the call with this id, which is over. */
void relay_note_late_answer(struct relay *r, const struct json *id);
/* The call whose user may read a log message: the one that it names, or the newest of the only user
 * who has any, now or given up. NULL: there is none. */
struct relay_call *relay_call_of_log(struct relay *r, const struct json *params);
/* The call in which the server has asked for the page with this elicitationId. NULL: none. */
struct relay_call *relay_call_of_page(struct relay *r, const struct json *id);
void relay_take_question(struct relay *r, struct json *message, const char *method);
void relay_withdraw_question(struct relay *r, const struct json *id); /* that the server knows */
/* To its caller, or later if it has asked. The call has a caller, or is parked. */
void relay_deliver(struct relay *r, struct relay_call *call, struct json *message);
/* Before the call is removed. */
void relay_end_question(struct relay *r, struct relay_call *call);
/* The caller has gone. false: the call has not asked, or there is no room: it is given up. */
bool relay_park(struct relay *r, struct relay_call *call);
/* Gives up those that have waited too long, or all if no caller can come. When it is due again. */
int64_t relay_parked_due(struct relay *r);
void relay_resume(struct relay *r, struct relay_caller *caller, struct json *message);

/* ---- relay_stateless.c ---- */

/* To a request, if the server speaks 2026-07-28. */
void relay_add_meta(struct relay *r, struct json *message);
/* Asks for the revision, or for the others after the server has refused those that came first. */
void relay_begin_negotiation(struct relay *r);
/* It speaks none of those that it was asked for last, and why: for an admin. */
void relay_refused(struct relay *r, const char *why);
void relay_note_silence(struct relay *r); /* it has not answered in time */
void relay_take_discover(struct relay *r, const struct json *message);
/* To changes of the lists, and of what is subscribed to. */
void relay_listen(struct relay *r);
/* The server has ended the request that stays open. */
void relay_note_listen_end(struct relay *r, const struct json *answer);
/* Asks for changes again if it is time. When it is due; INT64_MAX: not. */
int64_t relay_listen_due(struct relay *r);

/* ---- relay_subscriptions.c ---- */

void relay_subscribe(struct relay *r, struct relay_caller *caller, const struct json *message);
/* Ends those whose time is over, or all if no caller can come, and makes lost ones again. When it
 * is due again. */
int64_t relay_subscriptions_due(struct relay *r);
void relay_resource_changed(struct relay *r, const char *uri); /* NULL: any may have */
/* The server may have forgotten all subscriptions, and what it has said of them may be lost. */
void relay_subscriptions_lost(struct relay *r);
/* The server's lists have, or may have: once a second at most. */
void relay_lists_changed(struct relay *r);
/* Tells of that if it is time. When it is due; INT64_MAX: not. */
int64_t relay_lists_due(struct relay *r);

/* Adds to a number of the record. */
#define relay_count(number, more) (void)__atomic_fetch_add(number, more, __ATOMIC_RELAXED)

/* Ends the server and then the process: `why` is what callers and the log are told. */
void relay_end(struct relay *r, const char *why);

/* Serves until the server has ended, or was not needed for long. `fds`: of the instance. */
_Noreturn void relay_main(int control, const struct instance_key *key, const int fds[INSTANCE_FDS],
                          const struct relay_place *place);

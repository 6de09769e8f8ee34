/* Private part of bridge.h: its state. */
#pragma once

#include "base/json.h"
#include "net/event_stream.h"
#include "net/http_streams.h"
#include "runner/relay.h"

#define BRIDGE_REQUESTS_MAX 800 /* that wait for the server */
#define BRIDGE_OTHERS_MAX 200   /* notifications and answers that are on their way */
#define BRIDGE_HEADERS_MAX 32   /* of the manifest */
#define BRIDGE_SESSION_MAX 1024 /* bytes of a session's id */
#define BRIDGE_VERSION_MAX 32
#define BRIDGE_MESSAGE_HEADERS_MAX 40 /* of one message, besides standard ones: a tool has 32 */
#define BRIDGE_LINES_MAX ((size_t)1 << 20)           /* bytes of them */
#define BRIDGE_USER_MS ((SERVER_USER_S - 10) * 1000) /* for which a user's JWT is used */
#define BRIDGE_ANSWERED_MS 5000                      /* for a stream to end after the answer */
#define BRIDGE_ERROR_MAX 65536 /* bytes of the page of an error that are read */
#define BRIDGE_OTHER_MS 30000L /* for the answer to a notification */
#define BRIDGE_END_MS 300L     /* for the end of the session; less than PROCESS_GRACE_MS */

/* A message on its way. */
struct bridge_post {
    struct bridge *bridge;
    struct bridge_post *next;
    enum bridge_post_kind { POST_OTHER, POST_INITIALIZE, POST_INITIALIZED } kind;
    int64_t id;                 /* of a request; 0: it is a notification or an answer */
    char *line;                 /* JSON */
    char *headers;              /* of this message: "Name: value" lines; NULL: none */
    char *user;                 /* the JWT of who calls; NULL: no user does, or none is wanted */
    int64_t user_ms;            /* when it came */
    struct http_stream *stream; /* NULL: it waits */
    struct event_stream events;
    struct relay_queue body;
    bool is_ours;       /* the relay knows nothing of it */
    bool is_answered;   /* and all that comes is dropped, or belongs to another request */
    bool is_events;     /* the answer is a stream of events */
    bool type_is_known; /* is_events has been set */
    bool is_repeated;   /* it was sent before, in a session that the server had lost */
    bool had_session;   /* when it was sent */
    unsigned sent_in;   /* the number of that session */
    unsigned resumed;   /* times, without an event since then */
    int64_t resume_ms;  /* when the stream is asked for the rest; 0: not */
    int64_t end_ms;     /* when it is ended, since it has been answered; 0: not yet */
};

enum bridge_state {
    BRIDGE_NEW,
    BRIDGE_INITIALIZING, /* initialize, or the note that it is done, is on its way */
    BRIDGE_RUNNING,
};

struct bridge {
    struct http_streams *http;
    const char *url;
    const char *headers[BRIDGE_HEADERS_MAX + 1]; /* "Name: value" */
    bool names_caller;                           /* one of them does */
    bool is_stateless;                           /* it speaks 2026-07-28 */
    char *service; /* the JWT of what no call sends; NULL: none is wanted */
    enum bridge_state state;
    char session[BRIDGE_SESSION_MAX + 1]; /* "": none */
    unsigned sessions;                    /* that were begun anew */
    char version[BRIDGE_VERSION_MAX + 1]; /* of MCP; "": not agreed yet */
    char *initialize, *initialized;       /* the relay's messages, for another session */
    int64_t initialize_id;
    struct bridge_post *posts;
    unsigned requests, others; /* of posts */
    struct arena *arena;       /* of one message */
    struct relay_queue in;
    /* listen.c */
    struct http_stream *listening;
    struct event_stream events;
    struct relay_queue refusal; /* the page of the error that it was answered with */
    bool has_listened;          /* in this session: the server has such a stream */
    bool may_have_changed;      /* its lists, while nobody listened */
    int64_t told_ms;            /* when that was last told; 0: never */
    int64_t listened_from_ms;
    bool is_old;              /* 2024-11-05: messages go to `endpoint`, and answers come here */
    char *endpoint;           /* NULL: not told yet */
    int64_t listen_ms;        /* when to ask for the stream again; 0: not */
    unsigned listen_failures; /* one after the other */
};

/* ---- bridge.c ---- */

/* A line for the relay. `text` has no end of a line but as white space of JSON. */
void bridge_write(struct text text);
/* Passes on what the server sent: a message, or an array of them. `p`: what it may answer; NULL:
 * nothing. */
void bridge_pass(struct bridge *b, struct bridge_post *p, struct text text);
/* A note for the log. */
void bridge_log(const char *format, ...) PRINTF_LIKE(1, 2);
/* Keeps a copy, with a NUL behind it, in place of what is there. */
void bridge_keep(char **at, struct text text);
/* Nothing more can be done for the relay: it is told, and starts another bridge. */
NORETURN void bridge_fail(const char *why);
/* The headers of a request: those of the manifest, of the session and of the message, and `more`,
 * which NULL ends. Those of the manifest that name the caller are left out without the message of a
 * call. `p` may be NULL. */
const char *const *bridge_headers(struct bridge *b, const char *const *more,
                                  const struct bridge_post *p);

/* ---- headers.c ---- */

#define HEADER_SECRET_MAX 65536
#define HEADER_BYTES_MAX 69632 /* a secret, and what stands around it */
/* Puts secrets into a header of the manifest, for good; what names the caller stays. NULL: it has
 * said why there is none. */
const char *header_with_secrets(struct arena *a, const char *header);
bool header_names_caller(const char *header);
/* `caller`: SERVER_META_CALLER. What is no visible ASCII, and %, is percent-encoded. NULL: it has
 * no such member. */
const char *header_with_caller(struct arena *a, const char *header, const struct json *caller);
/* The headers of a message, each with an end of line: those in its _meta (SERVER_META_HEADERS),
 * which are taken out of it, and those that repeat what a message of 2026-07-28 says. NULL: they
 * are too long, or too many. */
const char *headers_of_message(struct bridge *b, struct json *message);

/* ---- post.c ---- */

/* The line is copied. It is sent with post_send, or later. NULL: there are too many, and the relay
 * has been told. */
struct bridge_post *post_new(struct bridge *b, int64_t id, struct text line);
void post_set_user(struct bridge_post *p, const char *jwt); /* NULL: none */
/* Is the JWT of its user still valid? Also if it has none. */
bool post_is_fresh(const struct bridge_post *p);
void post_send(struct bridge_post *p);
void post_free(struct bridge_post *p);
/* Is the message the response to the post's request? */
bool post_is_answer(const struct bridge_post *p, const struct json *message);
/* Does this text of an error name a session? */
bool post_names_session(struct text t);
#define EVENTS_TYPE "text/event-stream"
bool post_has_type(const struct http_stream *s, const char *type); /* of what is answered */
/* Answers in the server's place. */
void post_refuse(struct bridge_post *p, const char *why);
/* Sends what waits, and asks for the rest of broken streams. Returns when that is to be done again,
 * in monotonic ms; INT64_MAX: not. */
int64_t post_send_due(struct bridge *b);
struct bridge_post *post_find(struct bridge *b, int64_t id);

/* ---- session.c ---- */

void session_initialize(struct bridge *b, int64_t id, struct text line);
void session_initialized(struct bridge *b, struct text line);
/* The server's answer to initialize, which has come on the post's stream. */
void session_begin(struct bridge_post *p, const struct json *answer);
/* Sends the note that it is done, in a session of which the relay knows nothing. */
void session_confirm(struct bridge *b);
/* The note has been sent. */
void session_run(struct bridge *b);
/* The server does not know the session any more: another one is begun. */
void session_renew(struct bridge *b);
/* Its lists and resources may have changed, as after a new session has begun. */
void session_tell_changes(struct bridge *b);
void session_end(struct bridge *b); /* tells the server */

/* ---- listen.c ---- */

/* Asks for the stream if it is time, and tells of changes that were missed. Returns as
 * post_send_due. */
int64_t listen_due(struct bridge *b);
void listen_begin(struct bridge *b);
void listen_forget(struct bridge *b); /* with the session */

/* The stream holder: one process that holds the streams that workers have begun and detached, so
 * that an idle stream costs no worker. It watches the directories of manifests and the files that
 * streams wait for, and sends the ends of replies to slow readers, so that no worker waits for
 * one. */
#pragma once

#include <sys/queue.h>

#include "app/site_set.h"
#include "server/folder_watch.h"
#include "server/scoreboard.h"
#include "web/fcgi.h"
#include "web/parked.h"
#include "web/sse.h"
#include "web/subscription.h"

#define STREAM_HOLDER_SILENT_MS 5000      /* it hangs if it sends no heartbeat for so long */
#define TASK_UPDATE_MAX ((size_t)1 << 20) /* bytes of one, with the task's id */
#define CHANGES_MAX 256                   /* that are sent at once; more are dropped */
#define STREAM_USER_BUCKETS 1024
#define MANIFESTS_MAX (MANIFEST_CHANGES_KEPT / 4) /* announced one by one */
#define UNSENT_MAX 1024
#define UNSENT_BYTES_MAX ((size_t)256 << 20) /* of all their files; one alone may be longer */
#define UNSENT_SILENCE_MS 60000
#define UNSENT_REQUEST_ID_MAX 24    /* in the log */
#define STREAM_CHANNEL_WAIT_MS 1000 /* for a stream holder that has much to read */

/* `channel`: the socket to which workers send streams; `resume`: the one from which they take
 * parked calls that go on. TERM ends the process, and its streams with their last event; what is
 * unsent then is still sent, and parked calls are given back. */
_Noreturn void stream_holder_main(const struct site_set *sites, struct scoreboard *board,
                                  int channel, int resume, pid_t master);

struct stream {
    TAILQ_ENTRY(stream) link;
    int fd;
    unsigned id;
    int64_t until_s;
    struct text subscriptions;   /* its own copy of the list */
    struct text key, user;       /* in that list; NULL: it has none */
    struct text event_ids;       /* the same: the stream's name in the ids of its events */
    TAILQ_ENTRY(stream) of_user; /* if it has a user; see stream_holder's users */
    char *out;                   /* unsent output; NULL: none */
    uint32_t out_len, out_at;    /* bytes; at most OUT_MAX and what makes them records */
    bool slow;                   /* the peer took nothing of it since the last comment was due */
    bool superseded;             /* a newer stream has the same key and gets the changes */
};
_Static_assert(sizeof(struct stream) <= 136, "there are many: see docs/performance.md");

/* The ends of replies to slow readers. The slowest is dropped when there is no room, and one that
 * takes nothing for UNSENT_SILENCE_MS is dropped too. */
struct unsent_list {
    int epoll;                /* readable when unsent_send has something to do */
    LIST_HEAD(, unsent) list; /* the newest first */
    size_t count, bytes;
};

/* Calls that wait for a person. */
struct parked_calls {
    int epoll; /* readable when parked_calls_serve has something to do */
    int resume;
    TAILQ_HEAD(parked_list, held_call) waiting, asleep, ready; /* ready: for a worker */
    size_t count;                                              /* of all three */
    bool full; /* workers have to take some first: `resume` is in the epoll */
    struct parked_keeper {
        int fd; /* -1: there is none */
        pid_t pid;
        uint64_t last; /* number that a call has got */
    } keeper;
};

struct task_subscriptions {
    const struct site_set *sites;
    int fd; /* of the task watcher: readable when there are updates; -1: it is not running */
    char *in;
    size_t have;
    int64_t restart_ms; /* monotonic: not started again before */
};

struct stream_holder {
    struct scoreboard *board;
    int channel, epoll, signals;
    TAILQ_HEAD(stream_list, stream) streams; /* the oldest first */
    size_t count;
    /* By the hash of their user, the oldest first: many clients may come at once. */
    TAILQ_HEAD(, stream) users[STREAM_USER_BUCKETS];
    struct folder_watch folders;
    struct change {
        enum subscription_kind kind; /* SUBSCRIPTION_FILE or SUBSCRIPTION_FOLDER */
        char *path;
    } changes[CHANGES_MAX]; /* to be sent */
    size_t change_count;
    const struct site_set *sites;
    bool *watched; /* by the place of a site: its folders are */
    struct task_subscriptions tasks;
    struct unsent_list unsent;
    struct parked_calls parked;
    char *manifests[MANIFESTS_MAX]; /* that have changed, to be announced with the changes */
    size_t manifest_count;
    bool many_manifests; /* more than that */
    bool stopping;
    bool wants_tasks;      /* some stream waits for changes of a task */
    int64_t changed_ms;    /* monotonic: the first change that is to be sent */
    int64_t send_ms;       /* monotonic: when changes are sent; 0: there are none */
    int64_t keep_alive_ms; /* monotonic: when comments are due */
    int64_t parked_ms;     /* the same for parked calls */
};

/* ---- stream_channel.c: what workers send to the stream holder, over a datagram socket. */

/* By workers. All descriptors stay the caller's. false, with errno: it was not received in time. */
/* The stream is held until `until_s`; its records are sent once its files are watched. */
bool stream_channel_send_stream(int channel, const struct fcgi_detached *stream, int64_t until_s,
                                const struct buf *subscriptions);
/* Replaces the subscriptions of the streams that have the same key; without a user it ends them. */
bool stream_channel_replace(int channel, const struct buf *subscriptions);
bool stream_channel_send_unsent(int channel, const struct fcgi_unsent *reply);

/* A parked call (web/parked.h) on its way to the stream holder, or back to a worker. */
struct parked_message {
    uint32_t id;      /* of the FastCGI request */
    uint32_t present; /* a bit for each descriptor that there is */
    int64_t until_ms, keep_alive_ms;
    uint8_t again, asleep, refused; /* not bool: another process says them */
    char user[PARKED_USER_MAX + 1];
};
#define PARKED_CONNECTION PARKED_FDS /* its place among the descriptors */
#define PARKED_FILE (PARKED_FDS + 1)
#define PARKED_ALL_FDS (PARKED_FDS + 2)
struct parked_call {
    struct parked_message message;
    int fds[PARKED_ALL_FDS]; /* -1: there is none; always a file */
};
/* Waits at most wait_ms. */
bool stream_channel_send_parked(int channel, const struct parked_call *call, int wait_ms);

struct stream_header {
    uint32_t id, records_len; /* of the FastCGI request; bytes of its records so far */
    int64_t until_s;
};

/* About an unsent reply, besides connection and file. */
struct unsent_message {
    char request[UNSENT_REQUEST_ID_MAX];
};

struct stream_message {
    enum {
        STREAM_MESSAGE_STREAM,
        STREAM_MESSAGE_REPLACE,
        STREAM_MESSAGE_UNSENT,
        STREAM_MESSAGE_PARKED
    } kind;
    int fd, file; /* the connection; of an unsent reply, also its file; -1: none */
    struct stream_header header;
    struct unsent_message unsent;
    struct parked_call parked;
    const char *p; /* records and subscriptions; valid until the next message */
    size_t len;
};
/* The next one, with its descriptors. Never waits. false: there is none. */
bool stream_channel_receive(int channel, struct stream_message *out);

/* ---- streams.c */

/* Reports events of fd with this pointer; ends the process if that fails. */
void stream_holder_add(struct stream_holder *h, int fd, void *data, uint32_t events);

/* Takes over both descriptors. */
void unsent_add(struct unsent_list *l, int fd, int file, const struct unsent_message *m);
void unsent_send(struct unsent_list *l); /* what readers take now; never waits */
void unsent_drop_silent(struct unsent_list *l);

/* Holds a connection that waits for this. */
struct stream *stream_add(struct stream_holder *h, int fd, struct text subscriptions);
void stream_set_subscriptions(struct stream_holder *h, struct stream *s, struct text subscriptions);
/* The bucket of a user's streams. */
static inline size_t stream_user_bucket(struct text user) {
    return fnv_fold(fnv_add(FNV_BASIS, user.p, user.len)) % STREAM_USER_BUCKETS;
}
void stream_drop(struct stream_holder *h, struct stream *s);
void stream_end(struct stream_holder *h, struct stream *s); /* sends its last event, and drops it */
/* Sends the first records and the last event of a stream that cannot be held. The descriptor stays
 * the caller's. */
void stream_end_at_once(const struct fcgi_detached *detached, struct text subscriptions);
/* All functions that send return false if the stream must be dropped: the peer has disconnected, or
 * does not read. First: the header of the reply and more, as FastCGI records. */
bool stream_send_first(struct stream_holder *h, struct stream *s, const char *records, size_t len);
/* At once and whole, after unsent output. A peer with no room for a few bytes does not read. */
bool stream_send_now(struct stream_holder *h, struct stream *s, const char *text, size_t len);
/* The same for the i-th event of this moment, with its id if the stream has ids. */
bool stream_send_event(struct stream_holder *h, struct stream *s, size_t i, struct text event);
/* More than the peer may take at once: stream_send_out sends the rest when it has room. */
bool stream_send(struct stream_holder *h, struct stream *s, const char *text, size_t len);
bool stream_send_out(struct stream_holder *h, struct stream *s);

/* ---- parked_calls.c */

void parked_calls_open(struct parked_calls *p, int resume);
/* Takes over its descriptors. A call too many of a user or the host is given back as refused. */
void parked_calls_add(struct parked_calls *p, const struct parked_call *call);
/* Gives back the calls for which something has arrived, or whose time has come. Never waits. */
void parked_calls_serve(struct parked_calls *p);
void parked_calls_keep_alive(struct parked_calls *p); /* sends the comments that are due */
void parked_calls_give_back(struct parked_calls *p);  /* all of them */
void parked_calls_lose(struct parked_calls *p);       /* ends their streams with an error */
/* When parked_calls_serve is due though nothing arrives: monotonic, INT64_MAX: never. */
int64_t parked_calls_due(const struct parked_calls *p);

/* ---- parked_keeper.c: if the stream holder is killed, its parked calls end with an error, by a
 * process that only has their descriptors, too. It starts with the first call and ends with the
 * stream holder. None of these functions fails: without the process the calls go on. */

/* The number of the call there; 0: it is not kept. */
uint64_t parked_keeper_add(struct parked_keeper *k, const struct parked_call *call);
/* It has to be told before somebody else uses the connection. */
void parked_keeper_remove(struct parked_keeper *k, uint64_t number);
/* Ends the stream of a lost call. The descriptors stay the caller's. */
void parked_call_tell_lost(const struct parked_call *call);

/* ---- task_subscriptions.c */

/* Subscribes to the tasks of a new stream, for which it starts the task watcher if it is not
 * running; unsubscribes from those of this stream alone. */
void stream_holder_subscribe(struct stream_holder *h, const struct stream *s);
void stream_holder_unsubscribe(struct stream_holder *h, const struct stream *s);
/* To the tasks of all streams, after the task watcher has ended. */
void stream_holder_resubscribe(struct stream_holder *h);
/* Sends the updates received from the task watcher to their streams. */
void stream_holder_take_updates(struct stream_holder *h);

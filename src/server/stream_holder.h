/* The stream holder: one process that holds the streams that workers have begun and detached, so
 * that an idle stream costs no worker. It watches the directories of manifests and the files that
 * streams wait for, and sends the ends of replies to slow readers. */
#pragma once

#include <sys/types.h>

#include "config/config.h"
#include "server/folder_watch.h"
#include "server/scoreboard.h"
#include "server/unsent.h"
#include "web/fcgi.h"
#include "web/sse.h"
#include "web/subscription.h"

#define STREAM_HOLDER_SILENT_MS 5000      /* it hangs if it gives no sign of life for so long */
#define TASK_UPDATE_MAX ((size_t)1 << 20) /* bytes of one, with the task's id */
#define CHANGES_MAX 256                   /* that are sent at once; more are dropped */

/* `channel`: where workers send streams (stream_channel.h). TERM ends it, and its streams in good
 * order; what is unsent then is still sent. */
_Noreturn void stream_holder_main(const struct config *config, struct scoreboard *board,
                                  int channel, pid_t master);

struct stream {
    struct stream *next, *prev;
    int fd;
    unsigned id;
    int64_t until_s;
    struct text subscriptions;          /* its own copy of the list */
    struct text key, user;              /* in that list; NULL: it has none */
    char event_ids[SSE_STREAM_MAX + 1]; /* the stream's name in the ids of its events; "": no ids */
    bool silent;                        /* a newer stream has the same key: nothing is sent here */
    char *out;                          /* what the peer has not taken yet; NULL: nothing */
    size_t out_len, out_at;
    bool slow; /* it took nothing of it since the last comment was due */
};

struct task_subscriptions {
    const struct config *config;
    int fd; /* of the task watcher: readable when there are updates; -1: it is not running */
    char *in;
    size_t have;
    int64_t again_ms; /* monotonic: not started again before */
};

struct stream_holder {
    struct scoreboard *board;
    int channel, epoll, signals;
    struct stream head; /* of a ring */
    size_t count;
    struct folder_watch folders;
    struct change {
        enum subscription_kind kind; /* SUBSCRIPTION_FILE or SUBSCRIPTION_FOLDER */
        char *path;
    } changes[CHANGES_MAX]; /* to be sent */
    size_t change_count;
    struct task_subscriptions tasks;
    struct unsent_list unsent;
    bool catalog_changed, stopping;
    bool wants_tasks; /* some stream waits for changes of a task */
    int64_t send_ms;  /* monotonic: when changes are sent; 0: there are none */
    int64_t alive_ms;
};

/* Something happens at fd: epoll gives `mark`. */
void stream_holder_add(struct stream_holder *h, int fd, void *mark, uint32_t events);

/* ---- streams.c */

/* Holds a connection that waits for this. */
struct stream *stream_add(struct stream_holder *h, int fd, struct text subscriptions);
void stream_set_subscriptions(struct stream *s, struct text subscriptions);
void stream_drop(struct stream_holder *h, struct stream *s);
void stream_end(struct stream_holder *h, struct stream *s); /* in good order, and drops it */
/* A stream that nobody can hold begins and ends in good order, at once. The descriptor stays the
 * caller's. */
void stream_end_at_once(const struct fcgi_detached *detached, struct text subscriptions);
/* The first that its peer gets, as records: the head of the reply and more. false: let it go. */
bool stream_send_first(struct stream_holder *h, struct stream *s, const char *records, size_t len);
/* At once and whole, behind what waits. A peer that does not read has no room left for a few
 * bytes. false: let it go. */
bool stream_send_now(struct stream_holder *h, struct stream *s, const char *text, size_t len);
/* The same for the i-th event of this moment, with its id if the stream has ids. */
bool stream_send_event(struct stream_holder *h, struct stream *s, size_t i, struct text event);
/* More than the peer may take at once: the rest when it takes more. false: let it go. */
bool stream_send(struct stream_holder *h, struct stream *s, const char *text, size_t len);
bool stream_send_out(struct stream_holder *h, struct stream *s); /* it takes more */

/* ---- task_subscriptions.c */

extern int stream_holder_tasks_mark; /* of the events of h->tasks */
/* Subscribes to the tasks of a new stream, for which it starts the task watcher if it is not
 * running; unsubscribes from those of this stream alone. */
void stream_holder_subscribe(struct stream_holder *h, const struct stream *s);
void stream_holder_unsubscribe(struct stream_holder *h, const struct stream *s);
/* To the tasks of all streams, when the task watcher was lost. */
void stream_holder_resubscribe(struct stream_holder *h);
/* Sends on the updates that have come. */
void stream_holder_take_updates(struct stream_holder *h);

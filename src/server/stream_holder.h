/* The keeper's own: its streams, and the news that it asks for. */
#ifndef SERVER_STREAM_HOLDER_H
#define SERVER_STREAM_HOLDER_H

#include <sys/socket.h>

#include "server/folder_watch.h"
#include "server/server.h"
#include "server/task_subscriptions.h"
#include "server/unsent.h"
#include "web/fcgi.h"
#include "web/subscription.h"

#define FIRED_MAX 256 /* topics at once; more are too many to tell apart */

struct stream {
    struct stream *next, *prev;
    int fd;
    unsigned id;
    int64_t until_s;
    size_t len;
    char *what;                         /* handover entries */
    struct subscription_entry key;      /* among them; without a topic: it has none */
    struct subscription_entry user;     /* the same */
    struct subscription_entry event_id; /* the same; how the ids of its events begin */
    bool silent;                        /* another one of the same key is told instead */
    char *out;                          /* what the peer has not taken yet; NULL: nothing */
    size_t out_len, out_at;
    bool slow; /* it took nothing of it since the last comment was due */
};

struct stream_holder {
    struct scoreboard *board;
    int inbox, epoll, signals;
    struct stream head; /* of a ring */
    size_t count;
    struct watches watches;
    char *fired[FIRED_MAX]; /* topics to be told */
    size_t fired_count;
    struct news news;
    struct rests rests;
    bool catalog_changed, stopping, asking; /* asking: some stream waits for news */
    int64_t tell_ms, alive_ms;              /* 0: nothing to tell */
};

/* What workers send: a stream with its first records, or what streams wait for from now on. */
struct letter {
    uint32_t id, first_len;
    int64_t until_s;
};
#define LETTER_MAX (sizeof(struct letter) + FCGI_FIRST_MAX + SUBSCRIPTION_BYTES_MAX)

/* A message with one descriptor is a stream, one with two the rest of a reply. */
#define DESCRIPTORS_MAX 2
union control {
    struct cmsghdr align;
    char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

/* Something happens at fd: epoll gives `mark`. */
void stream_holder_add(struct stream_holder *k, int fd, void *mark, uint32_t events);

/* streams.c */
/* Keeps a connection that waits for what `what` says. */
struct stream *stream_keep(struct stream_holder *k, int fd, const char *what, size_t len);
void stream_set_what(struct stream *s, const char *what, size_t len);
bool stream_same_key(const struct stream *a, const struct stream *b);
void stream_drop(struct stream_holder *k, struct stream *s);
void stream_end(struct stream_holder *k, struct stream *s); /* in good order, and drops it */
/* The first that its peer gets, as records: the head of the reply and more. false: let it go. */
bool stream_send_first(struct stream_holder *k, struct stream *s, const char *records, size_t len);
/* At once and whole, behind what waits. A peer that does not read has no room left for a few
 * bytes. false: let it go. */
bool stream_send_now(struct stream_holder *k, struct stream *s, const char *text, size_t len);
/* The same for the i-th event of this moment, with its id. */
bool stream_tell(struct stream_holder *k, struct stream *s, size_t i, const char *text, size_t len);
/* More than the peer may take at once: the rest when it takes more. false: let it go. */
bool stream_send(struct stream_holder *k, struct stream *s, const char *text, size_t len);
bool stream_send_out(struct stream_holder *k, struct stream *s); /* it takes more */

/* stream_holder_news.c */
extern int stream_holder_news_mark; /* of the events of k->news */
/* Asks for what a new stream waits for, and no more for what only this one waited for. */
void stream_holder_ask(struct stream_holder *k, const struct stream *s);
void stream_holder_stop_asking(struct stream_holder *k, const struct stream *s);
void stream_holder_ask_for_all(struct stream_holder *k); /* of a process that is there again */
news_fn stream_holder_pass_on; /* for news_take; its argument is the keeper */

#endif

/* A caller's side of a relay (relay.h). A process keeps the connections on which its requests were
 * answered: the next request to the same instance goes there at once, past the instance pool. A
 * relay that ends, or takes no more callers, closes those on which nobody waits. */
#pragma once

#include "runner/client.h"
#include "runner/relay.h"

#define RELAY_KEPT_MAX 16 /* for one more, they are closed in turn */
#define RELAY_STAMP_MAX 48

struct relay_connection {
    char *runner; /* runner_chosen; NULL: this place is free */
    int fd;
    uint8_t id[INSTANCE_ID_LEN], revision[INSTANCE_ID_LEN];
    bool has_spoken;  /* the relay: before it does, it reads nothing */
    int64_t requests; /* that were sent; also the id of the last one */
    /* For the caller: what the relay has said last, in RELAY_READY, and what it knows of that. */
    char stamp[RELAY_STAMP_MAX];
    bool is_stateless, is_stored;
    bool is_broken; /* a line was sent in part: it is not kept */
};

/* The one that is kept; NULL: there is none. */
struct relay_connection *relay_connection_find(const struct instance_key *key);
/* Of a new descriptor, which belongs to it. */
struct relay_connection *relay_connection_make(const struct instance_key *key, int fd);
void relay_connection_close(struct relay_connection *c);

struct relay_exchange {
    struct text request; /* a line; "": nothing is sent */
    int file;            /* that goes with it; -1: none */
    int64_t until_ms;
    /* With each line that comes, without the newline, of RELAY_MESSAGE_MAX bytes at most, until
     * *answered is set. */
    void (*on_line)(void *arg, const char *line, size_t len);
    void *arg;
    const bool *answered;
    /* A line that is sent every renew_ms after the request was; NULL: none is. */
    struct text (*renew)(void *arg);
    int64_t renew_ms;
    struct waiter waiter;
};

enum exchange_end {
    EXCHANGE_ANSWERED,
    EXCHANGE_TIMED_OUT,
    EXCHANGE_TOO_LONG,
    EXCHANGE_CANCELLED, /* nobody waits any more */
    EXCHANGE_LOST,      /* the relay has ended, and had read the request */
    EXCHANGE_UNREAD,    /* it has ended before: the request may be sent to another one */
};

/* But for EXCHANGE_ANSWERED the connection is closed, which cancels the request. What has come of a
 * line is in the arena. */
enum exchange_end relay_exchange(struct arena *a, struct relay_connection *c,
                                 const struct relay_exchange *x);

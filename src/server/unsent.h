/* The rests of replies that the keeper sends to slow readers, so that no worker waits for one. What
 * they hold is bounded: the slowest goes when there is no room, and one that takes nothing for
 * REST_SILENCE_MS goes too. */
#ifndef SERVER_UNSENT_H
#define SERVER_UNSENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESTS_MAX 1024
#define RESTS_BYTES_MAX ((size_t)256 << 20) /* of all their files; one alone may be longer */
#define REST_SILENCE_MS 60000
#define REST_ID_MAX 24 /* of a request, in the log */

/* What a worker says of one, beside the two descriptors. */
struct rest_note {
    uint64_t from, to;
    char request[REST_ID_MAX];
};

struct rest;
struct rests {
    int epoll; /* readable when rests_send has something to do */
    struct rest *first;
    size_t count, bytes;
};

bool rests_init(struct rests *r);
/* Takes over both descriptors. */
void rests_take(struct rests *r, int fd, int file, const struct rest_note *note);
void rests_send(struct rests *r); /* what readers take now; never waits */
void rests_drop_silent(struct rests *r);

#endif

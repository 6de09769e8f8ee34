/* The ends of replies that the stream holder sends to slow readers, so that no worker waits for
 * one. Their number and size are bounded: the slowest is dropped when there is no room, and one
 * that takes nothing for UNSENT_SILENCE_MS is dropped too. */
#pragma once

#include "base/base.h"

#define UNSENT_MAX 1024
#define UNSENT_BYTES_MAX ((size_t)256 << 20) /* of all their files; one alone may be longer */
#define UNSENT_SILENCE_MS 60000
#define UNSENT_REQUEST_ID_MAX 24 /* in the log */

/* What a worker sends about one, beside connection and file. */
struct unsent_message {
    uint64_t from, to; /* bytes of the file */
    char request[UNSENT_REQUEST_ID_MAX];
};

struct unsent;
struct unsent_list {
    int epoll; /* readable when unsent_send has something to do */
    struct unsent *first;
    size_t count, bytes;
};

bool unsent_init(struct unsent_list *l);
/* Takes over both descriptors. */
void unsent_add(struct unsent_list *l, int fd, int file, const struct unsent_message *m);
void unsent_send(struct unsent_list *l); /* what readers take now; never waits */
void unsent_drop_silent(struct unsent_list *l);

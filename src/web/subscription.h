/* A streamed reply that goes on without its worker: what the stream is, and what to send when
 * something happens. The worker writes these as a list of bytes; the stream holder
 * (server/stream_holder.c), which holds the connections of all of them, reads it, and knows no more
 * about MCP than this. */
#pragma once

#include "base/text.h"

#define SUBSCRIPTION_BYTES_MAX 32768 /* of the list of one stream */

enum subscription_kind {
    /* What the stream waits for. `text` is sent when it happens; empty: that of the one before in
     * the list. */
    SUBSCRIPTION_FILE = 1, /* the file at the absolute path `argument` has changed */
    SUBSCRIPTION_FOLDER,   /* what is in the folder at the absolute path `argument` has changed */
    SUBSCRIPTION_TASK,     /* the task `argument` has changed: `text`, and then the rest of the
                              notification, which is the same for all streams */
    SUBSCRIPTION_END,      /* the stream is ended from our side: `text` is sent last */
    /* About the stream. There is one of each at most, and no text. */
    SUBSCRIPTION_KEY,       /* `argument` names a stream whose list may be replaced; by one that has
                               no user it is ended. Of several with the same name the newest is
                               sent what happens. */
    SUBSCRIPTION_USER,      /* `argument` is the user. The number of streams of one user is limited:
                               the oldest is ended to make room. */
    SUBSCRIPTION_EVENT_IDS, /* what is sent has ids (sse.h) of the stream `argument` */
};

struct subscription {
    enum subscription_kind kind;
    struct text argument, text; /* borrowed from the list */
};

/* Adds one to a list; b->overflow if there is no room. */
void subscription_add(struct buf *b, enum subscription_kind kind, struct text argument,
                      struct text text);
/* Writes a single one to `out`. Returns its length; 0 if it has more than `max` bytes. */
size_t subscription_write(const struct subscription *s, char *out, size_t max);
/* Takes the one at the beginning off the list. False: there is no whole one. */
bool subscription_next(struct text *list, struct subscription *out);
/* The first of this kind. False: there is none, and *out is empty. */
bool subscription_find(struct text list, enum subscription_kind kind, struct subscription *out);
/* The same, with this argument. */
bool subscription_find_argument(struct text list, enum subscription_kind kind, struct text argument,
                                struct subscription *out);
/* The first one of those, which it takes off the list with all before it. *out is empty at first,
 * and then what it was. */
bool subscription_next_argument(struct text *list, enum subscription_kind kind,
                                struct text argument, struct subscription *out);

/* The path of a folder for SUBSCRIPTION_FOLDER: absolute, without a slash at its end, and not
 * resolved, since what it leads to may become another folder. False: there is none. */
#define SUBSCRIPTION_PATH_MAX 4096
bool subscription_folder_path(const char *dir, char path[SUBSCRIPTION_PATH_MAX]);

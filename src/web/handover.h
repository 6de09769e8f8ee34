/* A streamed reply that goes on without its worker: what to send when something happens. The keeper
 * (pool/keeper.c) holds the connections of all of them, and knows no more than this. */
#ifndef WEB_HANDOVER_H
#define WEB_HANDOVER_H

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

#define HANDOVER_BYTES_MAX 32768 /* of one stream */

/* Topics: the absolute path of a file or, with a slash at its end, of a directory, which changed;
 * HANDOVER_ASK and a name, of which news have to be asked for: the text is what stands before them
 * in what is sent; and these. */
#define HANDOVER_ASK '?'
#define HANDOVER_END "" /* the stream is ended from our side: the last thing to send */
/* Not sent: the name that a stream goes by, if it may be changed. Of several with the same one the
 * newest is told what happens. */
#define HANDOVER_KEY "="
/* Not sent: whose it is. Of one user so many are held, and the oldest is ended for one more. */
#define HANDOVER_USER "@"
#define HANDOVER_ID "#" /* what an id of an event begins with; what is sent then has one */

struct handover_entry {
    const char *topic, *text;
    size_t topic_len, text_len;
};

void handover_add(struct buf *b, const char *topic, const char *text, size_t len);
/* The topic of a folder: the path that it is given by, which is not resolved, since what it leads
 * to may become another one. false: there is none. */
#define HANDOVER_TOPIC_MAX 4096
bool handover_folder(const char *dir, char topic[HANDOVER_TOPIC_MAX]);
/* The entry at *p, which moves on. false: there is none. */
bool handover_next(const char **p, const char *end, struct handover_entry *out);
/* The first entry of this topic. false: there is none, and *out is empty. */
bool handover_find(const char *p, size_t len, const char *topic, struct handover_entry *out);

#endif

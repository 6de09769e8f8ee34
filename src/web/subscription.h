/* A streamed reply that goes on without its worker: what to send when something happens. The keeper
 * (server/stream_holder.c) holds the connections of all of them, and knows no more than this. */
#ifndef WEB_SUBSCRIPTION_H
#define WEB_SUBSCRIPTION_H

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

#define SUBSCRIPTION_BYTES_MAX 32768 /* of one stream */

/* Topics: the absolute path of a file or, with a slash at its end, of a directory, which changed;
 * SUBSCRIPTION_ASK and a name, of which news have to be asked for: the text is what stands before
 * them in what is sent; and these. */
#define SUBSCRIPTION_ASK '?'
#define SUBSCRIPTION_END "" /* the stream is ended from our side: the last thing to send */
/* Not sent: the name that a stream goes by, if it may be changed. Of several with the same one the
 * newest is told what happens. */
#define SUBSCRIPTION_KEY "="
/* Not sent: whose it is. Of one user so many are held, and the oldest is ended for one more. */
#define SUBSCRIPTION_USER "@"
#define SUBSCRIPTION_ID "#" /* what an id of an event begins with; what is sent then has one */

struct subscription_entry {
    const char *topic, *text;
    size_t topic_len, text_len;
};

void subscription_add(struct buf *b, const char *topic, const char *text, size_t len);
/* The topic of a folder: the path that it is given by, which is not resolved, since what it leads
 * to may become another one. false: there is none. */
#define SUBSCRIPTION_TOPIC_MAX 4096
bool subscription_folder(const char *dir, char topic[SUBSCRIPTION_TOPIC_MAX]);
/* The entry at *p, which moves on. false: there is none. */
bool subscription_next(const char **p, const char *end, struct subscription_entry *out);
/* The first entry of this topic. false: there is none, and *out is empty. */
bool subscription_find(const char *p, size_t len, const char *topic,
                       struct subscription_entry *out);

#endif

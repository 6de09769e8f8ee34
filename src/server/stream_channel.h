/* What workers send to the stream holder, over a datagram socket: streams that go on without them,
 * and the ends of replies that a reader does not take at once. */
#pragma once

#include "base/base.h"
#include "server/unsent.h"
#include "web/fcgi.h"
#include "web/subscription.h"

#define STREAM_CHANNEL_WAIT_MS 1000 /* for a stream holder that has much to take */

/* By workers. All descriptors stay the caller's. false, with errno: it was not taken in time. */
/* The stream goes on with the stream holder until `until_s`: what is first is sent when it watches.
 */
bool stream_channel_send_stream(int channel, const struct fcgi_detached *stream, int64_t until_s,
                                const struct buf *subscriptions);
/* Streams of the same key wait for this from now on. */
bool stream_channel_replace(int channel, const struct buf *subscriptions);
bool stream_channel_send_unsent(int channel, const struct fcgi_unsent *reply);

/* ---- By the stream holder. */

struct stream_header {
    uint32_t id, first_len; /* of the FastCGI request; bytes of its first records */
    int64_t until_s;
};

struct stream_message {
    enum { STREAM_MESSAGE_STREAM, STREAM_MESSAGE_REPLACE, STREAM_MESSAGE_UNSENT } kind;
    int fd, file; /* the connection; of what is unsent, also its file; -1: none */
    struct stream_header header;
    struct unsent_message unsent;
    const char *p; /* first records and subscriptions; valid until the next message */
    size_t len;
};
/* The next one, with its descriptors. Never waits. false: there is none. */
bool stream_channel_receive(int channel, struct stream_message *out);

/* Notifications of changes: subscriptions/listen of 2026-07-28, and for the versions before it
 * resources/subscribe and the subscriptions of the GET stream. The worker begins the stream and
 * lists files, folders and tasks, each with the event to be sent when it changes; then the stream
 * holder takes over the stream and sends the events. */
#pragma once

#include "mcp/call.h"

#define SUBSCRIPTIONS_MAX 64 /* resources of one stream; also tasks of one stream */

/* The _meta of a notification to a stream of subscriptions/listen: the id of the subscription. */
struct json *mcp_subscription_meta(struct mcp_call *c);

/* The subscriptions of the GET stream of a handshake version's client. */
struct buf *mcp_session_subscriptions(struct mcp_call *c);

/* resources/subscribe and resources/unsubscribe: mcp_subscribe. */
mcp_method_fn mcp_listen, mcp_subscribe;

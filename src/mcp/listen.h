/* Notifications about what changes: subscriptions/listen of 2026-07-28, and resources/subscribe and
 * what the GET stream waits for before it. The worker begins the stream and says what is to be sent
 * when which file, folder or task changes; the stream holder does the rest. */
#pragma once

#include "base/arena.h"
#include "mcp/call.h"

#define SUBSCRIPTIONS_MAX 64 /* resources of one stream, and as many tasks */

/* The _meta of a notification to a stream of subscriptions/listen: the id of the subscription. */
struct json *mcp_subscription_meta(struct mcp_call *c);

/* The subscriptions of the GET stream of a handshake version's client. */
struct buf *mcp_session_subscriptions(struct mcp_call *c);

mcp_method_fn mcp_listen, mcp_subscribe, mcp_unsubscribe;

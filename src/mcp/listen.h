/* Notifications about what changes: subscriptions/listen of 2026-07-28, and the GET stream and
 * resources/subscribe before it. The worker begins the stream and says what is to be sent when
 * which file, folder or task changes; the stream holder does the rest. */
#ifndef MCP_LISTEN_H
#define MCP_LISTEN_H

#include "mcp/method.h"
#include "site/exchange.h"

#define SUBSCRIPTIONS_MAX 64 /* resources of one stream, and as many tasks */

/* GET of the MCP endpoint, the stream of notifications of the handshake versions. */
enum rc mcp_get(struct exchange *x, struct err *e);

/* The _meta of a notification to a stream of subscriptions/listen: the id of the subscription. */
struct json *mcp_subscription_meta(struct mcp_call *c);

mcp_method_fn mcp_listen, mcp_subscribe, mcp_unsubscribe;

#endif

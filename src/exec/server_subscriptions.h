/* Subscriptions to the resources of MCP servers. The relay of the server subscribes, and touches a
 * file of STATE_DIR/servers/updates when the server says that the resource has changed: to the
 * stream holder it is like a resource that is a file. */
#pragma once

#include "catalog/servers.h"
#include "mcp/call.h"

#define SERVER_UPDATE_FILES 1024 /* of a site; URIs that share one are told of together */

/* The file that is touched, for as long as the caller's token is valid. NULL: the server has no
 * subscriptions, or cannot be reached. */
const char *server_subscribe(struct mcp_call *c, const struct resource *r, const char *uri);
/* An empty file that the relay can touch, also as the runner's user; made if need be. -1: errno. */
int server_touch_file(const char *path);
/* After a restart of the server. */
void server_subscriptions_renew(struct mcp_call *c, const struct server *s);

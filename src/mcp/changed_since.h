/* Resumption of a session's GET stream (2025-11-25, "Resumability and Redelivery"). The ids of its
 * events contain the time of sending, and it reports only changes of files. So files that have
 * changed since then are reported again, and nothing has to be stored for a client that may never
 * return. */
#pragma once

#include "base/text.h"
#include "web/sse.h"

struct config;
struct mcp_call;

#define CHANGED_SINCE_STREAM "get" /* name of this stream in ids */
/* A change can happen between an event and the time in its id: better to report it twice than
 * never. */
#define CHANGED_SINCE_MARGIN_MS 1000

/* Do the events of this GET stream have ids? */
bool changed_since_has_ids(const struct mcp_call *c);
/* Is it the id of an event of such a stream? */
bool changed_since_is_id(const struct sse_id *id);
/* Sends an event without data and with the current time in its id. */
void changed_since_prime(struct mcp_call *c);
/* Sends the events of those subscriptions (web/subscription.h) whose file or folder has changed
 * since that event. */
void changed_since_send(struct mcp_call *c, struct text subscriptions, const struct sse_id *last);
/* Has a manifest of any kind changed since then, in ms of real time? */
bool mcp_manifests_have_changed(const struct config *config, int64_t since_ms);

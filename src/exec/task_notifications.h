/* Notifications of tasks for streams that subscribe to them (SEP-2663, "Task Status
 * Notifications"). A process of its own polls the records for the stream holder
 * (server/task_subscriptions.h), since a task may run on another host. The stream holder and this
 * process send each other subscriptions to tasks (web/subscription.h). In those of the stream
 * holder the text is "+" (watch the task) or "-" (stop that), in those of this process the end of a
 * notification; its beginning, which differs between streams, is in the stream's own subscription.
 */
#pragma once

#include "base/base.h"
#include "base/json.h"

struct mcp_call;
struct site;

/* What subscriptions/listen asks for by taskIds: subscribes to the caller's own tasks; *agreed has
 * their ids. ERR_RPC_MISSING_CAPABILITY if the client does not support the extension. */
enum rc task_filter_subscribe(struct mcp_call *c, const struct json *ids, struct buf *list,
                              struct json **agreed, struct err *e) MUST_USE;
/* Serves the requests that arrive at fd, until its other end is closed. */
void task_watcher_run(struct site *site, int fd);

/* Notifications of tasks for streams that subscribe to them (SEP-2663, "Task Status
 * Notifications"). A process of its own polls the records for the stream holder
 * (server/task_subscriptions.c), since a task may run on another host. The stream holder and this
 * process send each other subscriptions to tasks (web/subscription.h), by the task's id, before
 * which the name of its site stands if it has one: NAME/ID. The stream holder sends the text "+"
 * (watch the task) or "-" (stop that); this process sends the end of a notification. Its beginning,
 * which differs between streams, is in the stream's own subscription. */
#pragma once

#include "base/json.h"

struct mcp_call;

/* The filter taskIds of subscriptions/listen: subscribes to the caller's own tasks among these, and
 * puts their ids into `granted`. ERR_RPC_MISSING_CAPABILITY: the client does not support the
 * extension. */
enum rc task_filter_subscribe(struct mcp_call *c, const struct json *requested, struct buf *list,
                              struct json *granted, struct err *e) MUST_USE;
/* The site of that name, with its task store; NULL: there is none. */
typedef struct site *task_watcher_site_fn(void *arg, const char *name);
/* Serves the requests that arrive at fd, until its other end is closed. */
void task_watcher_run(task_watcher_site_fn *find, void *arg, int fd);

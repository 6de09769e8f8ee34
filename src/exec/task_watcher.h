/* Notifications of tasks, for streams that wait for them (SEP-2663, "Task Status Notifications"). A
 * process of its own looks at the records for the stream holder (server/task_subscriptions.h): a
 * task may run on another host, so that nothing on this one happens when it changes. What goes to
 * and fro are subscriptions to the task (web/subscription.h): a request with the text "+" or "-",
 * an answer with the rest of the notification, whose beginning each stream has itself. */
#ifndef EXEC_TASK_WATCHER_H
#define EXEC_TASK_WATCHER_H

#include "base/json.h"
#include "base/text.h"

struct site;

/* The beginning of the notification on a stream; `meta` is its _meta. */
struct text task_notification_head(struct arena *a, const struct json *meta);
/* Answers requests, which come at fd, until it is closed. */
void task_watcher_run(struct site *site, int fd);

#endif

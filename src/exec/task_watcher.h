/* Notifications of tasks for streams that subscribe to them (SEP-2663, "Task Status
 * Notifications"). A process of its own polls the records for the stream holder
 * (server/task_subscriptions.h), since a task may run on another host. Requests and answers are
 * subscriptions to the task (web/subscription.h): a request has the text "+" or "-", an answer the
 * rest of the notification, whose beginning each stream has itself. */
#pragma once

#include "base/json.h"
#include "base/text.h"

struct site;

/* The beginning of the notification on a stream; `meta` is its _meta. */
struct text task_notification_head(struct arena *a, const struct json *meta);
/* Answers requests, which come at fd, until it is closed. */
void task_watcher_run(struct site *site, int fd);

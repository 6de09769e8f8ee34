/* Notifications of tasks for streams that subscribe to them (SEP-2663, "Task Status
 * Notifications"). A process of its own polls the records for the stream holder
 * (server/task_subscriptions.h), since a task may run on another host. Requests and answers are
 * subscriptions to the task (web/subscription.h): a request has the text "+" or "-", an answer the
 * rest of the notification, whose beginning each stream has itself. */
#pragma once

#include "base/base.h"
#include "base/json.h"

struct mcp_call;
struct site;

/* What subscriptions/listen asks for by taskIds: subscribes to the caller's own tasks; *agreed has
 * their ids. ERR_RPC_MISSING_CAPABILITY if the client does not support the extension. */
enum rc task_filter_subscribe(struct mcp_call *c, const struct json *ids, struct buf *list,
                              struct json **agreed, struct err *e) MUST_USE;
/* Answers requests, which come at fd, until it is closed. */
void task_watcher_run(struct site *site, int fd);

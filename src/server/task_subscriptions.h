/* The stream holder's side of the task watcher (exec/task_watcher.c), a process that looks at the
 * records of tasks that streams wait for: no file tells when they change. It is started with the
 * first subscription, and ends with the stream holder. */
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "web/subscription.h"

#define TASK_UPDATE_MAX ((size_t)1 << 20) /* bytes of one update, with the task's id */

struct task_subscriptions {
    const struct config *config;
    int fd; /* readable when there are updates; -1: the task watcher is not running */
    char *in;
    size_t have;
    int64_t again_ms; /* monotonic: not started again before */
};

void task_subscriptions_init(struct task_subscriptions *t, const struct config *config);
/* Starts the task watcher if it is not running. false: not now. */
bool task_subscriptions_start(struct task_subscriptions *t);
/* Subscribes to a task: an update comes of its state now, and of each change. false: the task
 * watcher does not take it, and is gone. */
bool task_subscribe(struct task_subscriptions *t, struct text id);
bool task_unsubscribe(struct task_subscriptions *t, struct text id);
/* Calls fn with each update that has come: its text is the notification without its beginning,
 * which each stream has itself. false: the task watcher is gone. */
typedef void task_update_fn(void *arg, const struct subscription *update);
bool task_updates_take(struct task_subscriptions *t, task_update_fn *fn, void *arg);

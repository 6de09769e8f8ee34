/* Between app.c and tasks.c. */
#ifndef APP_TASKS_H
#define APP_TASKS_H

#include "aws/dynamodb.h"
#include "base/config.h"
#include "web/handler.h"

struct dynamodb_options app_task_options(const struct config *c, const struct clock *clock);
/* Fills cx->tasks. slots_file: of the workers that wait for a table; NULL for who is no worker. */
enum rc app_open_tasks(struct context *cx, const char *slots_file, struct err *e) MUST_USE;

#endif

/* "Task Status Notifications" of the Tasks extension: what subscriptions/listen asks for by
 * taskIds. */
#ifndef EXEC_TASK_FILTER_H
#define EXEC_TASK_FILTER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

struct mcp_call;

/* Of the caller's own tasks only: *agreed has the ids of those. ERR_RPC_MISSING_CAPABILITY if the
 * client does not know the extension. */
enum rc task_filter_subscribe(struct mcp_call *c, const struct json *ids, struct buf *list,
                              struct json **agreed, struct err *e) MUST_USE;

#endif

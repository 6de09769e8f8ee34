/* "Task Status Notifications" of the Tasks extension: what subscriptions/listen asks for by
 * taskIds. */
#pragma once

#include "base/base.h"
#include "base/json.h"

struct mcp_call;

/* Subscribes to the caller's own tasks; *agreed has their ids. ERR_RPC_MISSING_CAPABILITY if the
 * client does not support the extension. */
enum rc task_filter_subscribe(struct mcp_call *c, const struct json *ids, struct buf *list,
                              struct json **agreed, struct err *e) MUST_USE;

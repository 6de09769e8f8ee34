#include "exec/task_filter.h"

#include "exec/task_record.h"
#include "exec/task_watcher.h"
#include "exec/tasks.h"
#include "mcp/call.h"
#include "mcp/listen.h"
#include "web/subscription.h"

static bool has_text(const struct json *array, const char *text) {
    for (size_t i = 0; i < json_len(array); i++)
        if (!strcmp(json_str(json_at(array, i)), text))
            return true;
    return false;
}

enum rc task_filter_subscribe(struct mcp_call *c, const struct json *ids, struct buf *list,
                              struct json **agreed, struct err *e) {
    struct json *some = json_new_array(c->arena);
    struct text head;

    if (task_extension(c, e))
        return e->code;
    head = task_notification_head(c->arena, mcp_subscription_meta(c));
    for (size_t i = 0; i < json_len(ids) && json_len(some) < SUBSCRIPTIONS_MAX; i++) {
        const char *id = json_str(json_at(ids, i));
        struct task t;

        if (!id || has_text(some, id))
            continue;
        switch ((int)task_load(c, id, &t, e)) {
        case OK:
            subscription_add(list, SUBSCRIPTION_TASK, text_of(id), head);
            json_add_str(some, id);
            break;
        case ERR_RPC_INVALID_PARAMS: /* not a task of this caller */
            break;
        default:
            return e->code;
        }
    }
    if (json_len(some))
        *agreed = some;
    return OK;
}

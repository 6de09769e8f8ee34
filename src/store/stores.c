#include "store/stores.h"

#include "store/sessions.h"
#include "store/tasks.h"

#define SESSION_STORE_LISTED(name, word) &session_store_##word,
static const struct session_store_ops *const session_stores[] = {
    SESSION_STORES(SESSION_STORE_LISTED)};
#define TASK_STORE_LISTED(name) &task_store_##name,
static const struct task_store_ops *const task_stores[] = {TASK_STORES(TASK_STORE_LISTED)};

const struct session_store_ops *session_store_find(const struct config *c) {
    return session_stores[c->session_store];
}

enum rc session_store_open(const struct store_options *o, struct session_store **out,
                           struct err *e) {
    enum rc rc;

    *out = NULL;
    rc = session_store_find(o->config)->open(o, out, e);
    if (!rc || !*out)
        return rc;
    log_error("state_unavailable", kv("why", e->text));
    return OK;
}

const struct task_store_ops *task_store_find(const struct config *c) {
    size_t i = 0;

    while (task_stores[i]->table && !*table_name(task_stores[i]->table, c))
        i++;
    return task_stores[i];
}

enum rc task_store_open(const struct store_options *o, struct task_store **out, struct err *e) {
    *out = NULL;
    return task_store_find(o->config)->open(o, out, e);
}

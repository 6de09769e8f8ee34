/* Records of tasks as values of the host's cache: a head of numbers, and the sealed text. */
#include <stdlib.h>
#include <string.h>

#include "host/host.h"
#include "store/tasks.h"

#define LOOK_MS 20000 /* rarely: a cancellation comes by a mailbox */
#define POLL_MS 1000
#define RENEW_ARENA_MAX (1U << 20)

struct head {
    int64_t form, version; /* first: what a write replaces is found by them */
    int64_t ttl, lease;
};
#define HEAD_NAMES (2 * sizeof(int64_t))

struct host_tasks {
    struct task_store base;
    struct host_cache *host;
};

static struct host_cache *cache_of(const struct task_store *s) {
    return ((const struct host_tasks *)(const void *)s)->host;
}

static void make_key(const char *id, char key[sizeof TASK_HOST_PREFIX + TASK_ID_MAX]) {
    memcpy(key, TASK_HOST_PREFIX, sizeof TASK_HOST_PREFIX - 1);
    memcpy(key + sizeof TASK_HOST_PREFIX - 1, id, strlen(id) + 1);
}

static enum rc write(struct task_store *s, const struct task_record *in, int64_t now_s,
                     struct err *e) {
    const struct head old = {.form = TASK_ITEM_VERSION, .version = in->version};
    const struct head head = {TASK_ITEM_VERSION, in->version + 1, in->ttl, in->lease};
    size_t len = strlen(in->sealed);
    char key[sizeof TASK_HOST_PREFIX + TASK_ID_MAX], *data;
    enum rc rc;

    if (len > TASK_SEALED_MAX || strlen(in->id) > TASK_ID_MAX)
        return err_set(e, ERR_TOO_LARGE, "the task's record is too long");
    make_key(in->id, key);
    data = xmalloc(sizeof head + len);
    memcpy(data, &head, sizeof head);
    memcpy(data + sizeof head, in->sealed, len);
    rc = host_cache_swap(cache_of(s), key, in->version ? &old : NULL, HEAD_NAMES, data,
                         sizeof head + len, now_s, e);
    free(data);
    return rc;
}

static enum rc get(struct task_store *s, struct arena *a, const char *id, int64_t now_s,
                   struct task_record *out, struct err *e) {
    char key[sizeof TASK_HOST_PREFIX + TASK_ID_MAX];
    const char *value;
    struct head head;
    int64_t stored_s;
    size_t len;

    if (strlen(id) > TASK_ID_MAX)
        return err_set(e, ERR_MISSING, "there is no such task");
    make_key(id, key);
    if (host_cache_get(cache_of(s), a, key, &value, &len, &stored_s, e))
        return e->code;
    if (len < sizeof head)
        return err_set(e, ERR_MISSING, "there is no such task");
    memcpy(&head, value, sizeof head);
    if (head.form != TASK_ITEM_VERSION || head.ttl <= now_s)
        return err_set(e, ERR_MISSING, "there is no such task");
    *out = (struct task_record){arena_strdup(a, id), head.version, head.ttl, head.lease,
                                value + sizeof head};
    return OK;
}

static enum rc renew(struct task_store *s, const struct task_record *in, int64_t now_s,
                     struct err *e) {
    struct arena *a = arena_new(RENEW_ARENA_MAX);
    struct task_record now;
    enum rc rc = get(s, a, in->id, now_s, &now, e);

    if (rc == ERR_MISSING)
        rc = err_set(e, ERR_CONFLICT, "the task is gone");
    if (!rc) {
        now.version = in->version;
        now.ttl = in->ttl;
        now.lease = in->lease;
        rc = write(s, &now, now_s, e);
    }
    arena_free(a);
    return rc;
}

static enum rc again(const struct task_store *s, struct host_cache *host, struct task_store **out,
                     struct err *e) {
    (void)s;
    (void)e;
    *out = task_store_host_open(host);
    return OK;
}

static void close_host(struct task_store *s) {
    free(s);
}

struct task_store *task_store_host_open(struct host_cache *host) {
    static const struct task_store_ops ops = {write, get, write, renew, again, close_host};
    struct host_tasks *t = xcalloc(1, sizeof *t);

    t->base = (struct task_store){&ops, LOOK_MS, POLL_MS};
    t->host = host;
    return &t->base;
}

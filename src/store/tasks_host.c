/* Private part of tasks.h: records of tasks as values of the cache: a head of numbers, and the
 * sealed text. */

#include "base/base.h"
#include "shared/cache.h"
#include "store/tasks.h"

#define LOOK_MS 20000 /* rarely: a cancellation comes by a message socket */
#define POLL_MS 1000
#define RENEW_ARENA_MAX (1U << 20)

struct head {
    int64_t form, version; /* first: a write compares them with the stored ones */
    int64_t lease;
};
#define HEAD_NAMES (2 * sizeof(int64_t))

struct host_tasks {
    struct task_store base;
    struct cache *cache;
};

static struct cache *cache_of(const struct task_store *s) {
    return ((const struct host_tasks *)(const void *)s)->cache;
}

static void make_key(const char *id, char key[sizeof TASK_HOST_PREFIX + TASK_ID_MAX]) {
    memcpy(key, TASK_HOST_PREFIX, sizeof TASK_HOST_PREFIX - 1);
    memcpy(key + sizeof TASK_HOST_PREFIX - 1, id, strlen(id) + 1);
}

static bool is_running(const void *value, size_t len, int64_t now_s) {
    struct head head;

    if (len < sizeof head)
        return false;
    memcpy(&head, value, sizeof head);
    return head.lease >= now_s;
}

static enum rc write_record(struct task_store *s, const struct task_record *in, struct err *e) {
    const struct head old = {.form = TASK_ITEM_VERSION, .version = in->version};
    const struct head head = {TASK_ITEM_VERSION, in->version + 1, in->lease};
    const struct cache_entry begins = {.value = &old, .len = HEAD_NAMES};
    size_t len = strlen(in->sealed);
    char key[sizeof TASK_HOST_PREFIX + TASK_ID_MAX], *data;
    struct cache_entry entry;
    enum rc rc;

    if (len > TASK_SEALED_MAX || strlen(in->id) > TASK_ID_MAX)
        return err_set(e, ERR_TOO_LARGE, "the task's record is too long");
    make_key(in->id, key);
    data = xmalloc(sizeof head + len);
    memcpy(data, &head, sizeof head);
    memcpy(data + sizeof head, in->sealed, len);
    entry = (struct cache_entry){
        .value = data, .len = sizeof head + len, .ttl_s = in->ttl - clock_now_s(s->clock)};
    rc = in->version ? cache_swap(cache_of(s), key, &begins, &entry, e)
                     : cache_add(cache_of(s), key, &entry, 0, e);
    free(data);
    return rc;
}

/* Keeps the limits of this user and of all users. The record written last is the newest, so it is
 * removed last. */
static enum rc trim(struct task_store *s, const char *id, struct err *e) {
    char of_user[sizeof TASK_HOST_PREFIX + TASK_OWNER_LEN];
    const struct cache_quota user = {of_user, TASKS_KEPT_USER_MAX, TASKS_KEPT_USER_BYTES_MAX,
                                     is_running};
    const struct cache_quota all = {TASK_HOST_PREFIX, TASKS_KEPT_MAX, TASKS_KEPT_BYTES_MAX,
                                    is_running};
    enum rc rc;

    (void)snprintf(of_user, sizeof of_user, TASK_HOST_PREFIX "%s", id);
    rc = cache_trim(cache_of(s), &user, e);
    return rc ? rc : cache_trim(cache_of(s), &all, e);
}

static enum rc get(struct task_store *s, struct arena *a, const char *id, struct task_record *out,
                   struct err *e) {
    char key[sizeof TASK_HOST_PREFIX + TASK_ID_MAX];
    struct cache_entry entry;
    struct head head = {0};

    if (strlen(id) > TASK_ID_MAX)
        return err_set(e, ERR_MISSING, "there is no such task");
    make_key(id, key);
    if (cache_get(cache_of(s), a, key, &entry, e))
        return e->code;
    if (entry.len >= sizeof head)
        memcpy(&head, entry.value, sizeof head);
    if (head.form != TASK_ITEM_VERSION)
        return err_set(e, ERR_MISSING, "there is no such task");
    *out = (struct task_record){arena_strdup(a, id), head.version, entry.stored_s + entry.ttl_s,
                                head.lease, (const char *)entry.value + sizeof head};
    return OK;
}

/* Is the record gone before its time? Only damage to the file does that while the program runs. */
static bool is_lost(struct task_store *s, const struct task_record *in) {
    struct arena *a = arena_new(RENEW_ARENA_MAX);
    struct task_record now;
    struct err ignored;
    bool lost = in->version && in->ttl > clock_now_s(s->clock) &&
                get(s, a, in->id, &now, &ignored) == ERR_MISSING;

    arena_free(a);
    return lost;
}

static enum rc write(struct task_store *s, const struct task_record *in, struct err *e) {
    enum rc rc = write_record(s, in, e);
    struct err ignored;

    if (rc == ERR_CONFLICT && is_lost(s, in))
        return err_set(e, ERR_MISSING, "the task's record is lost");
    if (!rc && trim(s, in->id, &ignored))
        log_warn("tasks_not_trimmed", kv("why", ignored.text));
    return rc;
}

static enum rc renew(struct task_store *s, const struct task_record *in, struct err *e) {
    struct arena *a = arena_new(RENEW_ARENA_MAX);
    struct task_record now;
    enum rc rc = get(s, a, in->id, &now, e);

    if (rc == ERR_MISSING && in->ttl <= clock_now_s(s->clock))
        rc = err_set(e, ERR_CONFLICT, "the task is gone");
    if (!rc) {
        now.version = in->version;
        now.ttl = in->ttl;
        now.lease = in->lease;
        rc = write_record(s, &now, e);
    }
    arena_free(a);
    return rc;
}

static enum rc again(const struct task_store *s, struct cache *cache, struct task_store **out,
                     struct err *e) {
    (void)e;
    *out = task_store_host_open(cache, s->clock);
    return OK;
}

static void close_host(struct task_store *s) {
    free(s);
}

struct task_store *task_store_host_open(struct cache *cache, const struct clock *clock) {
    static const struct task_store_ops ops = {get, write, renew, again, close_host};
    struct host_tasks *t = xcalloc(1, sizeof *t);

    t->base = (struct task_store){&ops, clock, LOOK_MS, POLL_MS};
    t->cache = cache;
    return &t->base;
}

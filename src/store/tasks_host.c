/* Private part of tasks.h: records of tasks as values of the cache: a header of numbers,
 * and the sealed text. */

#include "shared/cache.h"
#include "store/stores.h"
#include "store/tasks.h"

#define RENEWAL_MS 20000 /* rarely: a cancellation comes by a message socket */
#define POLL_MS 1000
#define RENEW_ARENA_MAX (1U << 20)

struct header {
    int64_t format, version; /* first: a write compares them with the stored ones */
    int64_t lease;
};
#define COMPARED_BYTES (2 * sizeof(int64_t))

struct host_tasks {
    struct task_store base;
    struct cache *cache;
};

static struct cache *cache_of(const struct task_store *s) {
    return ((const struct host_tasks *)(const void *)s)->cache;
}

static void make_key(const char *id, char key[sizeof TASK_KEY_PREFIX + TASK_ID_MAX]) {
    memcpy(key, TASK_KEY_PREFIX, sizeof TASK_KEY_PREFIX - 1);
    memcpy(key + sizeof TASK_KEY_PREFIX - 1, id, strlen(id) + 1);
}

static bool is_running(const void *value, size_t len, int64_t now_s) {
    struct header header;

    if (len < sizeof header)
        return false;
    memcpy(&header, value, sizeof header);
    return header.lease >= now_s;
}

static enum rc write_record(struct task_store *s, const struct task_record *in, struct err *e) {
    const struct header old = {.format = TASK_RECORD_VERSION, .version = in->version};
    const struct header header = {TASK_RECORD_VERSION, in->version + 1, in->lease};
    const struct cache_entry expected = {.value = &old, .len = COMPARED_BYTES};
    size_t len = strlen(in->sealed);
    char key[sizeof TASK_KEY_PREFIX + TASK_ID_MAX], *data;
    struct cache_entry entry;
    enum rc rc;

    if (len > TASK_SEALED_MAX || strlen(in->id) > TASK_ID_MAX)
        return err_set(e, ERR_TOO_LARGE, "the task's record is too long");
    make_key(in->id, key);
    data = xmalloc(sizeof header + len);
    memcpy(data, &header, sizeof header);
    memcpy(data + sizeof header, in->sealed, len);
    entry = (struct cache_entry){
        .value = data, .len = sizeof header + len, .ttl_s = in->ttl - clock_now_s(s->clock)};
    rc = in->version ? cache_swap(cache_of(s), key, &expected, &entry, e)
                     : cache_add(cache_of(s), key, &entry, 0, e);
    free(data);
    return rc;
}

/* Keeps the limits of this user and of all users. The record written last is the newest, so it is
 * removed last. */
static enum rc trim(struct task_store *s, const char *id, struct err *e) {
    char of_user[sizeof TASK_KEY_PREFIX + TASK_OWNER_LEN];
    const struct cache_quota user = {of_user, TASKS_KEPT_USER_MAX, TASKS_KEPT_USER_BYTES_MAX,
                                     is_running};
    const struct cache_quota all = {TASK_KEY_PREFIX, TASKS_KEPT_MAX, TASKS_KEPT_BYTES_MAX,
                                    is_running};
    enum rc rc;

    (void)snprintf(of_user, sizeof of_user, TASK_KEY_PREFIX "%s", id);
    rc = cache_trim(cache_of(s), &user, e);
    return rc ? rc : cache_trim(cache_of(s), &all, e);
}

static enum rc get(struct task_store *s, struct arena *a, const char *id, struct task_record *out,
                   struct err *e) {
    char key[sizeof TASK_KEY_PREFIX + TASK_ID_MAX];
    struct cache_entry entry;
    struct header header = {0};

    if (strlen(id) > TASK_ID_MAX)
        return err_set(e, ERR_MISSING, "there is no such task");
    make_key(id, key);
    if (cache_get(cache_of(s), a, key, &entry, e))
        return e->code;
    if (entry.len >= sizeof header)
        memcpy(&header, entry.value, sizeof header);
    if (header.format != TASK_RECORD_VERSION)
        return err_set(e, ERR_MISSING, "there is no such task");
    *out = (struct task_record){arena_strdup(a, id), header.version, entry.stored_s + entry.ttl_s,
                                header.lease, (const char *)entry.value + sizeof header};
    return OK;
}

/* Is the record gone before its time? Only damage to the file does that while the program runs. */
static bool is_lost(struct task_store *s, const struct task_record *in) {
    struct arena *a = arena_new(RENEW_ARENA_MAX);
    struct task_record now;
    bool lost = in->version && in->ttl > clock_now_s(s->clock) &&
                get(s, a, in->id, &now, ERR_IGNORED) == ERR_MISSING;

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

static enum rc open_store(const struct store_options *o, struct task_store **out, struct err *e) {
    struct host_tasks *t = xcalloc(1, sizeof *t);

    (void)e;
    t->base = (struct task_store){&task_store_host, o->clock, RENEWAL_MS, POLL_MS};
    t->cache = o->cache;
    *out = &t->base;
    return OK;
}

static void close_store(struct task_store *s) {
    free(s);
}

const struct task_store_ops task_store_host = {NULL, open_store, get, write, renew, close_store};

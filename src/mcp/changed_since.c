#include "mcp/changed_since.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mcp/replay.h"
#include "mcp/stream.h"
#include "web/subscription.h"

static int64_t ms_of(struct timespec t) {
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Real time, as that of files is. */
static const char *new_id(struct arena *a) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return arena_printf(a, MISSED_ID "%llx.p", (unsigned long long)ms_of(now));
}

static void send(struct mcp_call *c, const char *text, size_t len) {
    if (!c->stream.gone && reply_stream_write(c->x->rp, text, len))
        c->stream.gone = true;
}

void changed_since_prime(struct mcp_call *c) {
    const char *event =
        arena_printf(c->arena, "id: %s\nretry: %d\ndata: \n\n", new_id(c->arena), RESUME_RETRY_MS);

    send(c, event, strlen(event));
}

bool changed_since_read_id(const char *id, int64_t *since_ms) {
    char *end;

    if (strncmp(id, MISSED_ID, sizeof MISSED_ID - 1) != 0)
        return false;
    id += sizeof MISSED_ID - 1;
    if (strspn(id, "0123456789abcdef") == 0 || strspn(id, "0123456789abcdef") > 12)
        return false;
    *since_ms = (int64_t)strtoull(id, &end, 16);
    return *end == '.';
}

/* The later of the two: content, or what it is called. */
static bool is_newer(const struct stat *st, int64_t since_ms) {
    return ms_of(st->st_mtim) >= since_ms || ms_of(st->st_ctim) >= since_ms;
}

/* A directory changes with the names in it, and its manifests by themselves. */
static bool dir_has_changed(const char *path, int64_t since_ms) {
    DIR *d = opendir(path);
    const struct dirent *entry;
    bool changed;
    struct stat st;

    if (!d)
        return false;
    changed = !fstat(dirfd(d), &st) && is_newer(&st, since_ms);
    while (!changed && (entry = readdir(d)))
        changed = *entry->d_name != '.' && !fstatat(dirfd(d), entry->d_name, &st, 0) &&
                  is_newer(&st, since_ms);
    (void)closedir(d);
    return changed;
}

/* Is there another folder at the path than there was? */
static bool way_has_changed(struct arena *a, const char *path, int64_t since_ms) {
    struct stat st;

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        if (!lstat(arena_strndup(a, path, (size_t)(slash - path)), &st) && S_ISLNK(st.st_mode) &&
            is_newer(&st, since_ms))
            return true;
    return false;
}

bool mcp_manifests_have_changed(const struct config *config, int64_t since_ms) {
    const char *const dirs[] = {config->tools_dir, config->resources_dir, config->prompts_dir};

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (dir_has_changed(dirs[i], since_ms))
            return true;
    return false;
}

static bool has_changed(struct arena *a, const struct subscription_entry *e, int64_t since_ms) {
    const char *path = arena_strndup(a, e->topic, e->topic_len);
    struct stat st;

    if (!e->topic_len || *path != '/')
        return false;
    if (way_has_changed(a, path, since_ms))
        return true;
    if (path[e->topic_len - 1] == '/')
        return dir_has_changed(path, since_ms);
    return !stat(path, &st) && is_newer(&st, since_ms);
}

void changed_since_send(struct mcp_call *c, const struct buf *what, int64_t since_ms) {
    const char *p = what->p, *end = p + what->len;
    struct subscription_entry e;

    for (int i = 0; subscription_next(&p, end, &e); i++)
        if (has_changed(c->arena, &e, since_ms - MISSED_MARGIN_MS)) {
            const char *id = arena_printf(c->arena, "id: %s%d\n", new_id(c->arena), i);

            send(c, id, strlen(id));
            send(c, e.text, e.text_len);
        }
}

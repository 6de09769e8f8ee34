#include "mcp/changed_since.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/catalog.h"
#include "mcp/call.h"
#include "mcp/headers.h"
#include "mcp/protocol_version.h"
#include "mcp/stream.h"
#include "web/subscription.h"

static int64_t ms_of(struct timespec t) {
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool changed_since_is_id(const struct sse_id *id) {
    return !strcmp(id->stream, CHANGED_SINCE_STREAM) && id->number != SSE_UNNUMBERED;
}

/* Older clients do not support events without data. */
bool changed_since_has_ids(const struct mcp_call *c) {
    const char *version = mcp_header(c->x->rq, "mcp-protocol-version");

    return c->client.session && version && !strcmp(version, MCP_VERSION_HANDSHAKE);
}

void changed_since_prime(struct mcp_call *c) {
    struct sse_id id = sse_id_now(CHANGED_SINCE_STREAM, 0);

    mcp_stream_write(c, sse_priming_event(c->arena, &id));
}

/* Checks both times: of the content, and of the inode (a renamed file has an old mtime). */
static bool is_newer(const struct stat *st, int64_t since_ms) {
    return ms_of(st->st_mtim) >= since_ms || ms_of(st->st_ctim) >= since_ms;
}

/* The directory's times cover added and removed names; each manifest has its own times. */
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

/* Has a symbolic link on the path changed? Then it may lead to another folder or file. */
static bool path_has_changed(struct arena *a, const char *path, int64_t since_ms) {
    struct stat st;

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        if (!lstat(arena_strndup(a, path, (size_t)(slash - path)), &st) && S_ISLNK(st.st_mode) &&
            is_newer(&st, since_ms))
            return true;
    return false;
}

bool mcp_manifests_have_changed(const struct config *config, int64_t since_ms) {
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++)
        if (dir_has_changed(catalog_directory(config, kind), since_ms))
            return true;
    return false;
}

static bool has_changed(struct arena *a, const struct subscription *s, int64_t since_ms) {
    /* With a slash at the end, a folder that is a symbolic link is checked as a link too. */
    const char *end = s->kind == SUBSCRIPTION_FOLDER ? "/" : "";
    const char *path = arena_printf(a, "%.*s%s", (int)s->argument.len, s->argument.p, end);
    struct stat st;

    if (s->kind != SUBSCRIPTION_FILE && s->kind != SUBSCRIPTION_FOLDER)
        return false;
    if (path_has_changed(a, path, since_ms))
        return true;
    if (s->kind == SUBSCRIPTION_FOLDER)
        return dir_has_changed(path, since_ms);
    return !stat(path, &st) && is_newer(&st, since_ms);
}

void changed_since_send(struct mcp_call *c, struct text subscriptions, const struct sse_id *last) {
    const int64_t since_ms = (int64_t)last->at - CHANGED_SINCE_MARGIN_MS;
    struct subscription s;

    for (int i = 1; subscription_next(&subscriptions, &s);
         i++) /* 0 is the id of the priming event */
        if (has_changed(c->arena, &s, since_ms)) {
            const struct sse_id id = sse_id_now(CHANGED_SINCE_STREAM, i);
            char line[SSE_ID_LINE_MAX];

            mcp_stream_write(c, (struct text){line, sse_id_line(&id, line)});
            mcp_stream_write(c, s.text);
        }
}

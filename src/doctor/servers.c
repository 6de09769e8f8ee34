#include "doctor/servers.h"

#include "base/text.h"
#include "runner/client.h"
#include "runner/instance.h"

long long status_number(const struct json *o, const char *key) {
    int64_t n = 0;

    (void)json_get_int(o, key, &n);
    return n;
}

const char *status_time(struct arena *a, int64_t seconds) {
    char text[32];
    struct tm tm;

    return localtime_r(&(time_t){seconds}, &tm) && strftime(text, sizeof text, "%F %T", &tm)
               ? arena_strdup(a, text)
               : "?";
}

void servers_use_runner(const struct config *c, const struct json *status) {
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%lld/fd/%lld", status_number(status, "pid"),
                   status_number(json_get(status, "runner"), "connector"));
    runner_use(*c->runner_socket ? c->runner_socket : path, -1);
}

static struct json *server_object(struct arena *a, const struct server_state *s) {
    struct json *o = json_new_object(a);

    json_put_str(o, "server", s->name);
    json_put_int(o, "instances", s->instances);
    json_put_int(o, "up_since", s->instances ? s->up_since_s : 0);
    json_put_int(o, "starts", (int64_t)s->starts);
    json_put_int(o, "calls", (int64_t)s->calls);
    json_put_int(o, "calls_now", s->calls_now);
    json_put_int(o, "errors", (int64_t)s->errors);
    json_put_int(o, "memory", s->memory);
    json_put_int(o, "failed", s->failed_s);
    if (*s->why)
        json_put_str(o, "why", text_quotable(a, s->why));
    return o;
}

/* A site's STATE_DIR is in that of the host. "": it is the host's own; NULL: another daemon's. */
static const char *site_of(const struct config *c, const char *state_dir) {
    const size_t len = strlen(c->state_dir);
    const char *slash;

    if (strncmp(state_dir, c->state_dir, len) != 0 || (state_dir[len] && state_dir[len] != '/'))
        return NULL;
    slash = strrchr(state_dir + len, '/');
    return slash ? slash + 1 : "";
}

struct json *servers_list(struct arena *a, const struct config *c, bool with_sites) {
    struct json *list = json_new_array(a);
    struct server_state s;

    for (uint32_t i = 0; instance_server_state(i, &s); i++) {
        const char *site = site_of(c, s.site);
        struct json *o = site ? server_object(a, &s) : NULL;

        if (!o || (!with_sites && strcmp(s.site, c->state_dir) != 0))
            continue;
        if (*site && with_sites)
            json_put_str(o, "site", site);
        json_add(list, o);
    }
    return list;
}

struct json *servers_status_file(struct arena *a, const struct config *c) {
    struct json *s;

    return json_parse_file(a, c->status_file, STATUS_FILE_MAX, &s, ERR_IGNORED) ? NULL : s;
}

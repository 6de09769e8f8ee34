#include "exec/server_subscriptions.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/digest.h"
#include "exec/server_call.h"
#include "runner/relay.h"

#define RECORD_BYTES_MAX 16384
#define TOUCHED_BY_ALL 0622 /* futimens(2) asks for that; the directory is ours alone */

/* The record beside the file says what is subscribed to: it is for a restart of the server. */
static const char *path_of(struct mcp_call *c, const char *before, unsigned slot) {
    return arena_printf(c->arena, "%s/servers/updates/%s%u", c->x->site->config->state_dir, before,
                        slot);
}

static unsigned slot_of(struct mcp_call *c, const struct server *s, const char *uri) {
    const char *user = s->program.lifetime == PERSISTENT ? "" : c->client.claims->sub;
    const char *text = arena_printf(c->arena, "%s %s %s", s->name, uri, user);
    uint8_t digest[SHA256_LEN];

    sha256(text, strlen(text), digest);
    return (digest[0] * 256u + digest[1]) % SERVER_UPDATE_FILES;
}

/* That it is opened, and closed again, is no change to the stream holder. */
int server_touch_file(const char *path) {
    const int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;

    if (fd >= 0 && !fstat(fd, &st) && (st.st_mode & 0777) != TOUCHED_BY_ALL)
        (void)fchmod(fd, TOUCHED_BY_ALL);
    return fd;
}

/* Returns a word for what came of it, as of an execution. */
static const char *subscribe(struct mcp_call *c, const struct server *s, const char *uri,
                             const char *user, int64_t seconds) {
    struct server_request request = {
        .server = s,
        .timeout_ms = s->start_s * 1000,
        .subscribe = uri,
        .user = user,
        .seconds = seconds < RELAY_SUBSCRIPTION_S_MAX ? seconds : RELAY_SUBSCRIPTION_S_MAX};
    const char *state = c->x->site->config->state_dir;
    struct server_answer answer;

    if (seconds <= 0)
        return "late";
    (void)mkdir(arena_printf(c->arena, "%s/servers", state), 0700);
    (void)mkdir(arena_printf(c->arena, "%s/servers/updates", state), 0700);
    request.file = server_touch_file(path_of(c, "", slot_of(c, s, uri)));
    if (request.file < 0)
        return "no_file";
    server_request(c, &request, &answer);
    (void)close(request.file);
    if (answer.execution.failure)
        log_info("subscription_failed", kv("server", s->name), kv("why", answer.execution.failure));
    return answer.execution.outcome;
}

static void write_record(struct mcp_call *c, const struct server *s, const char *uri) {
    const char *path = path_of(c, ".", slot_of(c, s, uri));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct json *o = json_new_object(c->arena);
    struct text t;

    json_put_str(o, "server", s->name);
    json_put_str(o, "uri", uri);
    json_put_str(o, "user", server_user(c));
    json_put_int(o, "until_s", c->client.claims->exp);
    t = json_as_text(c->arena, o);
    if (fd < 0 || t.len > RECORD_BYTES_MAX || !file_write_all(fd, t.p, t.len, 0))
        log_info("subscription_failed", kv("server", s->name), kv("why", "no record of it"));
    descriptor_close(fd);
}

const char *server_subscribe(struct mcp_call *c, const struct resource *r, const char *uri) {
    const struct server_item *item = r->entry.source.spec;

    if (!item->server->subscribes || item->server->program.lifetime == RUNS_ONCE ||
        server_denies_uri(item->server, c->arena, uri) ||
        strcmp(subscribe(c, item->server, uri, server_user(c),
                         c->client.claims->exp - clock_now_s(&c->x->site->clock)),
               "ok") != 0)
        return NULL;
    write_record(c, item->server, uri);
    return path_of(c, "", slot_of(c, item->server, uri));
}

#define GOES_ON "ok limited" /* one user may have more than a server is told of */

void server_subscriptions_renew(struct mcp_call *c, const struct server *s) {
    const int64_t now = clock_now_s(&c->x->site->clock);

    for (unsigned slot = 0; s->subscribes && slot < SERVER_UPDATE_FILES; slot++) {
        const char *path = path_of(c, ".", slot), *uri, *user;
        struct json *o;
        struct err e;
        int64_t until_s;

        if (access(path, F_OK) || json_parse_file(c->arena, path, RECORD_BYTES_MAX, &o, &e))
            continue;
        uri = json_get_str(o, "uri");
        user = json_get_str(o, "user");
        if (json_get_is(o, "server", s->name) && uri && user &&
            json_get_int(o, "until_s", &until_s) && until_s > now &&
            !list_has(GOES_ON, subscribe(c, s, uri, user, until_s - now)))
            return;
    }
}

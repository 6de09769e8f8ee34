#include "exec/server_lists.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/problems.h"
#include "exec/server_call.h"
#include "exec/server_subscriptions.h"
#include "runner/relay.h"

#define PAGE_MS 5000  /* for a page, or as long as a call may take */
#define PAGES_MAX 100 /* of one list */
/* A server that has failed is asked again after BACK_OFF_FACTOR times as long as the failure took.
 */
#define BACK_OFF_FACTOR 10
#define BACK_OFF_MAX_S 600

/* ---- asking ---- */

struct asking {
    struct mcp_call *c;
    const struct server *server;
    int64_t until_ms;
    size_t bytes;       /* of all answers */
    const char *why;    /* it failed; NULL: it did not */
    const char *stamp;  /* of its relay */
    struct json *lists; /* the content of the file */
};

/* false: a->why says why. A server that declares resources need not know templates. */
static bool ask_page(struct asking *a, const char *method, const char *cursor,
                     struct json **result) {
    const int64_t left = a->until_ms - clock_monotonic_ms();
    const int64_t most = a->server->timeout_ms > PAGE_MS ? a->server->timeout_ms : PAGE_MS;
    const struct server_request request = {.server = a->server,
                                           .is_for_lists = true,
                                           .method = method,
                                           .params = json_new_object(a->c->arena),
                                           .timeout_ms = left < most ? left : most};
    struct server_answer answer;
    int64_t code = 0;

    json_put_str(request.params, "cursor", cursor);
    server_request(a->c, &request, &answer);
    *result = answer.execution.result;
    if (!*result && json_get_int(answer.error, "code", &code) && code == METHOD_NOT_FOUND)
        *result = json_new_object(a->c->arena);
    a->why = *result ? NULL : answer.execution.failure;
    a->bytes += json_text_len(answer.execution.result);
    if (a->bytes > SERVER_LISTS_BYTES_MAX)
        a->why = "its list is too long";
    return !a->why;
}

static bool ask_list(struct asking *a, const char *method, const char *member) {
    struct json *all = json_new_array(a->c->arena), *result;
    const char *cursor = NULL;

    for (int page = 0; page < PAGES_MAX; page++) {
        const struct json *list;

        if (!ask_page(a, method, cursor, &result))
            return false;
        list = json_get(result, member);
        for (size_t i = 0; i < json_len(list); i++)
            if (json_is_object(json_at(list, i)) && json_len(all) <= SERVER_ENTRIES_MAX)
                json_add(all, json_at(list, i));
        cursor = json_get_str(result, "nextCursor");
        if (!cursor || json_len(all) > SERVER_ENTRIES_MAX) {
            json_put(a->lists, member, all);
            return true;
        }
    }
    a->why = "its list has too many pages";
    return false;
}

/* Only for what it says that it has: "both parties SHOULD respect the negotiated protocol version
 * and capabilities". */
static bool ask(struct asking *a) {
    static const struct {
        const char *capability, *method, *member;
    } lists[] = {{"tools", "tools/list", "tools"},
                 {"resources", "resources/list", "resources"},
                 {"resources", "resources/templates/list", "resourceTemplates"},
                 {"prompts", "prompts/list", "prompts"}};
    const struct server_request greet = {.server = a->server,
                                         .is_for_lists = true,
                                         .timeout_ms = a->until_ms - clock_monotonic_ms()};
    struct server_answer answer;
    bool ok = true;

    server_request(a->c, &greet, &answer);
    a->why = answer.execution.failure;
    if (!answer.stamp)
        return false;
    a->stamp = answer.stamp;
    json_put(a->lists, "capabilities", answer.capabilities);
    for (size_t i = 0; ok && i < sizeof lists / sizeof *lists; i++)
        ok = !json_get(answer.capabilities, lists[i].capability) ||
             ask_list(a, lists[i].method, lists[i].member);
    return ok;
}

/* ---- files ---- */

/* Beside the lists, and not one of them: a change of it is no change of the list. */
static const char *side_file(struct mcp_call *c, const struct server *s, const char *what) {
    return arena_printf(c->arena, "%s/servers/.%s.%s", c->x->site->config->state_dir, s->name,
                        what);
}

/* Reads no more than wanted.len bytes: memory for the longest lists costs more than the call. */
static bool has_text(struct mcp_call *c, const char *path, struct text wanted) {
    struct text now;
    struct err e;

    return !file_read(c->arena, path, wanted.len, &now, &e) && text_equal(now, wanted);
}

/* Whole or not at all. */
static bool write_file(struct mcp_call *c, const char *path, struct text t) {
    const char *made =
        arena_printf(c->arena, "%s/servers/.new-%d", c->x->site->config->state_dir, (int)getpid());
    int fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && file_write_all(fd, t.p, t.len, 0);

    descriptor_close(fd);
    return ok && !rename(made, path);
}

static bool save(struct mcp_call *c, const struct server *s, const struct asking *a) {
    const struct text t = json_as_text(c->arena, a->lists);

    if (t.len > SERVER_LISTS_BYTES_MAX) {
        log_warn("server_lists_failed", kv("server", s->name), kv("why", "its list is too long"));
        return false;
    }
    /* An unchanged list is as good as a new one. */
    if ((!has_text(c, s->lists, t) && !write_file(c, s->lists, t)) ||
        !write_file(c, side_file(c, s, "stamp"), text_of(a->stamp))) {
        log_warn("server_lists_failed", kv("server", s->name), kv("why", strerror(errno)));
        return false;
    }
    return true;
}

/* ---- when it was asked ---- */

/* An empty file. Its mtime is that of the manifest with which the server was asked last, perhaps in
 * the future; its atime is the time before which it is not asked again, or 0 if it has answered. */
#define ASKED "asked"
#define AGE_MAX_S 3600

static struct timespec manifest_time(const struct mcp_call *c, const struct server *s) {
    struct stat st;

    return stat(arena_printf(c->arena, "%s/%s.json", c->x->site->config->servers_dir, s->name), &st)
               ? (struct timespec){0}
               : st.st_mtim;
}

static void note_asked(struct mcp_call *c, const struct server *s, struct timespec manifest,
                       int64_t not_before_s) {
    const struct timespec times[] = {{.tv_sec = not_before_s}, manifest};
    const char *path = side_file(c, s, ASKED);

    if (write_file(c, path, TEXT_LITERAL("")))
        (void)utimensat(AT_FDCWD, path, times, 0);
}

/* Has it failed with this manifest, and is not to be asked again yet? *has_answered: it was asked
 * with this manifest, and has answered. */
static bool backs_off(struct mcp_call *c, const struct server *s, bool *has_answered) {
    const struct timespec manifest = manifest_time(c, s);
    const int64_t now = clock_now_s(&c->x->site->clock);
    struct stat asked;

    *has_answered = false;
    if (stat(side_file(c, s, ASKED), &asked) || asked.st_mtim.tv_sec != manifest.tv_sec ||
        asked.st_mtim.tv_nsec != manifest.tv_nsec)
        return false;
    *has_answered = !asked.st_atim.tv_sec;
    return asked.st_atim.tv_sec > now && asked.st_atim.tv_sec <= now + BACK_OFF_MAX_S;
}

/* ---- changes while nobody calls ---- */

/* Empty; the relay touches it. The stream holder takes it for a list, and tells clients. No server
 * has such a name. */
static const char *change_file(struct mcp_call *c, const struct server *s) {
    return arena_printf(c->arena, "%s/servers/%s~changed.json", c->x->site->config->state_dir,
                        s->name);
}

#define COARSE_MS 20 /* the times of files are that much behind the clock */

static bool has_changed(struct mcp_call *c, const struct server *s) {
    struct stat changed, asked;

    return !stat(change_file(c, s), &changed) && !stat(side_file(c, s, "stamp"), &asked) &&
           clock_is_later(changed.st_mtim, asked.st_mtim);
}

/* From now on the relay tells of changes, until its server ends; those since `stamp` this does. */
static void watch(struct mcp_call *c, const struct server *s, const char *stamp) {
    struct server_request request = {.server = s,
                                     .is_for_lists = true,
                                     .subscribe = "",
                                     .seconds = RELAY_SUBSCRIPTION_S_MAX,
                                     .timeout_ms = PAGE_MS};
    struct server_answer answer;

    if (s->program.lifetime != PERSISTENT)
        return;
    request.file = server_touch_file(change_file(c, s));
    if (request.file < 0)
        return;
    server_request(c, &request, &answer);
    if (answer.stamp && strcmp(answer.stamp, stamp) != 0)
        (void)futimens(request.file, NULL);
    (void)close(request.file);
}

static bool is_due(struct mcp_call *c, const struct server *s) {
    struct stat asked;
    bool has_answered;
    /* Of a server with instances for users or calls nobody hears that its lists have changed. */
    const bool is_old = s->program.lifetime != PERSISTENT &&
                        !stat(side_file(c, s, ASKED), &asked) &&
                        clock_now_s(&c->x->site->clock) - asked.st_ctim.tv_sec > AGE_MAX_S;

    return !backs_off(c, s, &has_answered) &&
           (!has_answered || access(s->lists, F_OK) || is_old || has_changed(c, s));
}

/* ---- one process at a time ---- */

/* -1: another process asks this server. */
static int lock(struct mcp_call *c, const struct server *s) {
    int fd;

    (void)mkdir(arena_printf(c->arena, "%s/servers", c->x->site->config->state_dir), 0700);
    fd = open(side_file(c, s, "lock"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB))
        descriptor_clear(&fd);
    return fd;
}

static bool fetch(struct mcp_call *c, const struct server *s) {
    const struct timespec manifest = manifest_time(c, s);
    const int64_t began_ms = clock_monotonic_ms(), at_ms = clock_realtime_ms() - COARSE_MS;
    const struct timespec at = {at_ms / 1000, at_ms % 1000 * 1000000};
    struct asking a = {.c = c,
                       .server = s,
                       .until_ms = began_ms + SERVER_LISTS_MS,
                       .lists = json_new_object(c->arena)};
    int fd = lock(c, s);
    int64_t back_off_s;
    bool ok;

    if (fd < 0)
        return false;
    mcp_call_takes_long(c, true);
    ok = ask(&a);
    if (!ok)
        log_warn("server_lists_failed", kv("server", s->name), kv("why", a.why));
    ok = ok && save(c, s, &a);
    if (ok) { /* what has changed since the question is not in the list */
        (void)utimensat(AT_FDCWD, side_file(c, s, "stamp"), (struct timespec[]){at, at}, 0);
        watch(c, s, a.stamp);
    }
    back_off_s = (clock_monotonic_ms() - began_ms) * BACK_OFF_FACTOR / 1000;
    back_off_s = back_off_s < BACK_OFF_MAX_S ? back_off_s : BACK_OFF_MAX_S;
    note_asked(c, s, manifest, ok ? 0 : clock_now_s(&c->x->site->clock) + back_off_s);
    mcp_call_takes_long(c, false);
    (void)close(fd);
    return ok;
}

/* Other workers are told by the change of the file. */
static void read_again(const struct mcp_call *c) {
    struct problems p;

    problems_begin(&p);
    (void)catalog_servers_update(c->x->site->mcp->catalog, p.f);
    problems_end(&p, tool_kind.invalid_event);
}

/* Was any asked, and has answered? */
static bool fetch_due(struct mcp_call *c) {
    const struct catalog *catalog = c->x->site->mcp->catalog;
    const struct server *s;
    bool any = false;

    for (size_t i = 0; (s = catalog_server(catalog, i)); i++)
        any = (is_due(c, s) && fetch(c, s)) || any;
    return any;
}

void server_lists_refresh(struct mcp_call *c) {
    if (!c->msg.in_batch && fetch_due(c))
        read_again(c);
}

bool server_lists_look_again(struct mcp_call *c) {
    if (c->msg.in_batch || !catalog_server(c->x->site->mcp->catalog, 0))
        return false;
    (void)fetch_due(c);
    read_again(c);
    return true;
}

void server_lists_compare(struct mcp_call *c, const struct server *s, const char *stamp,
                          bool *is_stored) {
    bool has_answered;

    if (s->program.lifetime != PERSISTENT || *is_stored)
        return;
    *is_stored = has_text(c, side_file(c, s, "stamp"), text_of(stamp));
    if (*is_stored || backs_off(c, s, &has_answered))
        return;
    (void)fetch(c, s);
    server_subscriptions_renew(c, s);
}

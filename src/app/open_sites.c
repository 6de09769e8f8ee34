#include "app/open_sites.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 1000
#define SITE_DESCRIPTORS 64 /* its own, and those of a request: OPEN_SITES_MAX */

void open_sites_init(struct open_sites *o, const struct site_set *set, struct catalog *catalog) {
    *o = (struct open_sites){
        .set = set, .all = xcalloc(set->config->count, sizeof *o->all), .catalog = catalog};
}

/* Puts a number in the place of another one; 0: that of none. */
static void note(const struct open_sites *o, uint32_t before, uint32_t now) {
    for (unsigned i = 0; o->noted && i < OPEN_SITES_MAX; i++)
        if (o->noted[i] == before) {
            o->noted[i] = now;
            return;
        }
}

static void close_site(struct open_sites *o, struct open_site *s) {
    note(o, o->set->config->all[s - o->all].number, 0);
    loaded_site_close(s->site);
    free(s->site);
    *s = (struct open_site){0};
    o->count--;
}

void open_sites_close(struct open_sites *o) {
    for (size_t i = 0; o->all && i < o->set->config->count; i++)
        if (o->all[i].site)
            close_site(o, &o->all[i]);
    free(o->all);
}

void open_sites_on_call(struct open_sites *o, void (*fn)(void *arg, bool begins), void *arg) {
    o->on_call = fn;
    o->on_call_arg = arg;
    for (size_t i = 0; i < o->set->config->count; i++)
        if (o->all[i].site) {
            o->all[i].site->mcp.on_call = fn;
            o->all[i].site->mcp.on_call_arg = arg;
        }
}

static void close_least_used(struct open_sites *o) {
    struct open_site *least = NULL;

    for (size_t i = 0; i < o->set->config->count; i++)
        if (o->all[i].site && (!least || o->all[i].used_ms < least->used_ms))
            least = &o->all[i];
    if (least)
        close_site(o, least);
}

/* Could a site be opened and used? The lowest free descriptor says how many are in use. */
static bool has_descriptors(void) {
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    struct rlimit max;
    const bool has =
        fd >= 0 && !getrlimit(RLIMIT_NOFILE, &max) && (rlim_t)fd + SITE_DESCRIPTORS <= max.rlim_cur;

    descriptor_close(fd);
    return has;
}

static enum rc make_folder(const char *path, struct err *e) {
    if (!mkdir(path, 0700) || errno == EEXIST)
        return OK;
    (void)err_set(e, ERR_STORE, "the site's state is not available");
    return err_detail(e, "%s cannot be made: %s", path, strerror(errno));
}

/* A site's state is in a folder of the host's, which its first request makes. */
static enum rc make_state_dir(const struct config *c, struct err *e) {
    struct arena *a;
    enum rc rc;

    if (!*c->site)
        return OK;
    a = arena_new(0);
    rc = make_folder(arena_printf(a, "%s/sites", c->host_state_dir), e);
    arena_free(a);
    return rc ? rc : make_folder(c->state_dir, e);
}

static enum rc open_site(struct open_sites *o, size_t i, struct err *e) {
    const struct config *c = o->set->config->all[i].config;
    struct loaded_site *site;

    if (make_state_dir(c, e))
        return e->code;
    while (o->count == OPEN_SITES_MAX || (o->count && !has_descriptors()))
        close_least_used(o);
    site = xcalloc(1, sizeof *site);
    loaded_site_init(site, &o->set->config->all[i], o->catalog);
    if (loaded_site_open(site, e)) {
        loaded_site_close(site);
        free(site);
        return e->code;
    }
    if (o->tokens)
        idp_share(&site->idp, o->tokens);
    site->mcp.on_call = o->on_call;
    site->mcp.on_call_arg = o->on_call_arg;
    o->all[i].site = site;
    o->count++;
    note(o, 0, o->set->config->all[i].number);
    o->set->opened[i] = true;
    return OK;
}

enum rc open_sites_get(struct open_sites *o, size_t i, struct loaded_site **out, struct err *e) {
    struct open_site *s = &o->all[i];
    const int64_t now_ms = clock_monotonic_ms();

    if (!s->site) {
        if (s->used_ms && now_ms - s->used_ms < RETRY_MS)
            return err_set(e, ERR_STORE, "the site cannot be served now");
        s->used_ms = now_ms;
        if (open_site(o, i, e)) {
            log_error("site_not_opened", kv("site", o->set->config->all[i].config->site),
                      kv("why", e->text), kv("detail", e->detail));
            return e->code;
        }
    }
    s->used_ms = now_ms;
    *out = s->site;
    return OK;
}

void open_sites_share(struct open_sites *o, struct token_memory *tokens) {
    o->tokens = tokens;
    for (size_t i = 0; i < o->set->config->count; i++)
        if (o->all[i].site)
            idp_share(&o->all[i].site->idp, tokens);
}

void open_sites_update(struct open_sites *o, const char *path, int64_t at_ms) {
    for (size_t i = 0; i < o->set->config->count; i++)
        if (o->all[i].site)
            loaded_site_update_catalog(o->all[i].site, path, at_ms);
}

/* The only site of a worker stays. */
void open_sites_upkeep(struct open_sites *o) {
    const int64_t now_ms = clock_monotonic_ms();

    for (size_t i = 0; i < o->set->config->count; i++) {
        struct open_site *s = &o->all[i];

        if (s->site && o->set->entries && now_ms - s->used_ms > OPEN_SITE_IDLE_S * 1000)
            close_site(o, s);
        else if (s->site)
            loaded_site_upkeep(s->site);
    }
}

#include "app/open_sites.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 1000
#define SITE_DESCRIPTORS 64 /* its own, and those of a request: OPEN_SITES_MAX */

/* Puts a number in the place of another one; 0: that of no site. */
static void replace_number(const struct app *app, uint32_t before, uint32_t now) {
    _Atomic uint32_t *numbers = app->options.numbers;

    for (unsigned i = 0; numbers && i < OPEN_SITES_MAX; i++)
        if (numbers[i] == before) {
            numbers[i] = now;
            return;
        }
}

static void close_site(struct app *app, struct open_site *s) {
    replace_number(app, app->set->config->all[s - app->all].number, 0);
    loaded_site_close(s->site);
    free(s->site);
    *s = (struct open_site){0};
    app->count--;
}

static void close_least_recently_used(struct app *app) {
    struct open_site *oldest = NULL;

    for (size_t i = 0; i < app->set->config->count; i++)
        if (app->all[i].site && (!oldest || app->all[i].used_ms < oldest->used_ms))
            oldest = &app->all[i];
    if (oldest)
        close_site(app, oldest);
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

static enum rc open_site(struct app *app, size_t i, struct err *e) {
    const struct config *c = app->set->config->all[i].config;
    struct loaded_site *site;

    if (make_state_dir(c, e))
        return e->code;
    while (app->count == OPEN_SITES_MAX || (app->count && !has_descriptors()))
        close_least_recently_used(app);
    site = xcalloc(1, sizeof *site);
    loaded_site_init(site, &app->set->config->all[i], app->options.catalog);
    if (loaded_site_open(site, e)) {
        loaded_site_close(site);
        free(site);
        return e->code;
    }
    if (app->options.shared)
        idp_share(&site->idp, app->options.shared);
    site->mcp.on_call = app->options.on_call;
    site->mcp.on_call_arg = app->options.on_call_arg;
    app->all[i].site = site;
    app->count++;
    replace_number(app, 0, app->set->config->all[i].number);
    app->set->opened[i] = true;
    return OK;
}

enum rc open_sites_get(struct app *app, size_t i, int64_t now_ms, struct loaded_site **out,
                       struct err *e) {
    struct open_site *s = &app->all[i];

    if (!s->site) {
        if (s->used_ms && now_ms - s->used_ms < RETRY_MS)
            return err_set(e, ERR_STORE, "the site cannot be served now");
        s->used_ms = now_ms;
        if (open_site(app, i, e)) {
            log_error("site_not_opened", kv("site", app->set->config->all[i].config->site),
                      kv("why", e->text), kv("detail", e->detail));
            return e->code;
        }
    }
    s->used_ms = now_ms;
    *out = s->site;
    return OK;
}

enum rc app_new(const struct site_set *sites, const struct app_options *options, struct app **out,
                struct err *e) {
    struct app *app = xcalloc(1, sizeof *app);
    struct loaded_site *only;

    *app = (struct app){
        .set = sites, .all = xcalloc(sites->config->count, sizeof *app->all), .options = *options};
    *out = NULL;
    if (!sites->entries && open_sites_get(app, 0, clock_monotonic_ms(), &only, e)) {
        app_free(app);
        return e->code;
    }
    *out = app;
    return OK;
}

void app_free(struct app *app) {
    for (size_t i = 0; app && i < app->set->config->count; i++)
        if (app->all[i].site)
            close_site(app, &app->all[i]);
    if (app)
        free(app->all);
    free(app);
}

struct token_memory *app_shared_new(void) {
    return token_memory_new();
}

void app_shared_free(struct token_memory *tokens) {
    token_memory_free(tokens);
}

void app_update(struct app *app, const char *path, int64_t at_ms) {
    for (size_t i = 0; i < app->set->config->count; i++)
        if (app->all[i].site)
            loaded_site_update_catalog(app->all[i].site, path, at_ms);
}

/* The only site of a worker stays. */
void app_upkeep(struct app *app) {
    const int64_t now_ms = clock_monotonic_ms();

    for (size_t i = 0; i < app->set->config->count; i++) {
        struct open_site *s = &app->all[i];

        if (s->site && app->set->entries && now_ms - s->used_ms > OPEN_SITE_IDLE_S * 1000)
            close_site(app, s);
        else if (s->site)
            loaded_site_upkeep(s->site);
    }
}

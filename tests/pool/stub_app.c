/* A daemon with the real pool and the real FastCGI side, but a toy for an application:
 *   stub-daemon FILE      runs with the configuration FILE
 *   stub-daemon runner    what the master starts
 * Paths: /echo (the body comes back), /slow?ms=N, /wait?FILE (until it is there), /big (1 MB),
 * /hang, /hang-short (whose limit is 1 s), /crash, /program?FILE (starts two processes, and hangs).
 * TOOLS_DIR=bad-check, bad-start, crash-start or hang-start make the check or the start fail; a
 * file /…/bad-start or /…/hang-start does so while it exists. With TOOLS_DIR=patient no worker is
 * stuck before its request's own limit. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "app/app.h"
#include "app/site_set.h"
#include "config/config.h"
#include "runner/runner.h"
#include "server/server.h"

#define BIG (1 << 20)

struct app {
    char *big;
    void (*on_call)(void *arg, bool begins);
    void *on_call_arg;
    _Atomic int *limit_ms;
};

static const struct server_timing fast = {
    .tick_ms = 50,
    .start_ms = 3500, /* more than the failed starts take that end a reload */
    .stuck_ms = 4000,
    .kill_grace_ms = 1500, /* more than a start or an end takes on a busy machine */
    .stop_ms = 15000,
    .drain_ms = 10000,
    .idle_retire_ms = 200,
    .backoff_first_ms = 25,
    .backoff_max_ms = 400,
};

static bool told_to(const struct config *config, const char *what) {
    const char *dir = config->tools_dir, *slash = strrchr(dir, '/');

    return !strcmp(slash ? slash + 1 : dir, what) && (!slash || !access(dir, F_OK));
}

struct token_memory {
    int unused;
};

struct token_memory *app_shared_new(void) {
    static struct token_memory shared;

    return &shared;
}

void app_shared_free(struct token_memory *shared) {
    (void)shared;
}

struct site_set *site_set_load(const char *path, const struct site_set *previous,
                               const struct config_candidate *candidate, FILE *problems) {
    struct site_set *s = xcalloc(1, sizeof *s);

    (void)previous;
    s->config = config_sites_load(path, NULL, candidate, problems);
    if (s->config)
        return s;
    free(s);
    return NULL;
}

void site_set_free(struct site_set *s) {
    if (s)
        config_sites_free(s->config);
    free(s);
}

bool app_check_sites(struct site_set *s, const struct site_set *previous, FILE *problems,
                     struct app_checked *out) {
    (void)previous;
    return app_check(s->config->host, problems, out);
}

enum rc app_admit(const struct app *app, const struct request *rq, struct site_of_request *out,
                  struct err *e) {
    (void)app;
    (void)rq;
    (void)out;
    (void)e;
    return OK;
}

enum rc app_new(const struct site_set *sites, const struct app_options *options, struct app **out,
                struct err *e) {
    const struct config *config = sites->config->host;

    if (told_to(config, "bad-start"))
        return err_set(e, ERR_MISCONFIGURED, "told to fail");
    if (told_to(config, "crash-start"))
        _exit(9);
    while (told_to(config, "hang-start"))
        pause();
    *out = xcalloc(1, sizeof **out);
    (*out)->on_call = options->on_call;
    (*out)->on_call_arg = options->on_call_arg;
    (*out)->limit_ms = options->limit_ms;
    (*out)->big = xmalloc(BIG);
    memset((*out)->big, 'b', BIG);
    return OK;
}

void app_watch(const struct site_set *sites, int fd) {
    (void)sites;
    (void)fd;
}

void app_free(struct app *app) {
    free(app->big);
    free(app);
}

static void nap(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&t, &t) != 0)
        ;
}

/* A process as a program of a tool is one, and what it has started, in a session of its own. They
 * write their numbers to the file. */
static void run_program(const char *path) {
    char line[24];
    int fd, len;

    if (fork())
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setsid();
    (void)syscall(SYS_close_range, 3, ~0U, 0);
    if (!fork())
        (void)setsid();
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    len = snprintf(line, sizeof line, "%d\n", (int)getpid());
    if (write(fd, line, (size_t)len) != len)
        _exit(1);
    for (;;)
        pause();
}

/* FILE.begun says that it is waited for. */
static void wait_for_file(const char *path) {
    char begun[256];

    (void)snprintf(begun, sizeof begun, "%s.begun", path);
    (void)close(open(begun, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (access(path, F_OK))
        nap(5);
    (void)unlink(begun);
}

void app_handle(struct app *app, const struct request *rq, enum rc read, struct reply *rp) {
    *app->limit_ms = strcmp(rq->path, "/hang-short") == 0 ? 1000 : 3600 * 1000;
    rp->status = read == OK ? 200 : 413;
    reply_header(rp, "Content-Type", "application/octet-stream");
    reply_header(rp, "X-Pid", arena_printf(rq->arena, "%d", (int)getpid()));
    reply_header(rp, "X-Id", rq->id);
    rp->body = rq->body;
    rp->body_len = rq->body_len;
    if (strcmp(rq->path, "/slow") == 0 && strncmp(rq->query, "ms=", 3) == 0)
        nap(atol(rq->query + 3));
    else if (strcmp(rq->path, "/wait") == 0)
        wait_for_file(rq->query);
    else if (strcmp(rq->path, "/dumpable") == 0) {
        rp->body = arena_printf(rq->arena, "%d", prctl(PR_GET_DUMPABLE));
        rp->body_len = 1;
    } else if (strcmp(rq->path, "/crash") == 0)
        abort();
    else if (strcmp(rq->path, "/program") == 0)
        run_program(rq->query);
    if (strncmp(rq->path, "/hang", 5) == 0 || strcmp(rq->path, "/program") == 0)
        for (;;)
            pause();
    else if (strcmp(rq->path, "/big") == 0) {
        rp->body = app->big;
        rp->body_len = BIG;
    }
}

void app_update(struct app *app, const char *path, int64_t at_ms) {
    (void)app;
    (void)path;
    (void)at_ms;
}

struct catalog *app_catalog_load(const struct config *config) {
    (void)config;
    return NULL;
}

void app_catalog_share(struct catalog *c) {
    (void)c;
}

void app_catalog_update(struct catalog *c, const char *path, int64_t at_ms, bool quiet) {
    (void)c;
    (void)path;
    (void)at_ms;
    (void)quiet;
}

void app_catalog_free(struct catalog *c) {
    (void)c;
}

void app_upkeep(struct app *app) {
    (void)app;
}

bool app_check(const struct config *config, FILE *problems, struct app_checked *out) {
    bool bad = strcmp(config->tools_dir, "bad-check") == 0;

    *out = (struct app_checked){0};
    if (bad)
        fputs("the tools are bad\n", problems);
    return !bad;
}

int main(int argc, char **argv) {
    struct server_timing timing = fast;
    struct site_set *sites;

    if (argc > 1 && !strcmp(argv[1], "runner"))
        return runner_command(argc - 1, argv + 1);
    sites = argc == 2 ? site_set_load(argv[1], NULL, NULL, stderr) : NULL;
    if (!sites)
        return 2;
    if (!strcmp(sites->config->host->tools_dir, "patient"))
        timing.stuck_ms = 3600000;
    return server_run(argv[1], sites, &timing);
}

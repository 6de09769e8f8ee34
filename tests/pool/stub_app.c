/* A daemon with the real pool and the real FastCGI side, but a toy for an application:
 *   stub-daemon FILE      runs with the configuration FILE
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
#include "config/config.h"
#include "server/server.h"

#define BIG (1 << 20)

struct app {
    char *big;
};

static const struct server_timing fast = {
    .tick_ms = 50,
    .start_ms = 2000,
    .stuck_ms = 3000,
    .kill_grace_ms = 300,
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

enum rc app_new(const struct config *config, struct app **out, struct err *e) {
    if (told_to(config, "bad-start"))
        return err_set(e, ERR_MISCONFIGURED, "told to fail");
    if (told_to(config, "crash-start"))
        _exit(9);
    while (told_to(config, "hang-start"))
        pause();
    *out = xcalloc(1, sizeof **out);
    (*out)->big = xmalloc(BIG);
    memset((*out)->big, 'b', BIG);
    return OK;
}

void app_watch(const struct config *config, int fd) {
    (void)config;
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

int app_time_limit_s(const struct app *app, const struct request *rq) {
    (void)app;
    return strcmp(rq->path, "/hang-short") == 0 ? 1 : 3600;
}

void app_refresh(struct app *app) {
    (void)app;
}

void app_upkeep(struct app *app) {
    (void)app;
}

bool app_check(const struct config *config, FILE *problems, unsigned *left_out) {
    bool bad = strcmp(config->tools_dir, "bad-check") == 0;

    *left_out = 0;
    if (bad)
        fputs("the tools are bad\n", problems);
    return !bad;
}

int main(int argc, char **argv) {
    struct config *config = argc == 2 ? config_load(argv[1], stderr) : NULL;
    struct server_timing timing = fast;

    if (!config)
        return 2;
    if (!strcmp(config->tools_dir, "patient"))
        timing.stuck_ms = 3600000;
    return server_run_timed(argv[1], config, &timing);
}

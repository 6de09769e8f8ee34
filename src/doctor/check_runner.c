/* Private part of doctor.h: who starts programs of tools, prompts and resources, and what keeps
 * programs from the daemon. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "runner/client.h"
#include "runner/landlock.h"
#include "runner/seccomp_notify.h"

#define TMP "/tmp"
#define ANSWER_MS 5000
#define LANDLOCK_WITH_SIGNALS 6 /* the ABI since which programs cannot send signals to others */
#define USE_SERVICE                                                                                \
    "RUNNER_SOCKET=/run/mcp-authd-runner/runner.sock, and systemctl restart mcp-authd"

/* What is not made yet counts by the folder that it will be in: a site's state is made on its first
 * request. */
static bool is_below_tmp(const char *path) {
    char name[PATH_MAX], real[PATH_MAX], *slash;

    if (snprintf(name, sizeof name, "%s", path) >= (int)sizeof name)
        return false;
    while (!realpath(name, real)) {
        slash = strrchr(name, '/');
        if (errno != ENOENT || !slash || slash == name)
            return false;
        *slash = 0;
    }
    return !strcmp(real, TMP) || !strncmp(real, TMP "/", sizeof TMP);
}

/* What Landlock lets programs read whose manifests have no "write" (catalog/program_access.c).
 * NULL: nothing of ours. */
static const char *in_tmp(const struct config *c) {
    const char *const ours[] = {c->state_dir, c->secret_key_file, c->secrets_dir};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (*ours[i] && is_below_tmp(ours[i]))
            return ours[i];
    return NULL;
}

/* As the daemon's own user. */
static void report_not_separated(struct doctor *d, unsigned landlock) {
    const char *exposed = in_tmp(d->config);

    if (landlock && exposed)
        doctor_warn(
            d, "keep it elsewhere, such as below /var/lib, or set RUNNER_SOCKET or RUN_USER",
            "programs run as the daemon's own user and may write to " TMP ", so they can read %s",
            exposed);
    else if (!landlock)
        doctor_warn(d, USE_SERVICE,
                    "programs run as the daemon's own user, and this kernel has no Landlock: they "
                    "can read its keys");
    else if (landlock < LANDLOCK_WITH_SIGNALS)
        doctor_ok(d,
                  "programs run as the daemon's own user. Landlock (ABI %u) keeps them from its "
                  "files and memory, but not from sending signals to it",
                  landlock);
    else
        doctor_ok(d,
                  "programs run as the daemon's own user. Landlock (ABI %u) keeps them from its "
                  "files, memory and processes",
                  landlock);
}

static void report_separated(struct doctor *d, const char *user, const struct run_state *s) {
    const char *limits = s->memory && s->pids ? ", with limits by control groups"
                                              : ", with resource limits (no control groups)";

    if (s->landlock)
        doctor_ok(d, "programs run as the user %s, in Landlock (ABI %u)%s", user, s->landlock,
                  limits);
    else
        doctor_ok(d,
                  "programs run as the user %s, without Landlock: they can read each other's "
                  "files%s",
                  user, limits);
}

static void report_metadata(struct doctor *d, const struct run_state *s) {
    if (!s->notify)
        doctor_warn(
            d, "Linux 5.14 or later, and a container that lets the runner use seccomp_unotify(2)",
            "programs reach the instance metadata addresses, where AWS gives the host's "
            "credentials, unless a firewall or the runner's unit closes them");
}

static void ask_service(struct doctor *d) {
    struct run_state s;

    runner_use(d->config->runner_socket, -1);
    if (!runner_ask_state(ANSWER_MS, &s)) {
        doctor_fail(d,
                    "systemctl start mcp-authd-runner.socket; see its log for "
                    "runner_client_refused",
                    "RUNNER_SOCKET %s does not answer: %s", d->config->runner_socket,
                    strerror(errno));
        return;
    }
    report_metadata(d, &s);
    if (s.uid == geteuid() || !s.uid)
        report_not_separated(d, s.landlock);
    else
        report_separated(d, doctor_user_name(d->arena, s.uid), &s);
}

void check_runner(struct doctor *d) {
    const struct run_state own = {.landlock = landlock_abi(), .notify = seccomp_notify_works()};

    if (!*d->config->runner_socket)
        report_metadata(d, &own);
    if (*d->config->runner_socket)
        ask_service(d);
    else if (*d->config->run_user && !geteuid())
        report_separated(d, d->config->run_user, &own);
    else
        report_not_separated(d, own.landlock);
}

#include "doctor/status.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "config/sites.h"
#include "doctor/doctor.h"
#include "doctor/servers.h"
#include "doctor/status_quotas.h"
#include "exec/limits.h"
#include "metrics/metrics.h"
#include "runner/client.h"

#define STATUS_SITES_MAX (2UL << 20) /* METRIC_SITES_MAX lines */
#define STATUS_ARENA_MAX (64UL << 20)
#define EXIT_NOT_RUNNING 3 /* as the `status` of init scripts has it (LSB) */
#define ANSWER_MS 2000

/* The file may be of a daemon that was killed, and its process id another process's by now. */
static bool is_running(int64_t pid) {
    char path[64], name[32] = "";
    FILE *f;

    if (pid < 1 || pid > INT32_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return true; /* hidden from us (hidepid) */
    if (!fgets(name, sizeof name, f))
        name[0] = 0;
    (void)fclose(f);
    return !strcmp(name, "mcp-authd\n");
}

/* ---- limits ---- */

static void add_limit(struct arena *a, struct json *limits, const struct limit_share *l,
                      const struct config *c) {
    struct json *o = json_new_object(a);

    json_put_int(o, "used", limit_share_used(l, c));
    json_put_int(o, "max", l->host);
    json_put_int(o, "user_max", l->user < l->host ? l->user : l->host);
    json_put(limits, l->what, o);
}

static void add_limits(struct arena *a, struct json *s, const struct config *c) {
    struct json *limits = json_new_object(a);
    const struct limit_share calls = limit_of_calls(c), tasks = limit_of_tasks(c);

    add_limit(a, limits, &calls, c);
    add_limit(a, limits, &tasks, c);
    json_put(s, "limits", limits);
}

static void print_limit(const struct json *s, const char *what, FILE *out) {
    const struct json *l = json_get(json_get(s, "limits"), what);

    if (status_number(l, "max"))
        (void)fprintf(out, "%lld of %lld %s (%lld of one user)", status_number(l, "used"),
                      status_number(l, "max"), what, status_number(l, "user_max"));
    else
        (void)fprintf(out, "%s are not limited", what);
}

/* ---- the runner ---- */

static void add_state(struct arena *a, struct json *runner, const struct run_state *state) {
    char text[RUN_STATE_TEXT_MAX];

    json_put_int(runner, "pid", state->pid);
    json_put_str(runner, "user", doctor_user_name(a, state->uid));
    json_put_int(runner, "started", state->started_s);
    json_put_int(runner, "running", state->running);
    json_put_int(runner, "runs", (int64_t)state->runs);
    json_put_str(runner, "contained_by", run_state_text(state, text));
}

/* With "error" if it cannot be asked. No member: the daemon starts no programs. */
static void add_runner(struct arena *a, struct json *s, const struct config *c) {
    struct json *runner = json_new_object(a), *of_file = json_get(s, "runner");
    struct run_state state;

    if (!(c->endpoints & GROUP_MCP))
        return;
    if (*c->runner_socket)
        json_put_str(runner, "socket", c->runner_socket);
    else
        json_put_int(runner, "pid", status_number(of_file, "pid"));
    servers_use_runner(c, s);
    if (runner_ask_state(ANSWER_MS, &state))
        add_state(a, runner, &state);
    else
        json_put_str(runner, "error", strerror(errno));
    json_put(s, "servers", servers_list(a, c, true));
    json_put(s, "runner", runner);
}

static void print_runner(struct arena *a, const struct json *s, FILE *out) {
    const struct json *r = json_get(s, "runner");
    const char *error = json_get_str(r, "error"), *socket = json_get_str(r, "socket");

    if (!r)
        return;
    if (error && socket)
        (void)fprintf(out, "runner    %s: %s (ask as root)\n", socket, error);
    else if (error)
        (void)fprintf(out, "runner    process %lld: %s (ask as root)\n", status_number(r, "pid"),
                      error);
    else
        (void)fprintf(out,
                      "runner    process %lld, user %s, started %s: %lld programs run, %lld have "
                      "been started\n"
                      "          %s\n",
                      status_number(r, "pid"), json_get_str(r, "user"),
                      status_time(a, status_number(r, "started")), status_number(r, "running"),
                      status_number(r, "runs"), json_get_str(r, "contained_by"));
}

/* ---- MCP servers ---- */

static void print_server(struct arena *a, const struct json *s, FILE *out) {
    const char *site = json_get_str(s, "site"), *name = json_get_str(s, "server");
    const char *why = json_get_str(s, "why"), *full;

    full = site ? arena_printf(a, "%s: %s", site, name) : name;
    (void)fprintf(out, "%-32s %7lld %9lld %6lld %7lld %7lld  %s\n", full,
                  status_number(s, "starts"), status_number(s, "calls"),
                  status_number(s, "calls_now"), status_number(s, "errors"),
                  status_number(s, "memory") >> 20,
                  status_number(s, "instances") ? status_time(a, status_number(s, "up_since"))
                                                : "does not run");
    if (why)
        (void)fprintf(out, "    failed at %s: %s\n", status_time(a, status_number(s, "failed")),
                      why);
}

static void print_servers(struct arena *a, const struct json *servers, FILE *out) {
    if (json_len(servers))
        (void)fprintf(out, "%-32s %7s %9s %6s %7s %7s  %s\n", "MCP server", "starts", "calls",
                      "now", "errors", "MiB", "up since");
    for (size_t i = 0; i < json_len(servers); i++)
        print_server(a, json_at(servers, i), out);
}

/* ---- what the daemon has written ---- */

static void print_streams(const struct json *s, FILE *out) {
    const struct json *holder = json_get(s, "stream_holder");
    long long silent_s = status_number(holder, "silent_s");

    (void)fprintf(out, "streams   %lld open, waiting for changes; %lld calls wait for a person",
                  status_number(s, "streams"), status_number(s, "parked_calls"));
    if (!status_number(holder, "pid"))
        (void)fputs("; no process holds any", out);
    else if (silent_s)
        (void)fprintf(out, "; the process that holds them (%lld) has hung for %lld s",
                      status_number(holder, "pid"), silent_s);
    (void)fputc('\n', out);
}

static void print_workers(struct arena *a, const struct json *s, FILE *out) {
    const struct json *w = json_get(s, "workers");
    const char *version = json_get_str(s, "version"), *state = json_get_str(s, "state");

    (void)fprintf(out,
                  "mcp-authd %s is %s (process %lld, started %s)\n"
                  "workers   %lld: %lld idle, %lld busy, %lld starting, %lld leaving, %lld in "
                  "calls (%lld to %lld allowed besides those)\n"
                  "          %lld started, %lld failed\n"
                  "requests  %lld, of which %lld ended in a server error\n",
                  version ? version : "?", state ? state : "?", status_number(s, "pid"),
                  status_time(a, status_number(s, "started")), status_number(w, "alive"),
                  status_number(w, "idle"), status_number(w, "busy"), status_number(w, "starting"),
                  status_number(w, "leaving"), status_number(w, "in_call"), status_number(w, "min"),
                  status_number(w, "max"), status_number(w, "started"), status_number(w, "failed"),
                  status_number(s, "requests"), status_number(s, "errors"));
}

static void print_status(struct arena *a, const struct json *s, FILE *out) {
    const struct json *c = json_get(s, "token_cache"), *lost = json_get(s, "lines_lost");

    print_workers(a, s, out);
    print_streams(s, out);
    (void)fputs("limits    ", out);
    print_limit(s, "calls", out);
    (void)fputs("; ", out);
    print_limit(s, "tasks", out);
    (void)fputc('\n', out);
    status_quotas_print(s, out);
    print_runner(a, s, out);
    (void)fprintf(out,
                  "tokens    %lld looked up: %lld known, %lld verified anew\n"
                  "reloads   %lld done, %lld refused\n",
                  status_number(c, "hits") + status_number(c, "misses"), status_number(c, "hits"),
                  status_number(c, "misses"), status_number(s, "reloads"),
                  status_number(s, "reloads_refused"));
    if (status_number(lost, "log") + status_number(lost, "audit") + status_number(lost, "metrics"))
        (void)fprintf(out,
                      "lost      %lld lines of the log, %lld of the audit log, %lld of metrics\n",
                      status_number(lost, "log"), status_number(lost, "audit"),
                      status_number(lost, "metrics"));
}

/* ---- of several sites ---- */

/* What the daemon has written of those that have been called; NULL: it serves one site. The file of
 * a daemon that was killed may be left. */
static struct json *read_sites(struct arena *a, const struct config *c, long long pid) {
    const char *path = arena_printf(a, "%s" CONFIG_STATUS_SITES_END, c->status_file);
    struct json *all;

    return !access(path, R_OK) && !json_parse_file(a, path, STATUS_SITES_MAX, &all, ERR_IGNORED) &&
                   status_number(all, "pid") == pid
               ? json_get(all, "sites")
               : NULL;
}

static void print_site(struct arena *a, const struct json *s, FILE *out) {
    (void)fprintf(out, "%-24s %9lld %7lld %8lld %7lld %6lld %8lld  %s\n", json_get_str(s, "site"),
                  status_number(s, "requests"), status_number(s, "errors"),
                  status_number(s, "refused"), status_number(s, "logins"),
                  status_number(s, "calls"), status_number(s, "workers"),
                  status_time(a, status_number(s, "last_request")));
}

static void print_site_heading(FILE *out) {
    (void)fprintf(out, "%-24s %9s %7s %8s %7s %6s %8s  %s\n", "site", "requests", "errors",
                  "refused", "logins", "calls", "workers", "last request");
}

/* One that has not been called is known by its file. */
static bool has_file(const struct config *c, const char *site) {
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof path, "%s/%s" SITE_FILE_END, c->sites_dir, site);

    if (!strcmp(site, METRIC_SITE_HOST))
        return *c->mcp_server_uri;
    return config_is_site_name(site) && n < (int)sizeof path && !access(path, F_OK);
}

/* Nothing, if its file is wrong. */
static void add_site_quotas(struct arena *a, const struct status_options *o, struct json *found) {
    const char *name = strcmp(o->site, METRIC_SITE_HOST) ? o->site : "";
    const struct config_site *site;
    struct config_sites *sites;
    struct problems ignored;

    problems_begin(&ignored);
    sites = config_sites_load(o->config_path, NULL, NULL, ignored.f);
    problems_end(&ignored, NULL);
    site = config_sites_find(sites, name);
    if (site)
        status_quotas_add(a, site->config, found);
    config_sites_free(sites);
}

static int show_site(struct arena *a, const struct config *c, const struct json *sites,
                     const struct status_options *o, FILE *out) {
    struct json *found = NULL;

    for (size_t i = 0; !found && i < json_len(sites); i++)
        if (json_get_is(json_at(sites, i), "site", o->site))
            found = json_at(sites, i);
    if (!found && !has_file(c, o->site))
        return 2;
    if (!found) {
        found = json_new_object(a);
        json_put_str(found, "site", o->site);
        json_put_int(found, "requests", 0);
    }
    add_site_quotas(a, o, found);
    if (o->as_json)
        (void)fprintf(out, "%s\n", json_text(a, found, NULL));
    else if (!status_number(found, "requests"))
        (void)fprintf(out, "%s has not been called since the daemon started\n", o->site);
    if (!o->as_json && status_number(found, "requests")) {
        print_site_heading(out);
        print_site(a, found, out);
    }
    if (!o->as_json)
        status_quotas_print(found, out);
    return 0;
}

/* ---- the command ---- */

static int show_all(struct arena *a, struct json *s, const struct config *c,
                    const struct status_options *o, FILE *out) {
    struct json *sites = read_sites(a, c, status_number(s, "pid"));

    add_limits(a, s, c);
    add_runner(a, s, c);
    if (*c->mcp_server_uri)
        status_quotas_add(a, c, s);
    if (sites)
        json_put(s, "sites", sites);
    if (o->as_json) {
        (void)fprintf(out, "%s\n", json_text(a, s, NULL));
        return 0;
    }
    print_status(a, s, out);
    print_servers(a, json_get(s, "servers"), out);
    if (sites)
        print_site_heading(out);
    for (size_t i = 0; i < json_len(sites); i++)
        print_site(a, json_at(sites, i), out);
    return 0;
}

int status_show(const struct config *c, const struct status_options *o, FILE *out, FILE *errors) {
    struct arena *a = arena_new(STATUS_ARENA_MAX);
    const char *path = c->status_file;
    struct json *s;
    struct err e;
    int status = EXIT_NOT_RUNNING;

    if (access(path, R_OK) != 0 && errno != ENOENT) {
        (void)fprintf(errors, "%s: %s (ask as root)\n", path, strerror(errno));
        status = 1;
    } else if (!access(path, R_OK) && json_parse_file(a, path, STATUS_FILE_MAX, &s, &e)) {
        (void)fprintf(errors, "%s: %s (a daemon that runs writes it again within a second)\n", path,
                      *e.detail ? e.detail : e.text);
        status = 1;
    } else if (access(path, R_OK) || !is_running(status_number(s, "pid"))) {
        (void)fprintf(errors, "mcp-authd is not running (by %s)\n", path);
    } else if (o->site) {
        status = show_site(a, c, read_sites(a, c, status_number(s, "pid")), o, out);
        if (status)
            (void)fprintf(errors, "there is no site %s in %s\n", o->site, c->sites_dir);
    } else {
        status = show_all(a, s, c, o, out);
    }
    arena_free(a);
    return status;
}

#include "doctor/doctor.h"

#include <pwd.h>
#include <stdarg.h>

#include "app/site_set.h"
#include "aws/endpoint.h"
#include "net/http_reply.h"

#define ARENA_MAX (64UL << 20)
#define TEXT_MAX 512

static const char *const verdict_names[] = {"ok", "warn", "fail"};

void doctor_report(struct doctor *d, enum verdict verdict, const char *advice, const char *fmt,
                   ...) {
    char text[TEXT_MAX];
    struct json *o;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (verdict > d->worst)
        d->worst = verdict;
    if (!d->checks) {
        (void)fprintf(d->out, "%-4s  %-18s  %s%s%s\n", verdict_names[verdict], d->check, text,
                      *advice ? " — " : "", advice);
        (void)fflush(d->out); /* a check may take seconds */
        return;
    }
    o = json_new_object(d->arena);
    json_put_str(o, "site", d->config && *d->config->site ? d->config->site : NULL);
    json_put_str(o, "check", d->check);
    json_put_str(o, "status", verdict_names[verdict]);
    json_put_str(o, "text", text);
    json_put_str(o, "advice", *advice ? advice : NULL);
    json_add(d->checks, o);
}

unsigned doctor_report_lines(struct doctor *d, enum verdict verdict, const char *advice,
                             struct problems *lines) {
    unsigned count = 0;

    for (const char *l; (l = problems_next(lines)); count++)
        doctor_report(d, verdict, advice, "%s", l);
    return count;
}

const char *doctor_user_name(struct arena *a, uid_t uid) {
    const struct passwd *p = getpwuid(uid);

    return p ? arena_strdup(a, p->pw_name) : arena_printf(a, "%u", (unsigned)uid);
}

void doctor_check_clock(struct doctor *d, const char *whose, const char *date, int64_t limit_s) {
    int64_t answer_s = http_date(date), ahead_s = clock_now_s(&d->clock) - answer_s;

    if (!answer_s)
        return;
    d->check = "clock";
    if (llabs(ahead_s) < limit_s)
        doctor_ok(d, "within %lld s of %s", (long long)limit_s, whose);
    else
        doctor_fail(d, "set this host's clock (timedatectl set-ntp true)", "%lld s %s %s",
                    (long long)llabs(ahead_s), ahead_s > 0 ? "ahead of" : "behind", whose);
}

/* Of one site; `host`: with what all sites share. */
static void check_site(struct doctor *d, bool host) {
    const bool mcp = d->config->endpoints & GROUP_MCP;

    check_config(d);
    check_directories(d);
    if (host) {
        doctor_check(d, "socket", check_socket);
        check_lighttpd(d, "/etc/lighttpd");
    }
    if (mcp && (host || *d->config->run_user))
        doctor_check(d, "programs", check_runner);
    if (mcp)
        doctor_check(d, "servers", check_servers);
    check_idp(d);
    check_dynamodb(d);
    check_public(d);
}

/* Of all sites, or of the one of this name. */
static void check_sites(struct doctor *d, const struct config_sites *sites, const char *name) {
    unsigned checked = 0;

    for (size_t i = 0; i < sites->count; i++) {
        const struct config *c = sites->all[i].config;

        if (name && strcmp(name, c->site) != 0)
            continue;
        d->config = c;
        d->needs_audience = config_site_needs_audience(&sites->all[i]);
        d->shares_client = sites->all[i].shares_client;
        if (*c->site && !d->checks)
            (void)fprintf(d->out, "site %s\n", c->site);
        check_site(d, !checked++);
    }
    if (!checked && !name)
        doctor_warn(d, "mcp-authd site enable NAME", "no site is enabled");
    else if (!checked)
        doctor_fail(d, "name a file of SITES_DIR without its .conf", "there is no site %s", name);
}

static void run_checks(struct doctor *d, const struct config_sites *sites, const char *name) {
    const struct config *c = sites->host;
    const struct http_options options =
        aws_http_options(c->https_proxy_upstream, c->no_proxy_upstream);
    struct err e;

    d->check = "HTTP client";
    d->config = c;
    if (http_client_new(&options, &d->http, &e)) {
        doctor_fail(d, "", "%s", e.text);
        return;
    }
    d->check = "sites";
    check_sites(d, sites, name);
    http_client_free(d->http);
    doctor_check(d, "output files", check_outputs); /* last: it changes to the service's user */
}

/* The configuration is the first check: without it there are no others. */
static struct site_set *load(struct doctor *d, const char *path) {
    struct problems problems;
    struct site_set *sites;

    problems_begin(&problems);
    d->check = "configuration";
    sites = site_set_load(path, NULL, NULL, problems.f);
    (void)doctor_report_lines(d, VERDICT_FAIL, "", &problems);
    if (sites)
        doctor_ok(d, "%s", path);
    return sites;
}

int doctor_run(const char *config_path, const char *site, bool as_json, FILE *out) {
    struct doctor d = {.out = out, .worst = VERDICT_OK};
    struct site_set *sites;

    d.arena = arena_new(ARENA_MAX);
    if (as_json)
        d.checks = json_new_array(d.arena);
    log_set_level(LOG_ERROR); /* what would be logged is reported here, with advice */
    sites = load(&d, config_path);
    if (sites)
        run_checks(&d, sites->config, site);
    else if (!d.worst)
        d.worst = VERDICT_FAIL;
    if (as_json) {
        struct json *o = json_new_object(d.arena);

        json_put_str(o, "status", verdict_names[d.worst]);
        json_put(o, "checks", d.checks);
        (void)fprintf(out, "%s\n", json_text(d.arena, o, NULL));
    }
    site_set_free(sites);
    arena_free(d.arena);
    return (int)d.worst;
}

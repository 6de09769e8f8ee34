/* Private part of doctor.h: the MCP servers that a site has had since its runner began. */
#include <time.h>

#include "doctor/doctor.h"
#include "doctor/servers.h"
#include "runner/client.h"

#define TIME_MAX 32

static long long number(const struct json *o, const char *key) {
    int64_t n = 0;

    (void)json_get_int(o, key, &n);
    return n;
}

static const char *time_text(int64_t at_s, char out[TIME_MAX]) {
    time_t t = (time_t)at_s;
    struct tm tm;

    if (!localtime_r(&t, &tm) || !strftime(out, TIME_MAX, "%F %T", &tm))
        (void)snprintf(out, TIME_MAX, "?");
    return out;
}

/* One that has failed and was not started since is no use to anybody now. */
static void report_server(struct doctor *d, const struct json *s) {
    const char *name = json_get_str(s, "server"), *why = json_get_str(s, "why");
    const long long failed = number(s, "failed");
    char at[TIME_MAX];

    if (!number(s, "instances") && failed)
        doctor_warn(d,
                    "event=server_stderr and event=server_ended of its log; it is started again "
                    "with the next call",
                    "%s does not run, and failed at %s: %s", name, time_text(failed, at),
                    why ? why : "?");
    else if (!number(s, "instances"))
        doctor_ok(d, "%s does not run, since nobody calls it: %lld calls, %lld errors", name,
                  number(s, "calls"), number(s, "errors"));
    else
        doctor_ok(d, "%s is up since %s: %lld calls, %lld errors, started %lld times, %lld MiB",
                  name, time_text(number(s, "up_since"), at), number(s, "calls"),
                  number(s, "errors"), number(s, "starts"), number(s, "memory") >> 20);
}

void check_servers(struct doctor *d) {
    const struct config *c = d->config;
    const struct json *status = servers_status_file(d->arena, c), *list;

    if (!*c->servers_dir || (!*c->runner_socket && !status))
        return;
    servers_use_runner(c, status);
    list = servers_list(d->arena, c, false);
    for (size_t i = 0; i < json_len(list); i++)
        report_server(d, json_at(list, i));
}

/* Private part of doctor.h: the MCP servers that a site has had since its runner began. */
#include "doctor/doctor.h"
#include "doctor/servers.h"

/* One that has failed and was not started since is no use to anybody now. */
static void report_server(struct doctor *d, const struct json *s) {
    const char *name = json_get_str(s, "server"), *why = json_get_str(s, "why");
    const long long failed = status_number(s, "failed");

    if (!status_number(s, "instances") && failed)
        doctor_warn(d,
                    "event=server_stderr and event=server_ended of its log; it is started again "
                    "with the next call",
                    "%s does not run, and failed at %s: %s", name, status_time(d->arena, failed),
                    why ? why : "?");
    else if (!status_number(s, "instances"))
        doctor_ok(d, "%s does not run, since nobody calls it: %lld calls, %lld errors", name,
                  status_number(s, "calls"), status_number(s, "errors"));
    else
        doctor_ok(d, "%s is up since %s: %lld calls, %lld errors, started %lld times, %lld MiB",
                  name, status_time(d->arena, status_number(s, "up_since")),
                  status_number(s, "calls"), status_number(s, "errors"), status_number(s, "starts"),
                  status_number(s, "memory") >> 20);
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

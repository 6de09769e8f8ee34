#include "app/audit.h"

#include <errno.h>
#include <time.h>

#include "base/base.h"
#include "base/utf8.h"
#include "metrics/metrics.h"
#include "oauth/endpoints.h"

#define TEXT_MAX 256 /* bytes of a value that a client chose */

static void lost(struct audit *audit, const char *why) {
    if (!audit->failed)
        log_error("audit_not_written", kv("why", why),
                  kv("hint", "requests are answered, and their lines are lost until AUDIT_LOG can "
                             "be written"));
    audit->failed = true;
}

enum rc audit_open(const char *path, struct audit *out, struct err *e) {
    struct err why = {.code = OK};

    *out = (struct audit){.path = path, .out.fd = -1};
    if (!*path || !output_open(path, OUTPUT_AUDIT, &out->out, &why))
        return OK;
    if (errno != ENXIO && errno != ENOSPC && errno != EDQUOT)
        return err_set(e, ERR_MISCONFIGURED, "AUDIT_LOG: %s", why.text);
    lost(out, why.text);
    return OK;
}

void audit_close(struct audit *audit) {
    output_close(&audit->out);
}

static void write_line(struct audit *audit, const char *line, size_t len) {
    struct err e = {.code = OK};

    if (!*audit->path) {
        (void)log_line(line, len);
        return;
    }
    if (audit->out.fd >= 0 && output_moved(&audit->out, audit->path))
        output_close(&audit->out); /* logrotate needs to signal nobody */
    if (audit->out.fd < 0 && output_open(audit->path, OUTPUT_AUDIT, &audit->out, &e)) {
        metrics_count(METRIC_LINES_LOST, OUTPUT_AUDIT);
        lost(audit, e.text);
    } else if (output_line(&audit->out, line, len)) {
        audit->failed = false;
    } else {
        lost(audit, strerror(errno));
    }
}

/* What the client sent, so far as it is text and short; nothing: not put. */
static void put(struct json *o, struct arena *a, const char *name, const char *text) {
    size_t len;

    if (!text || !*text)
        return;
    len = utf8_valid_length(text, strnlen(text, TEXT_MAX));
    json_put_str(o, name, arena_strndup(a, text, len));
}

static const char *event_of(const struct route *route, const struct reply *rp) {
    const char *slash = strrchr(route->path, '/');

    if (rp->audit.event)
        return rp->audit.event;
    if (route->handler == oauth_authorize_post)
        return "consent";
    return slash ? slash + 1 : route->path;
}

static const char *outcome_of(const struct reply *rp, const struct err *e) {
    if (e->code == ERR_RATE_LIMITED)
        return "limited";
    if (e->code)
        return rp->status >= 500 ? "failed" : "refused";
    return rp->audit.outcome ? rp->audit.outcome : "ok";
}

static const char *time_now(struct arena *a) {
    struct timespec now;
    struct tm tm;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    return arena_printf(a, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1,
                        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

/* What a client cannot choose comes first and in this order: conf/fail2ban relies on it. */
void audit_write(struct audit *audit, const struct route *route, const struct exchange *x,
                 const struct err *e) {
    const struct request *rq = x->rq;
    const struct reply *rp = x->rp;
    struct arena *a = rq->arena;
    struct json *o = json_new_object(a);
    const char *text;
    size_t len;

    json_put_str(o, "audit", event_of(route, rp));
    json_put_str(o, "ts", time_now(a));
    json_put_str(o, "outcome", outcome_of(rp, e));
    json_put_str(o, "address", rq->remote_addr);
    json_put_int(o, "status", rp->status);
    json_put_str(o, "request", rq->id);
    json_put_int(o, "ms", clock_monotonic_ms() - rq->started_ms);
    put(o, a, "reason", e->code ? e->text : rp->audit.reason);
    put(o, a, "client", rp->audit.client);
    put(o, a, "subject", rp->audit.subject);
    text = arena_printf(a, "%s\n", json_text(a, o, &len));
    write_line(audit, text, len + 1);
}

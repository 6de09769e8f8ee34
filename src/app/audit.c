#include "app/audit.h"

#include <errno.h>

#include "base/encode.h"
#include "base/utf8.h"
#include "crypto/digest.h"
#include "metrics/metrics.h"
#include "oauth/endpoints.h"

#define TEXT_MAX 256 /* bytes of a value that a client chose */

bool audit_is_written(const struct config *c) {
    return (c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN) && c->audit_events & AUDIT_LOGINS) ||
           (c->endpoints & GROUP_MCP && c->audit_events & AUDIT_CALLS);
}

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
        return misconfigured(e, "AUDIT_LOG: %s", why.text);
    lost(out, why.text);
    return OK;
}

static void write_line(struct audit *audit, struct text line) {
    struct err e = {.code = OK};

    if (!*audit->path) {
        (void)log_line(line.p, line.len);
        return;
    }
    if (audit->out.fd >= 0 && output_moved(&audit->out, audit->path))
        output_close(&audit->out); /* logrotate needs to signal nobody */
    if (audit->out.fd < 0 && output_open(audit->path, OUTPUT_AUDIT, &audit->out, &e)) {
        metrics_count(METRIC_LINES_LOST, OUTPUT_AUDIT);
        lost(audit, e.text);
    } else if (output_line(&audit->out, line.p, line.len)) {
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

/* What a client cannot choose comes first and in this order: conf/fail2ban relies on it. */
static struct json *begin_line(const struct request *rq, const char *event, const char *outcome) {
    struct json *o = json_new_object(rq->arena);
    char time[LOG_TIME_BYTES];

    log_time(time);
    json_put_str(o, "audit", event);
    json_put_str(o, "ts", time);
    json_put_str(o, "outcome", outcome);
    json_put_str(o, "address", rq->remote_addr);
    return o;
}

static void put_common(struct json *o, const struct exchange *x, int64_t ms, const char *reason) {
    json_put_str(o, "request", x->rq->id);
    put(o, x->rq->arena, "site", x->site->config->site);
    json_put_int(o, "ms", ms);
    put(o, x->rq->arena, "reason", reason);
}

static void end_line(struct audit *audit, struct arena *a, const struct json *o) {
    write_line(audit, text_join(a, (struct text[]){json_as_text(a, o), TEXT_LITERAL("\n")}, 2));
}

void audit_write(struct audit *audit, const struct route *route, const struct exchange *x,
                 const struct err *e) {
    const struct request *rq = x->rq;
    const struct reply *rp = x->rp;
    struct json *o = begin_line(rq, event_of(route, rp), outcome_of(rp, e));

    json_put_int(o, "status", rp->status);
    put_common(o, x, clock_monotonic_ms() - rq->started_ms, e->code ? e->text : rp->audit.reason);
    put(o, rq->arena, "client", rp->audit.client);
    put(o, rq->arena, "subject", rp->audit.subject);
    end_line(audit, rq->arena, o);
}

/* ---- calls ---- */

/* Arguments can be large: their text is freed at once. */
static void put_digest(struct json *o, struct arena *a, const struct json *arguments) {
    uint8_t hash[SHA256_LEN];
    size_t len;
    const char *text = json_canonical(a, arguments, &len);

    sha256(text, len, hash);
    arena_release(a, text);
    json_put_str(o, "arguments", arena_printf(a, "sha256:%s", hex_encode(a, hash, sizeof hash)));
}

static void write_call(void *arg, const struct mcp_call *c, const struct mcp_call_end *end) {
    const struct token_claims *claims = c->client.claims;
    struct arena *a = c->x->rq->arena;
    struct json *o = begin_line(c->x->rq, end->event, end->outcome);

    put_common(o, c->x, end->ms, end->reason);
    put(o, a, "client", claims->client_id);
    put(o, a, "subject", claims->sub);
    put(o, a, "username", claims->username);
    put(o, a, end->kind, end->target);
    put(o, a, "task", end->task);
    if (end->arguments && c->x->site->config->audit_arguments == AUDIT_ARGUMENTS_DIGEST)
        put_digest(o, a, end->arguments);
    end_line(arg, a, o);
}

static void forget_output(void *arg) {
    ((struct audit *)arg)->out.fd = -1;
}

struct mcp_audit audit_of_calls(struct audit *audit, const struct config *c) {
    return (struct mcp_audit){.write = c->audit_events & AUDIT_CALLS ? write_call : NULL,
                              .after_fork = forget_output,
                              .arg = audit};
}

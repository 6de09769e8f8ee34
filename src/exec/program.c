#include "exec/program.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8_repair.h"
#include "catalog/executable.h"
#include "exec/input_required.h"
#include "mcp/cancel.h"
#include "mcp/stream.h"
#include "shared/rate_limit.h"

/* W3C Trace Context §3.3.1.5 and W3C Baggage §3.3.2: what has to be passed on at least. */
#define TRACE_MAX 512
#define BAGGAGE_MAX 8192
#define LINE_MEMORY_MAX ((size_t)64 << 20) /* what is made of one line */

/* ---- what it reads ---- */

static struct json *caller(struct mcp_call *c) {
    struct json *caller = json_new_object(c->arena), *scopes = json_new_array(c->arena);

    for (const char *p = c->client.claims->scope; *p;) {
        size_t n = strcspn(p, " ");

        if (n)
            json_add(scopes, json_new_stringn(c->arena, p, n));
        p += n + (p[n] == ' ');
    }
    json_put_str(caller, "sub", c->client.claims->sub);
    json_put_str(caller, "username", c->client.claims->username);
    json_put_str(caller, "client_id", c->client.claims->client_id);
    json_put(caller, "scopes", scopes);
    return caller;
}

static struct text make_input(struct mcp_call *c, const struct program *p,
                              const struct input_required *rounds) {
    struct json *input = json_new_object(c->arena);
    struct json_member m;
    struct text t;

    json_put_str(input, p->kind, p->name);
    for (bool more = json_first(p->input, &m); more; more = json_next(&m))
        json_put(input, m.key, m.value);
    json_put(input, "caller", caller(c));
    if (c->client.capabilities)
        json_put(input, "clientCapabilities", c->client.capabilities);
    if (rounds->responses)
        json_put(input, "inputResponses", rounds->responses);
    if (rounds->state)
        json_put(input, "requestState", rounds->state);
    t.p = json_text(c->arena, input, &t.len);
    return t;
}

/* W3C trace context from _meta, as OpenTelemetry names it for programs. What could not stand in an
 * environment is left out. */
static void add_trace(struct mcp_call *c, const char **envp, size_t *n, const char *member,
                      const char *variable, size_t max) {
    const char *v = json_get_str(json_get(c->msg.params, "_meta"), member);

    if (!v || !*v || strlen(v) > max)
        return;
    for (const char *p = v; *p; p++)
        if (*p < ' ' || *p > '~')
            return;
    envp[(*n)++] = arena_printf(c->arena, "%s=%s", variable, v);
}

static const char *const *make_environment(struct mcp_call *c, const struct program *p) {
    const char **envp = arena_alloc(c->arena, 8 * sizeof *envp), *kind;
    size_t n = 0;

    kind = !strcmp(p->kind, "tool") ? "TOOL" : !strcmp(p->kind, "prompt") ? "PROMPT" : "RESOURCE";
    envp[n++] = "PATH=" PROGRAM_PATH;
    envp[n++] = "LANG=C.UTF-8";
    envp[n++] = arena_printf(c->arena, "MCP_%s=%s", kind, p->name);
    envp[n++] = arena_printf(c->arena, "MCP_REQUEST_ID=%s", c->x->rq->id);
    add_trace(c, envp, &n, "traceparent", "TRACEPARENT", TRACE_MAX);
    add_trace(c, envp, &n, "tracestate", "TRACESTATE", TRACE_MAX);
    add_trace(c, envp, &n, "baggage", "BAGGAGE", BAGGAGE_MAX);
    return envp;
}

/* ---- what it says on the way: lines of JSON ---- */

struct lines {
    struct mcp_call *c;
    const struct program *p;
    struct json *token;           /* of the progress that the client wants; NULL: none */
    struct arena *scratch, *last; /* of this line; of the result */
    size_t repaired;              /* bytes that were no UTF-8 */
    struct text result;
};

/* "The progress value MUST increase with each notification", over all rounds of a call. */
static bool is_progress(struct mcp_call *c, const struct json *value) {
    struct json_number n;

    if (!json_number(value, &n) || !isfinite(n.d) ||
        (c->stream.has_progress && json_number_compare(&n, &c->stream.progress) <= 0))
        return false;
    c->stream.has_progress = true;
    c->stream.progress = n;
    return true;
}

static void send_progress(struct lines *l, struct json *progress) {
    struct json *params = json_new_object(l->scratch);
    struct json *total = json_get(progress, "total"), *message = json_get(progress, "message");

    if (!l->token || !is_progress(l->c, json_get(progress, "progress")))
        return;
    json_put(params, "progressToken", l->token);
    json_put(params, "progress", json_get(progress, "progress"));
    if (json_is_number(total))
        json_put(params, "total", total);
    if (json_is_string(message))
        json_put(params, "message", message);
    mcp_stream_notify_paced(l->c, l->scratch, "notifications/progress", params);
}

static void send_log(struct lines *l, struct json *log) {
    const char *level = json_get_str(log, "level"), *logger = json_get_str(log, "logger");
    struct json *params;

    if (!json_has(log, "data") || mcp_log_level(level) < l->c->client.log_level)
        return;
    params = json_new_object(l->scratch);
    json_put_str(params, "level", level);
    json_put_str(params, "logger", logger ? logger : l->p->name);
    json_put(params, "data", json_get(log, "data"));
    mcp_stream_notify_paced(l->c, l->scratch, "notifications/message", params);
}

static void read_line(struct lines *l, const char *line, size_t len) {
    struct json *v;
    struct err e;

    if (!len || json_parse(l->scratch, line, len, &v, &e))
        return;
    if (json_get(v, "progress"))
        send_progress(l, json_get(v, "progress"));
    if (json_get(v, "log"))
        send_log(l, json_get(v, "log"));
    if (json_get_bool(v, "closeStream"))
        mcp_stream_close(l->c);
    if (!json_has(v, "result") && !json_get(v, "inputRequired"))
        return;
    arena_reset(l->last);
    if (json_has(v, "result"))
        l->result.p = json_text(l->last, json_get(v, "result"), &l->result.len);
    else
        l->result = (struct text){arena_strndup(l->last, line, len), len};
}

/* Nothing of a line stays in the memory of the request: a program may print lines without end. */
static void take_line(void *arg, const char *line, size_t len) {
    struct lines *l = arg;

    l->repaired += utf8_repair(l->scratch, &line, &len);
    read_line(l, line, len);
    arena_reset(l->scratch);
}

static void lines_begin(struct lines *l, struct run_spec *spec) {
    int64_t integer;

    l->token = json_get(json_get(l->c->msg.params, "_meta"), "progressToken");
    if (!json_is_string(l->token) && !json_int(l->token, &integer))
        l->token = NULL; /* "Progress tokens MUST be a string or integer value" */
    l->scratch = arena_new(LINE_MEMORY_MAX);
    l->last = arena_new(LINE_MEMORY_MAX);
    spec->line = take_line;
    spec->arg = l;
}

/* Programs print file names, mails and web pages: one byte of another encoding is no reason to
 * lose the rest, and no JSON can carry it. */
static void log_repaired(const struct mcp_call *c, const struct program *p, size_t bytes) {
    if (bytes)
        log_warn("output_repaired", kv("request", c->x->rq->id), kv(p->kind, p->name),
                 kvn("bytes", (int64_t)bytes));
}

static struct text lines_end(struct lines *l) {
    struct text result = l->result;

    log_repaired(l->c, l->p, l->repaired);
    if (result.p)
        result.p = arena_strndup(l->c->arena, result.p, result.len);
    arena_free(l->scratch);
    arena_free(l->last);
    if (l->c->stream.dropped)
        log_info("messages_left_out", kv("request", l->c->x->rq->id), kv(l->p->kind, l->p->name),
                 kvn("messages", l->c->stream.dropped));
    l->c->stream.dropped = 0;
    return result;
}

/* ---- text, as a client may have it ---- */

/* Bytes at the end that begin a character and do not end it. */
static size_t cut_character(const struct text *t) {
    for (size_t i = 1; i <= 3 && i <= t->len; i++) {
        unsigned char byte = (unsigned char)t->p[t->len - i];

        if (byte >= 0xc0)
            return i < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? i : 0;
        if (byte < 0x80)
            break;
    }
    return 0;
}

static void truncate_output(struct arena *a, size_t output_max, struct run_result *out) {
    const char *note = arena_printf(
        a, "\n[Cut off here: the output is longer than %zu bytes, and the program was stopped.]\n",
        output_max);
    size_t len = out->out.len - cut_character(&out->out), note_len = strlen(note);
    char *text = arena_alloc(a, len + note_len + 1);

    memcpy(text, out->out.p, len);
    memcpy(text + len, note, note_len);
    out->out = (struct text){text, len + note_len};
    out->end = RUN_EXITED;
    out->code = 0;
    out->truncated = true;
}

static void settle_output(struct mcp_call *c, const struct program *p, struct run_result *out) {
    if (p->run->truncate && out->end == RUN_TOO_MUCH)
        truncate_output(c->arena, p->run->output_max, out);
    if (p->run->output != TOOL_OUTPUT_BINARY)
        log_repaired(c, p, utf8_repair(c->arena, &out->out.p, &out->out.len));
}

/* A line of the log for each line, so that a traceback can be read. */
static void log_stderr(struct mcp_call *c, const struct program *p, const struct text *err) {
    char *copy = arena_strndup(c->arena, err->p, err->len), *save = NULL;

    for (char *line = strtok_r(copy, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
        log_info("tool_stderr", kv("request", c->x->rq->id), kv(p->kind, p->name),
                 kv("text", line));
}

/* ---- */

void program_once(struct mcp_call *c, const struct program *p, const struct input_required *rounds,
                  struct run_result *out) {
    int64_t left = c->cancel.deadline_ms - clock_monotonic_ms();
    struct lines lines = {.c = c, .p = p};
    struct run_spec spec = {.argv = p->run->argv,
                            .envp = make_environment(c, p),
                            .dir = p->run->dir,
                            .timeout_ms = p->run->timeout_ms,
                            .output_max = p->run->output_max,
                            .input = make_input(c, p, rounds),
                            .watch = mcp_stream_watch(c),
                            .tick = mcp_stream_keep_alive,
                            .tick_arg = c};

    if (spec.timeout_ms > left)
        spec.timeout_ms = left > 0 ? left : 0;
    if (p->run->output == TOOL_OUTPUT_STREAM)
        lines_begin(&lines, &spec);
    if (c->cancel.confirm) {
        spec.confirm = c->cancel.confirm;
        spec.confirm_arg = c->cancel.confirm_arg;
    } else if (c->cancel.socket) {
        spec.confirm = cancel_arrived;
        spec.confirm_arg = c;
    }
    run_program(c->arena, &spec, out);
    if (spec.line)
        out->out = lines_end(&lines);
    else
        settle_output(c, p, out);
    log_stderr(c, p, &out->err);
    if (out->end == RUN_NOT_STARTED)
        log_error("tool_not_started", kv("request", c->x->rq->id), kv(p->kind, p->name),
                  kv("why", strerror(out->code)));
}

static enum rc call_in_rounds(struct mcp_call *c, const struct program *p, struct run_result *out,
                              bool *answered, struct err *e) {
    struct input_required rounds = {.name = arena_printf(c->arena, "%s %s", c->msg.method, p->name),
                                    .bound = p->bound};
    enum rc rc = input_required_read(c, &rounds, e);

    *answered = false;
    if (!rc && mcp_stream_is_abandoned(c)) {
        *out = (struct run_result){.end = RUN_CANCELLED};
        return OK;
    }
    for (int i = 0; !rc && i < INPUT_REQUIRED_MAX; i++) {
        struct json *wanted = NULL;
        bool foreseen;

        program_once(c, p, &rounds, out);
        if (out->end == RUN_EXITED && !out->code &&
            (p->run->output == TOOL_OUTPUT_JSON || p->run->output == TOOL_OUTPUT_STREAM))
            wanted = input_required_wanted(c->arena, out->out);
        if (!wanted)
            return OK;
        if (c->msg.protocol != PROTOCOL_STATELESS) {
            rc = input_required_ask(c, &rounds, wanted, e);
            continue;
        }
        rc = input_required_foreseen(c, &rounds, wanted, &foreseen, e);
        if (!rc && !foreseen) {
            *answered = true;
            return input_required_reply(c, &rounds, wanted, e);
        }
    }
    return rc ? rc : err_set(e, ERR_RPC_INTERNAL, "Internal error: the program asks without end");
}

/* "Servers MUST rate limit tool invocations" ("Security Considerations"; completions the same).
 * Starting a program is what costs. */
enum rc program_may_start(struct mcp_call *c, struct err *e) {
    unsigned per_minute = c->x->site->config->rate_limit_user;
    struct timespec now;
    int64_t wait_ms;

    if (!per_minute || !c->x->site->limits)
        return OK;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    wait_ms = rate_limits_take(c->x->site->limits,
                               arena_printf(c->arena, "user %s", c->client.claims->sub), per_minute,
                               (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    if (!wait_ms)
        return OK;
    wait_ms = (wait_ms + 999) / 1000;
    if (c->msg.in_batch) /* the others have their answers */
        return err_set(e, ERR_RPC_INTERNAL, "Too many calls: try again in %lld s",
                       (long long)wait_ms);
    reply_header(c->x->rp, "Retry-After",
                 arena_printf(c->x->rp->arena, "%lld", (long long)wait_ms));
    return err_set(e, ERR_RATE_LIMITED, "too many calls; try again in %lld s", (long long)wait_ms);
}

enum rc program_call(struct mcp_call *c, const struct program *p, struct run_result *out,
                     bool *answered, struct err *e) {
    enum rc rc = program_may_start(c, e);

    if (rc)
        return rc;
    cancel_begin(c);
    rc = call_in_rounds(c, p, out, answered, e);
    cancel_end(c);
    return rc;
}

const char *program_failure(struct mcp_call *c, const struct tool_run *run,
                            const struct run_result *r, const char **outcome) {
    const char *name;

    switch (r->end) {
    case RUN_EXITED:
        *outcome = r->code ? "exit_status" : r->truncated ? "truncated" : "ok";
        return r->code ? arena_printf(c->arena, "the program ended with exit status %d", r->code)
                       : NULL;
    case RUN_SIGNALLED:
        *outcome = "signal";
        name = sigabbrev_np(r->code);
        return arena_printf(c->arena, "the program was ended by signal SIG%s", name ? name : "?");
    case RUN_TIMED_OUT:
        *outcome = "timeout";
        return arena_printf(c->arena, "the program did not finish within %lld ms",
                            (long long)r->timeout_ms);
    case RUN_TOO_MUCH:
        *outcome = "too_much_output";
        return arena_printf(c->arena, "the program printed more than %zu bytes", run->output_max);
    case RUN_CANCELLED:
        *outcome = "cancelled";
        return "the call was cancelled";
    case RUN_NOT_STARTED:
        break;
    }
    *outcome = "not_started";
    return "the program could not be started";
}

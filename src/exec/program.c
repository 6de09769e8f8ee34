/* Private part of executor.h: the executor of programs: their input, their messages while they run,
 * and the input that they ask for (docs/tools.md). */
#include "exec/executor.h"

#include <math.h>
#include <signal.h>

#include "base/base.h"
#include "base/text.h"
#include "catalog/program.h"
#include "exec/input_required.h"
#include "mcp/call.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "runner/process.h"

/* W3C Trace Context §3.3.1.5 and W3C Baggage §3.3.2: the sizes that must be forwarded at least. */
#define TRACE_MAX 512
#define BAGGAGE_MAX 8192
#define LINE_MEMORY_MAX ((size_t)64 << 20) /* memory for one line */

/* ---- its input ---- */

static struct text make_input(struct mcp_call *c, const struct invocation *i,
                              const struct input_required *answers) {
    struct json *input = json_new_object(c->arena);
    struct text t;

    json_put_str(input, i->kind, i->name);
    for (size_t n = 0; n < sizeof i->members / sizeof *i->members && i->members[n].key; n++)
        json_put(input, i->members[n].key, i->members[n].value);
    json_put(input, "caller", mcp_client_identity(c->arena, &c->client));
    if (c->client.capabilities)
        json_put(input, "clientCapabilities", c->client.capabilities);
    if (answers->responses)
        json_put(input, "inputResponses", answers->responses);
    if (answers->state)
        json_put(input, "requestState", answers->state);
    t.p = json_text(c->arena, input, &t.len);
    return t;
}

/* The members of _meta with W3C Trace Context and Baggage, and the environment variables by which
 * OpenTelemetry passes them to programs. */
static const struct trace_variable {
    const char *member, *variable;
    size_t max;
} trace_variables[] = {{"traceparent", "TRACEPARENT", TRACE_MAX},
                       {"tracestate", "TRACESTATE", TRACE_MAX},
                       {"baggage", "BAGGAGE", BAGGAGE_MAX}};
#define TRACE_VARIABLES (sizeof trace_variables / sizeof *trace_variables)

/* NULL: there is none, or it is too long or not printable ASCII. */
static const char *trace_value(const struct mcp_call *c, const struct trace_variable *t) {
    const char *v = json_get_str(json_get(c->msg.params, "_meta"), t->member);

    if (!v || !*v || strlen(v) > t->max)
        return NULL;
    for (const char *p = v; *p; p++)
        if (*p < ' ' || *p > '~')
            return NULL;
    return v;
}

static const char *const *make_environment(struct mcp_call *c, const struct invocation *i) {
    const char **envp = arena_alloc(c->arena, (5 + TRACE_VARIABLES) * sizeof *envp), *kind, *value;
    size_t n = 0;

    kind = !strcmp(i->kind, "tool") ? "TOOL" : !strcmp(i->kind, "prompt") ? "PROMPT" : "RESOURCE";
    envp[n++] = "PATH=" PROGRAM_PATH;
    envp[n++] = "LANG=C.UTF-8";
    envp[n++] = arena_printf(c->arena, "MCP_%s=%s", kind, i->name);
    envp[n++] = arena_printf(c->arena, "MCP_REQUEST_ID=%s", c->x->rq->id);
    for (size_t t = 0; t < TRACE_VARIABLES; t++)
        if ((value = trace_value(c, &trace_variables[t])))
            envp[n++] = arena_printf(c->arena, "%s=%s", trace_variables[t].variable, value);
    return envp;
}

/* ---- messages of a stream: lines of JSON ---- */

struct lines {
    struct mcp_call *c;
    const struct invocation *of;
    struct json *token;           /* the client's progressToken; NULL: none */
    struct arena *scratch, *last; /* memory of this line; of the result */
    size_t repaired;              /* bytes that were not UTF-8 */
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
    mcp_stream_notify_limited(l->c, l->scratch, "notifications/progress", params);
}

static void send_log(struct lines *l, struct json *log) {
    const char *level = json_get_str(log, "level"), *logger = json_get_str(log, "logger");
    struct json *params;

    if (!json_has(log, "data") || mcp_log_level(level) < l->c->client.log_level)
        return;
    params = json_new_object(l->scratch);
    json_put_str(params, "level", level);
    json_put_str(params, "logger", logger ? logger : l->of->name);
    json_put(params, "data", json_get(log, "data"));
    mcp_stream_notify_limited(l->c, l->scratch, "notifications/message", params);
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

/* Uses no memory of the request for a line, since a program may print any number of lines. */
static void take_line(void *arg, const char *line, size_t len) {
    struct lines *l = arg;

    l->repaired += utf8_repair(l->scratch, &line, &len);
    read_line(l, line, len);
    arena_reset(l->scratch);
}

static void lines_begin(struct lines *l, struct process_spec *spec) {
    int64_t integer;

    l->token = json_get(json_get(l->c->msg.params, "_meta"), "progressToken");
    if (!json_is_string(l->token) && !json_int(l->token, &integer))
        l->token = NULL; /* "Progress tokens MUST be a string or integer value" */
    l->scratch = arena_new(LINE_MEMORY_MAX);
    l->last = arena_new(LINE_MEMORY_MAX);
    spec->line = take_line;
    spec->arg = l;
}

/* Programs print file names, mails and web pages, also in other encodings. Bytes that are not UTF-8
 * cannot be sent in JSON and are replaced, so that the rest of the output is not lost. */
static void log_repaired(const struct mcp_call *c, const struct invocation *i, size_t bytes) {
    if (bytes)
        log_warn("output_repaired", kv("request", c->x->rq->id), kv(i->kind, i->name),
                 kvn("bytes", (int64_t)bytes));
}

static struct text lines_end(struct lines *l) {
    struct text result = l->result;

    log_repaired(l->c, l->of, l->repaired);
    if (result.p)
        result.p = arena_strndup(l->c->arena, result.p, result.len);
    arena_free(l->scratch);
    arena_free(l->last);
    if (l->c->stream.dropped)
        log_info("notifications_dropped", kv("request", l->c->x->rq->id),
                 kv(l->of->kind, l->of->name), kvn("messages", l->c->stream.dropped));
    l->c->stream.dropped = 0;
    return result;
}

/* ---- text ---- */

/* The length of an incomplete UTF-8 character at the end; 0: there is none. */
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

static struct text truncated(struct arena *a, struct text output, size_t output_max) {
    const char *note = arena_printf(
        a, "\n[Cut off here: the output is longer than %zu bytes, and the program was stopped.]\n",
        output_max);
    size_t len = output.len - cut_character(&output), note_len = strlen(note);
    char *text = arena_alloc(a, len + note_len + 1);

    memcpy(text, output.p, len);
    memcpy(text + len, note, note_len);
    return (struct text){text, len + note_len};
}

/* Logs each line as an event of its own, so that a traceback is readable. */
static void log_stderr(struct mcp_call *c, const struct invocation *i, const struct text *err) {
    char *copy = arena_strndup(c->arena, err->p, err->len), *save = NULL;

    for (char *line = strtok_r(copy, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
        log_info("tool_stderr", kv("request", c->x->rq->id), kv(i->kind, i->name),
                 kv("text", line));
}

/* ---- its end ---- */

static void fail(struct execution *out, enum execution_end end, const char *outcome,
                 const char *failure) {
    out->end = end;
    out->outcome = outcome;
    out->failure = failure;
    if (end != EXECUTION_ERROR)
        out->output = (struct text){0};
}

/* Fills *out from the end of the process. A failure is a sentence that a model and its user can act
 * on ("Error Handling"). */
static void read_end(struct mcp_call *c, const struct invocation *i, const struct process_result *r,
                     struct execution *out) {
    const struct program *p = i->source->spec;
    const char *who = !strcmp(i->kind, "tool") ? "the tool" : "the program", *signal;
    struct arena *a = c->arena;

    switch (r->end) {
    case PROCESS_EXITED:
        out->outcome = "ok";
        if (r->code)
            fail(out, EXECUTION_ERROR, "exit_status",
                 arena_printf(a, "%s ended with exit status %d", who, r->code));
        break;
    case PROCESS_SIGNALLED:
        signal = sigabbrev_np(r->code);
        fail(out, EXECUTION_ABORTED, "signal",
             arena_printf(a, "%s was ended by signal %d (SIG%s)", who, r->code,
                          signal ? signal : "?"));
        break;
    case PROCESS_TIMED_OUT:
        fail(out, EXECUTION_ABORTED, "timeout",
             arena_printf(a, "%s did not finish within %lld ms and was stopped", who,
                          (long long)r->timeout_ms));
        break;
    case PROCESS_TOO_MUCH:
        if (p->truncate) { /* the output so far, with a notice */
            out->output = truncated(a, out->output, p->output_max);
            out->outcome = "truncated";
            break;
        }
        fail(out, EXECUTION_ABORTED, "too_much_output",
             arena_printf(a, "%s printed more than %zu bytes and was stopped", who, p->output_max));
        break;
    case PROCESS_CANCELLED:
        fail(out, EXECUTION_CANCELLED, "cancelled", "the call was cancelled");
        break;
    case PROCESS_NOT_STARTED:
        log_error("tool_not_started", kv("request", c->x->rq->id), kv(i->kind, i->name),
                  kv("why", strerror(r->code)));
        fail(out, EXECUTION_ABORTED, "not_started",
             arena_printf(a, "%s could not be started", who));
    }
}

static void outcome_to_state(struct mcp_call *c, const struct invocation *i,
                             const struct process_result *r, struct execution *out) {
    const struct program *p = i->source->spec;

    out->form = p->output;
    read_end(c, i, r, out);
    if (p->output == OUTPUT_TEXT || p->output == OUTPUT_JSON)
        log_repaired(c, i, utf8_repair(c->arena, &out->output.p, &out->output.len));
    if (out->end == EXECUTION_OK && (p->output == OUTPUT_JSON || p->output == OUTPUT_STREAM))
        out->requested = input_required_requested(c->arena, out->output);
}

static void execute_program(struct mcp_call *c, const struct invocation *i,
                            const struct input_required *input, struct execution *out) {
    const struct program *p = i->source->spec;
    int64_t left = c->cancel.deadline_ms - clock_monotonic_ms();
    struct lines lines = {.c = c, .of = i};
    struct process_spec spec = {.argv = p->argv,
                                .envp = make_environment(c, i),
                                .dir = p->dir,
                                .timeout_ms = i->source->timeout_ms,
                                .output_max = p->output_max,
                                .input = make_input(c, i, input),
                                .watch = mcp_stream_watch(c),
                                .tick = mcp_stream_keep_alive,
                                .tick_arg = c};
    struct process_result r;

    if (spec.timeout_ms > left)
        spec.timeout_ms = left > 0 ? left : 0;
    if (p->output == OUTPUT_STREAM)
        lines_begin(&lines, &spec);
    if (c->cancel.confirm) {
        spec.confirm = c->cancel.confirm;
        spec.confirm_arg = c->cancel.confirm_arg;
    } else if (c->cancel.socket) {
        spec.confirm = cancel_arrived;
        spec.confirm_arg = c;
    }
    process_run(c->arena, &spec, &r);
    *out = (struct execution){.output = spec.line ? lines_end(&lines) : r.out};
    outcome_to_state(c, i, &r, out);
    log_stderr(c, i, &r.err);
}

const struct executor program_executor = {&program_source, execute_program, false};

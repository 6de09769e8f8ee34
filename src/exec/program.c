/* Private part of executor.h: executes programs: their input, and how they end (docs/tools.md). */
#include "exec/executor.h"

#include <signal.h>

#include "crypto/digest.h"
#include "exec/input_required.h"
#include "exec/program_output.h"
#include "exec/program_start.h"

#define LINE_ID_BYTES 12 /* of randomness */

/* ---- its input ---- */

/* `line_id`: of a persistent program, which gets a line; otherwise NULL. */
static struct text make_input(struct mcp_call *c, const struct invocation *i,
                              const struct input_required *answers, const char *line_id) {
    struct json *input = json_new_object(c->arena);
    struct text t;

    json_put_str(input, i->kind, i->name);
    for (size_t n = 0; n < sizeof i->params / sizeof *i->params && i->params[n].key; n++)
        json_put(input, i->params[n].key, i->params[n].value);
    json_put(input, "caller", program_caller(c, i->source->spec));
    json_put_given(input, "clientCapabilities", c->client.capabilities);
    json_put_given(input, "inputResponses", answers->responses);
    json_put_given(input, "requestState", answers->state);
    if (line_id) {
        json_put_str(input, "id", line_id);
        json_put(input, "env", program_call_variables(c));
    }
    t = json_as_text(c->arena, input);
    return line_id ? text_join(c->arena, (struct text[]){t, TEXT_LITERAL("\n")}, 2) : t;
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

    output.len -= cut_character(&output);
    return text_join(a, (struct text[]){output, text_of(note)}, 2);
}

/* Logs each line as an event of its own, so that a traceback is readable. */
static void log_stderr(struct mcp_call *c, const struct invocation *i, const struct text *err) {
    char *copy = arena_strndup(c->arena, err->p, err->len), *save = NULL;

    for (char *line = strtok_r(copy, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
        log_info("tool_stderr", kv("request", c->x->rq->id), kv(i->kind, i->name),
                 kv("text", line));
}

/* ---- its end ---- */

static const char *subject(const struct invocation *i) {
    return !strcmp(i->kind, "tool") ? "the tool" : "the program";
}

/* `what` and `why`: for the log only. */
static void fail_to_start(struct mcp_call *c, const struct invocation *i, const char *what,
                          const char *why, struct execution *out) {
    log_error("tool_not_started", kv("request", c->x->rq->id), kv(i->kind, i->name),
              kv("what", what), kv("why", why));
    execution_fail(out, EXECUTION_ABORTED, "not_started",
                   arena_printf(c->arena, "%s could not be started", subject(i)));
}

static const char *signal_text(struct arena *a, int signo) {
    const char *name = sigabbrev_np(signo);

    return arena_printf(a, "signal %d (SIG%s)%s", signo, name ? name : "?",
                        signo == SIGXFSZ ? ": it wrote a file that is longer than its limit "
                                           "(run.limits.file_size)"
                                         : "");
}

static const char *memory_reason(struct arena *a, const struct program *p) {
    return p->limits.memory
               ? arena_printf(a, "it needed more than its %lld bytes of memory (run.limits.memory)",
                              (long long)p->limits.memory)
               : "the memory for all programs of this host was used up";
}

static void set_exit(struct mcp_call *c, const struct invocation *i, const struct process_result *r,
                     struct execution *out) {
    const struct program *p = i->source->spec;

    out->outcome = "ok";
    if (p->lifetime != RUNS_ONCE && !r->answered)
        execution_fail(out, EXECUTION_ERROR, "no_answer",
                       arena_printf(c->arena, "%s ended without an answer, with exit status %d",
                                    subject(i), r->code));
    else if (r->code)
        execution_fail(out, EXECUTION_ERROR, "exit_status",
                       arena_printf(c->arena, "%s ended with exit status %d", subject(i), r->code));
}

/* Fills *out from the end of the process. A failure is a sentence that a model and its user can act
 * on ("Error Handling"). */
static void set_outcome(struct mcp_call *c, const struct invocation *i,
                        const struct process_result *r, struct execution *out) {
    const struct program *p = i->source->spec;
    const char *who = subject(i);
    struct arena *a = c->arena;

    switch (r->end) {
    case PROCESS_EXITED:
        set_exit(c, i, r, out);
        break;
    case PROCESS_SIGNALLED:
        execution_fail(out, EXECUTION_ABORTED, "signal",
                       arena_printf(a, "%s was ended by %s", who, signal_text(a, r->code)));
        break;
    case PROCESS_OUT_OF_MEMORY:
        execution_fail(out, EXECUTION_ABORTED, "out_of_memory",
                       arena_printf(a, "%s was stopped: %s", who, memory_reason(a, p)));
        break;
    case PROCESS_TIMED_OUT:
        execution_fail(out, EXECUTION_ABORTED, "timeout",
                       arena_printf(a, "%s did not finish within %lld ms and was stopped", who,
                                    (long long)r->timeout_ms));
        break;
    case PROCESS_OUTPUT_LIMIT:
        if (p->truncate) { /* the output so far, with a notice */
            out->output = truncated(a, out->output, p->output_max);
            out->outcome = "truncated";
            break;
        }
        execution_fail(
            out, EXECUTION_ABORTED, "too_much_output",
            arena_printf(a, "%s printed more than %zu bytes and was stopped", who, p->output_max));
        break;
    case PROCESS_CANCELLED:
        execution_fail(out, EXECUTION_CANCELLED, "cancelled", "the call was cancelled");
        break;
    case PROCESS_NOT_STARTED:
        fail_to_start(c, i, r->step, strerror(r->code), out);
        break;
    case PROCESS_LOST:
        execution_fail(
            out, EXECUTION_ABORTED, "lost",
            arena_printf(a,
                         "%s was stopped, since the process that looks after it has ended; "
                         "whether it did its work is not known",
                         who));
    }
}

/* Of a program that has ended, with its output; tests/fuzz calls it too. */
static void fill_execution(struct mcp_call *c, const struct invocation *i,
                           const struct process_result *r, struct execution *out) {
    const struct program *p = i->source->spec;

    out->form = p->output;
    set_outcome(c, i, r, out);
    if (p->output == OUTPUT_TEXT || p->output == OUTPUT_JSON)
        log_repaired(c, i, utf8_repair(c->arena, &out->output.p, &out->output.len));
    if (out->end == EXECUTION_OK && (p->output == OUTPUT_JSON || p->output == OUTPUT_STREAM))
        out->input_request = input_required_parse(c->arena, out->output);
}

static void add_usage(struct mcp_call *c, const struct process_result *r) {
    struct program_usage *u = c->usage;

    u->runs++;
    u->ms += r->ms;
    u->cpu_us += r->cpu_us;
    if (u->max_rss_kib < r->max_rss_kib)
        u->max_rss_kib = r->max_rss_kib;
    if (r->err.len)
        u->err = text_join(c->arena, (struct text[]){u->err, r->err}, 2);
}

/* false: a persistent program has ended before it read the call. */
static bool run_program(struct mcp_call *c, const struct invocation *i, struct process_spec *spec,
                        struct line_reader *reader, struct execution *out) {
    struct process_result r;

    spec->waiter = call_waiter(c);
    if (reader) {
        line_reader_begin(reader);
        spec->on_line = line_reader_take;
        spec->on_line_arg = reader;
    }
    process_run(c->arena, spec, &r);
    *out = (struct execution){.output = reader ? line_reader_end(reader) : r.out};
    fill_execution(c, i, &r, out);
    if (c->usage)
        add_usage(c, &r);
    else
        log_stderr(c, i, &r.err);
    return !r.unread;
}

/* With secrets and environment, which one that was started before has already. */
static void start_and_run(struct mcp_call *c, const struct invocation *i, struct process_spec *spec,
                          struct line_reader *reader, struct execution *out) {
    struct program_start start;
    struct err e;

    if (program_start_begin(c, i, &start, &e)) {
        fail_to_start(c, i, "a secret", e.text, out);
        return;
    }
    spec->run = start.run;
    spec->secrets = start.secrets;
    (void)run_program(c, i, spec, reader, out);
    program_start_end(&start);
}

/* A command that reports what a program has used ends it, which is when that is known. */
static void run_persistent(struct mcp_call *c, const struct invocation *i,
                           struct process_spec *spec, struct line_reader *reader,
                           struct execution *out) {
    struct persistent p = {.answered = &reader->has_result, .once = c->usage != NULL};

    spec->persistent = &p;
    program_instance_key(c, i, &p.key);
    do {
        p.taken = !p.once && instance_take(&p.key, p.fds);
        if (!p.taken)
            start_and_run(c, i, spec, reader, out);
    } while (p.taken && !run_program(c, i, spec, reader, out));
}

static void execute_program(struct mcp_call *c, const struct invocation *i,
                            const struct input_required *input, struct execution *out) {
    const struct program *p = i->source->spec;
    int64_t left = c->cancel.deadline_ms - clock_monotonic_ms();
    struct line_reader reader = {
        .c = c,
        .invocation = i,
        .id = p->lifetime == RUNS_ONCE ? NULL : random_text(c->arena, LINE_ID_BYTES)};
    struct process_spec spec = {.timeout_ms = i->source->timeout_ms,
                                .output_max = p->output_max,
                                .input = make_input(c, i, input, reader.id)};

    if (spec.timeout_ms > left)
        spec.timeout_ms = left > 0 ? left : 0;
    if (reader.id)
        run_persistent(c, i, &spec, &reader, out);
    else
        start_and_run(c, i, &spec, p->output == OUTPUT_STREAM ? &reader : NULL, out);
}

const struct executor program_executor = {execute_program, NULL, false, false};

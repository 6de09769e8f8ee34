/* What a tool's program prints. The first byte of an input is the size of the pieces in which the
 * rest comes through a pipe: as lines of a stream, and then as a whole text and as JSON. */
#include "catalog/tools.h"
#include "exec/tool_result.h"
#include "input.h"
#include "standalone.h"

/* For what reads the pipe, and what is done with a line: a process for each input would be slow. */
#include "exec/program.c"
#include "runner/process.c"

#define INPUT_MAX 16384
#define LINE_MAX_BYTES 200
#define TEXT_MAX ((size_t)8 << 20)

/* ---- lines ---- */

struct collected {
    const char *p, *end; /* what is still to come */
    bool too_long;       /* a line was, and nothing may come behind it */
    struct line_reader *reader;
};

static void collect(void *arg, const char *line, size_t len) {
    struct collected *c = arg;
    const char *end = memchr(c->p, '\n', (size_t)(c->end - c->p));
    size_t expected = (size_t)((end ? end : c->end) - c->p);

    MUST(!c->too_long && len <= LINE_MAX_BYTES);
    MUST(len == expected && !memcmp(line, c->p, len));
    c->p += len + (end != NULL);
    line_reader_take(c->reader, line, len);
}

static bool has_long_line(const char *p, const char *end) {
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));

        stop = stop ? stop : end;
        if (stop - p > LINE_MAX_BYTES)
            return true;
        p = stop + 1;
    }
    return false;
}

/* As process_run serves the pipe of a program that writes in pieces, and ends. */
static void pump(struct arena *a, const char *text, size_t len, size_t piece,
                 struct collected *collected) {
    struct process_spec spec = {
        .output_max = LINE_MAX_BYTES, .on_line = collect, .on_line_arg = collected};
    struct process_result result = {.end = PROCESS_EXITED};
    struct process r = {.fds = NO_FDS, .spec = &spec, .result = &result};
    int ends[2];

    MUST(!pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    r.fds[INSTANCE_OUT] = ends[0];
    buf_init(&r.output, a, spec.output_max + READ_BYTES);
    buf_init(&r.error, a, PROCESS_STDERR_MAX);
    for (size_t at = 0; at < len && !r.output.overflow; at += piece) {
        size_t n = len - at < piece ? len - at : piece;

        MUST(write(ends[1], text + at, n) == (ssize_t)n);
        if (at + piece < len && read_some(&r.fds[INSTANCE_OUT], &r.output) && !r.output.overflow)
            pass_lines(&r, false);
    }
    MUST(!close(ends[1]));
    drain(&r);
    descriptor_clear(&r.fds[INSTANCE_OUT]);
    MUST((result.end == PROCESS_OUTPUT_LIMIT) == has_long_line(text, text + len));
    MUST(result.end == PROCESS_OUTPUT_LIMIT || collected->p >= collected->end);
}

/* ---- what the client is sent ---- */

struct sink {
    struct reply_sink base; /* first */
    struct arena *arena;
};

static enum rc sink_begin(struct reply_sink *s, const struct reply *rp) {
    (void)s;
    MUST(rp->status == 200);
    return OK;
}

static enum rc sink_write(struct reply_sink *s, const char *p, size_t len) {
    struct arena *a = ((struct sink *)s)->arena;
    struct json *v;
    struct err e;
    const char *method;

    MUST(len > 8 && !memcmp(p, "data: ", 6) && !memcmp(p + len - 2, "\n\n", 2));
    MUST(!memchr(p, '\n', len - 2));
    MUST(!json_parse(a, p + 6, len - 8, &v, &e));
    method = json_get_str(v, "method");
    MUST(method && !strncmp(method, "notifications/", 14));
    MUST(json_is_object(json_get(v, "params")));
    if (!strcmp(method, "notifications/progress"))
        MUST(json_is_number(json_get(json_get(v, "params"), "progress")) &&
             json_has(json_get(v, "params"), "progressToken"));
    else
        MUST(json_has(json_get(v, "params"), "data") &&
             mcp_log_level(json_get_str(json_get(v, "params"), "level")) >= 0);
    return OK;
}

static void sink_end(struct reply_sink *s) {
    (void)s;
}

static void must_be_result(struct arena *a, struct json *result, const char *outcome) {
    size_t len;
    const char *text = json_text(a, result, &len);
    struct json *again;
    struct err e;

    MUST(!json_parse(a, text, len, &again, &e));
    MUST(json_is_array(json_get(again, "content")) && json_len(json_get(again, "content")));
    MUST(json_get_bool(again, "isError") == (strcmp(outcome, "ok") != 0));
}

/* What comes of it at the end, whatever kind of output the manifest says. */
static void try_results(struct mcp_call *c, struct text out, struct text of_stream) {
    static const enum output_form outputs[] = {OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_STREAM};

    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        for (int code = 0; code < 2; code++) {
            struct program program = {.output = outputs[i], .output_max = 100};
            struct tool tool = {
                .entry = {.name = "t", .source = {.kind = &program_source, .spec = &program}}};
            const struct invocation called = {
                .source = &tool.entry.source, .kind = "tool", .name = "t"};
            struct process_result end = {.end = PROCESS_EXITED, .code = code};
            struct execution x = {.output = outputs[i] == OUTPUT_STREAM ? of_stream : out};
            struct json *result;

            fill_execution(c, &called, &end, &x);
            if (x.input_request)
                continue; /* the client is asked instead */
            result = tool_result(c, &tool, &x);
            if (json_len(json_get(result, "content"))) /* a program's own may be empty */
                must_be_result(c->arena, result, c->answer.outcome);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct config config = {.list_forbidden = true};
    struct site site = {.config = &config};
    struct program program = {.output_max = size, .truncate = size && *data & 1};
    const struct source source = {.kind = &program_source, .spec = &program};
    const struct invocation called = {.source = &source, .kind = "tool", .name = "t"};
    struct execution printed = {0};
    struct process_result whole = {.end =
                                       size && *data & 1 ? PROCESS_OUTPUT_LIMIT : PROCESS_EXITED};
    struct sink sink = {
        .base = {.begin = sink_begin, .write = sink_write, .end = sink_end, .fd = -1}};
    struct request rq = {.id = "id"};
    struct reply rp;
    struct exchange x = {&site, &rq, &rp};
    struct mcp_call c = {.x = &x, .msg.protocol = PROTOCOL_STATELESS};
    struct line_reader reader = {.c = &c, .invocation = &called};
    struct collected collected = {.reader = &reader};
    char *text;
    struct err e;

    if (!size || size > INPUT_MAX)
        return 0;
    (void)fuzz_folder();
    rq.arena = c.arena = sink.arena = arena_new(ARENA_BYTES);
    reply_init(&rp, c.arena);
    rp.sink = &sink.base;
    MUST(!json_parse(c.arena, "{\"_meta\":{\"progressToken\":7}}", 29, &c.msg.params, &e));
    line_reader_begin(&reader);
    text = arena_strndup(c.arena, (const char *)data + 1, size - 1);
    collected.p = text;
    collected.end = text + size - 1;
    pump(c.arena, text, size - 1, (size_t)*data + 1, &collected);
    printed.output = (struct text){text, size - 1};
    fill_execution(&c, &called, &whole, &printed);
    try_results(&c, printed.output, line_reader_end(&reader));
    arena_free(c.arena);
    return 0;
}

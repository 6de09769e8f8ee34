#include "exec/executors.h"

#include "base/text.h"
#include "exec/executor.h"
#include "exec/input_required.h"
#include "exec/tool_result.h"
#include "mcp/call.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "shared/rate_limit.h"

/* ---- built-in tools ---- */

struct builtin {
    /* Returns a CallToolResult. */
    struct json *(*answer)(struct mcp_call *c, const struct json *arguments);
};

/* clang-format 14 and 19 do not agree here. */
/* clang-format off */
#define DEFINITION(s) { (s), sizeof(s) - 1 }
/* clang-format on */

static struct json *whoami(struct mcp_call *c, const struct json *arguments) {
    struct json *me = mcp_client_identity(c->arena, &c->client);

    (void)arguments;
    json_put_str(me, "expires_at", text_rfc3339(c->arena, c->client.claims->exp));
    return tool_structured_result(c->arena, me);
}

static struct json *echo(struct mcp_call *c, const struct json *arguments) {
    size_t len;
    const char *text = json_strn(json_get(arguments, "text"), &len);
    return tool_text_result(c->arena, text, len, false); /* not NULL: checked against the schema */
}

/* Additional arguments are ignored, since some client applications add their own. Model APIs refuse
 * a request with a tool whose schema has no "properties", so whoami has an empty object there. */
#define ECHO                                                                                       \
    "{\"name\":\"echo\",\"title\":\"Echo\",\"description\":\"Returns the text that it is "         \
    "given.\","                                                                                    \
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\","          \
    "\"description\":\"The text to return.\"}},\"required\":[\"text\"]},"                          \
    "\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":false}}"

#define WHOAMI                                                                                     \
    "{\"name\":\"whoami\",\"title\":\"Who am I\",\"description\":\"Tells who the access token "    \
    "says you are, which scopes it carries and when it expires.\","                                \
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{}},"                                     \
    "\"outputSchema\":{\"type\":\"object\",\"properties\":{\"sub\":{\"type\":\"string\"},"         \
    "\"username\":{\"type\":\"string\"},\"client_id\":{\"type\":\"string\"},"                      \
    "\"scopes\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"                             \
    "\"expires_at\":{\"type\":\"string\",\"format\":\"date-time\"}},"                              \
    "\"required\":[\"sub\",\"username\",\"client_id\",\"scopes\",\"expires_at\"]},"                \
    "\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":false}}"

static void execute_builtin(struct mcp_call *c, const struct invocation *i,
                            const struct input_required *input, struct execution *out) {
    const struct builtin *builtin = i->source->spec;

    (void)input;
    out->result = builtin->answer(c, i->members[0].value);
    out->outcome = "ok";
}

static const struct source_kind builtin_source = {NULL, NULL, NULL};
static const struct executor builtin_executor = {&builtin_source, execute_builtin, true};

static const struct builtin echo_builtin = {echo}, whoami_builtin = {whoami};

static const struct tool builtin_tools[] = {
    {.entry = {.key = "echo",
               .name = "echo",
               .scopes = "",
               .source = {.kind = &builtin_source, .spec = &echo_builtin},
               .definition = {DEFINITION(ECHO), DEFINITION(ECHO)}}},
    {.entry = {.key = "whoami",
               .name = "whoami",
               .scopes = "",
               .source = {.kind = &builtin_source, .spec = &whoami_builtin},
               .definition = {DEFINITION(WHOAMI), DEFINITION(WHOAMI)}},
     .has_output_schema = true},
};

/* ---- using an executor ---- */

static const struct executor *const executors[] = {&builtin_executor, &program_executor};
static const struct source_kind *const kinds[] = {&program_source, NULL}; /* in manifests */

const struct catalog_sources executor_sources = {kinds, builtin_tools,
                                                 sizeof builtin_tools / sizeof *builtin_tools};

const struct executor *executor_of(const struct source *source) {
    for (size_t i = 0; i < sizeof executors / sizeof *executors; i++)
        if (executors[i]->source == source->kind)
            return executors[i];
    return NULL;
}

/* "Servers MUST rate limit tool invocations" ("Security Considerations"; the same for completions).
 * Only executions that start something are counted, since they are what uses resources. */
enum rc execution_take_rate_limit(struct mcp_call *c, struct err *e) {
    unsigned per_minute = c->x->site->config->rate_limit_user;
    int64_t wait_ms;

    if (!per_minute || !c->x->site->limits)
        return OK;
    wait_ms = rate_limits_take(c->x->site->limits,
                               arena_printf(c->arena, "user %s", c->client.claims->sub), per_minute,
                               clock_realtime_ms());
    if (!wait_ms)
        return OK;
    wait_ms = (wait_ms + 999) / 1000;
    if (c->msg.in_batch) /* HTTP 429 would discard the answers of the other messages */
        return err_set(e, ERR_RPC_INTERNAL, "Too many calls: try again in %lld s",
                       (long long)wait_ms);
    reply_header(c->x->rp, "Retry-After",
                 arena_printf(c->x->rp->arena, "%lld", (long long)wait_ms));
    return err_set(e, ERR_RATE_LIMITED, "too many calls; try again in %lld s", (long long)wait_ms);
}

/* Executes it until it asks for no more input. */
static enum rc execute_with_input(struct mcp_call *c, const struct executor *executor,
                                  const struct invocation *i, struct execution *out,
                                  struct err *e) {
    struct input_required input = {.name = arena_printf(c->arena, "%s %s", c->msg.method, i->name),
                                   .bound = i->members[0].value};
    enum rc rc = input_required_read(c, &input, e);

    if (!rc && mcp_stream_is_abandoned(c)) {
        *out = (struct execution){.end = EXECUTION_CANCELLED,
                                  .outcome = "cancelled",
                                  .failure = "the call was cancelled"};
        return OK;
    }
    for (int n = 0; !rc && n < INPUT_REQUIRED_MAX; n++) {
        executor->execute(c, i, &input, out);
        if (!out->requested)
            return OK;
        rc = input_required_get(c, &input, out->requested, &out->is_answered, e);
        if (out->is_answered)
            return rc;
    }
    return rc ? rc : err_set(e, ERR_RPC_INTERNAL, "Internal error: the program asks without end");
}

enum rc execute(struct mcp_call *c, const struct invocation *i, struct execution *out,
                struct err *e) {
    const struct executor *executor = executor_of(i->source);
    enum rc rc;

    *out = (struct execution){0};
    if (executor->is_immediate) {
        executor->execute(c, i, NULL, out);
        c->answer.outcome = out->outcome;
        return OK;
    }
    c->answer.outcome = "error";
    rc = execution_take_rate_limit(c, e);
    if (rc)
        return rc;
    cancel_begin(c);
    rc = execute_with_input(c, executor, i, out, e);
    cancel_end(c);
    if (!rc)
        c->answer.outcome = out->is_answered ? "input_required" : out->outcome;
    return rc;
}

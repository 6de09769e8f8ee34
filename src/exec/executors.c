#include "exec/executors.h"

#include <stddef.h>
#include <time.h>

#include "exec/builtin.h"
#include "exec/input_required.h"
#include "exec/program.h"
#include "mcp/call.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "shared/rate_limit.h"

static const struct executor *const executors[] = {&builtin_executor, &program_executor};
static const struct source_kind *const kinds[] = {&program_source, NULL}; /* that manifests name */

const struct catalog_sources executor_sources = {kinds, builtin_tools, BUILTIN_TOOLS};

const struct executor *executor_of(const struct source *source) {
    for (size_t i = 0; i < sizeof executors / sizeof *executors; i++)
        if (executors[i]->source == source->kind)
            return executors[i];
    return NULL;
}

/* "Servers MUST rate limit tool invocations" ("Security Considerations"; completions the same).
 * Starting a program is what costs. */
enum rc execution_may_start(struct mcp_call *c, struct err *e) {
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
    if (c->msg.in_batch) /* the other messages have their answers */
        return err_set(e, ERR_RPC_INTERNAL, "Too many calls: try again in %lld s",
                       (long long)wait_ms);
    reply_header(c->x->rp, "Retry-After",
                 arena_printf(c->x->rp->arena, "%lld", (long long)wait_ms));
    return err_set(e, ERR_RATE_LIMITED, "too many calls; try again in %lld s", (long long)wait_ms);
}

/* Repeats it until it needs no more input. */
static enum rc execute_with_input(struct mcp_call *c, const struct invocation *i,
                                  struct execution *out, struct err *e) {
    const struct executor *executor = executor_of(i->source);
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
        if (!out->wanted)
            return OK;
        rc = input_required_get(c, &input, out->wanted, &out->is_answered, e);
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
    rc = execution_may_start(c, e);
    if (rc)
        return rc;
    cancel_begin(c);
    rc = execute_with_input(c, i, out, e);
    cancel_end(c);
    if (!rc)
        c->answer.outcome = out->is_answered ? "input_required" : out->outcome;
    return rc;
}

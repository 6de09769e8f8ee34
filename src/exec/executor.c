#include "exec/executor.h"

#include "exec/input_required.h"
#include "exec/limits.h"
#include "mcp/call.h"
#include "mcp/parked_call.h"
#include "mcp/session.h"
#include "mcp/stream.h"
#include "runner/process.h"

#define EXECUTOR_ROW(name) {&name##_source, &name##_executor},
static const struct source_executor executors[] = {EXECUTORS(EXECUTOR_ROW)};

const struct catalog_sources executor_sources = {executors, builtin_tools, BUILTIN_TOOLS};

const struct executor *executor_of(const struct source *source) {
    const struct source_executor *row = executors;

    while (row->kind != source->kind)
        row++;
    return row->executor;
}

/* Executes it, with the client's input, until it no longer asks for input. */
static enum rc execute_rounds(struct mcp_call *c, const struct invocation *i,
                              struct input_required *input, struct execution *out, struct err *e) {
    enum rc rc =
        c->resumed ? pending_requests_resume(c, input, e) : input_required_read(c, input, e);

    if (!rc && c->resumed) /* the program was executed before, and has asked */
        input->round++;
    for (; !rc && input->round < INPUT_REQUIRED_MAX; input->round++) {
        executor_of(i->source)->execute(c, i, input, out);
        if (!out->input_request)
            return OK;
        input->state = json_get(out->input_request, "requestState");
        rc = input_required_get(c, input, out->input_request, &out->is_input_required, e);
        if (out->is_input_required)
            return rc;
    }
    return rc ? rc
              : rpc_internal(e, "the program asked for input %d times and gave no answer",
                             INPUT_REQUIRED_MAX);
}

static enum rc execute_with_input(struct mcp_call *c, const struct invocation *i,
                                  struct execution *out, struct err *e) {
    const struct executor *executor = executor_of(i->source);
    struct input_required input = {.name = arena_printf(c->arena, "%s %s", c->msg.method, i->name),
                                   .arguments = i->params[0].value,
                                   .has_free_forms = executor->checks_forms};
    enum rc rc = execute_rounds(c, i, &input, out, e);

    /* In 2026-07-28 it may be sent again, with better answers. */
    if (rc && c->msg.protocol == PROTOCOL_HANDSHAKE && !c->x->rp->parked && executor->give_up)
        executor->give_up(c, i, input.state);
    return rc;
}

struct waiter call_waiter(struct mcp_call *c) {
    return (struct waiter){.watch = mcp_stream_watch(c),
                           .before_wait = mcp_stream_keep_alive,
                           .before_wait_arg = c,
                           .must_stop = c->cancel.must_stop,
                           .must_stop_arg = c->cancel.must_stop_arg};
}

/* Takes one of the calls that may run. If the file that counts them fails, as on a full disk, calls
 * go on without a limit. */
static enum rc begin_call(struct mcp_call *c, int *slot, struct err *e) {
    const struct limit_share calls = limit_of_calls(c->x->site->config);
    enum rc rc;

    *slot = -1;
    rc = calls.host ? limit_share_take(c, &calls, slot, e) : OK;
    if (rc == ERR_STORE)
        log_warn("limit_failed", kv("what", calls.what), kv("why", e->text));
    else if (rc)
        return rc;
    mcp_call_takes_long(c, true);
    return OK;
}

void execution_fail(struct execution *out, enum execution_end end, const char *outcome,
                    const char *failure) {
    out->end = end;
    out->outcome = outcome;
    out->failure = failure;
    if (end != EXECUTION_ERROR)
        out->output = (struct text){0};
}

void execution_over_quota(struct execution *out, const char *why) {
    *out = (struct execution){
        .end = EXECUTION_ERROR, .outcome = "quota", .failure = why, .error = ERR_RPC_QUOTA};
}

/* The first round of a call counts towards its quota: one that was parked has been counted. */
static enum rc execute_counted(struct mcp_call *c, const struct invocation *i,
                               struct execution *out, struct err *e) {
    const char *refused = NULL;
    enum rc rc = c->resumed ? OK : quota_take(c, i->source->quota, &refused, e);

    if (rc)
        return rc;
    if (refused) {
        execution_over_quota(out, refused);
        return OK;
    }
    cancel_begin(c);
    rc = execute_with_input(c, i, out, e);
    cancel_end(c);
    return rc;
}

enum rc execute(struct mcp_call *c, const struct invocation *i, struct execution *out,
                struct err *e) {
    const struct executor *executor = executor_of(i->source);
    int slot;
    enum rc rc;

    *out = (struct execution){0};
    if (executor->is_immediate) {
        executor->execute(c, i, NULL, out);
        c->answer.outcome = out->outcome;
        return OK;
    }
    c->answer.outcome = "error";
    if (!c->resumed && limit_rate(c, e))
        return e->code;
    if (mcp_stream_is_abandoned(c)) {
        execution_fail(out, EXECUTION_CANCELLED, "cancelled", "the call was cancelled");
        c->answer.outcome = out->outcome;
        return OK;
    }
    if (begin_call(c, &slot, e)) /* a resumed call is not refused: it waits until it may run */
        return c->resumed && mcp_call_sleep(c) ? ERR_MISSING : e->code;
    rc = execute_counted(c, i, out, e);
    descriptor_close(slot);
    mcp_call_takes_long(c, false);
    if (rc)
        return rc;
    c->answer.outcome = out->is_input_required ? "input_required" : out->outcome;
    c->answer.error_data = out->error_data;
    if (out->error != ERR_RPC_MISSING_CAPABILITY && out->error != ERR_RPC_URL_ELICITATION)
        return OK;
    c->answer.error_is_other = true;
    return err_set(e, out->error, "%.300s", out->failure);
}

enum rc execute_or_fail(struct mcp_call *c, const struct invocation *i, struct execution *out,
                        struct err *e) {
    enum rc rc = execute(c, i, out, e);

    if (rc || !out->failure)
        return rc;
    c->answer.error_is_other = out->error != OK;
    return out->error ? err_set(e, out->error, "%.300s", out->failure)
                      : rpc_internal(e, "%s", out->failure);
}

struct json *execution_json(struct arena *a, const struct execution *x) {
    return x->result ? x->result : json_of_text(a, x->output.p, x->output.len);
}

enum rc execution_bad_output(struct mcp_call *c, const char *what, struct err *e) {
    c->answer.outcome = "bad_output";
    return rpc_internal(e, "the program's output is not %s", what);
}

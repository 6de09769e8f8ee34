/* The process that looks after the program of a task. It is forked twice, so that no worker has to
 * wait for it, and it ends with the program. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/host.h"
#include "mcp/program.h"
#include "mcp/rounds.h"
#include "mcp/tasks.h"

static const char *mailbox_name(struct arena *a, const char *id) {
    return arena_printf(a, "task-%s", id);
}

void task_stop(struct mcp_call *c, const struct task *t) {
    if (!mailbox_send(mailbox_name(c->arena, t->id), "", 0))
        log_debug("task_not_running",
                  kv("task", t->id)); /* it waits for input, or has just ended */
}

static void set_error(struct mcp_call *c, struct task *t, const char *text) {
    struct json *error = json_new_object(c->arena);

    json_put_int(error, "code", -32603);
    json_put_str(error, "message", text);
    json_put(t->record, "error", error);
    task_status(c, t, "failed");
}

/* What the program printed becomes the state of the task. An error of the tool is a result; what
 * gave none is a failure. */
static const char *settle(struct mcp_call *c, const struct tool *tool, struct task *t,
                          const struct run_result *end) {
    const char *outcome = "input_required", *why = NULL;
    struct json *wanted = NULL, *result;
    struct err e = {0};

    if (end->end == RUN_EXITED && !end->code && tool->run.output != TOOL_OUTPUT_TEXT)
        wanted = rounds_wanted(c->arena, end->out);
    if (wanted && !rounds_check(c, wanted, &e) && json_has(wanted, "inputRequests")) {
        json_put(t->record, "inputRequests", json_get(wanted, "inputRequests"));
        json_put(t->record, "state", json_get(wanted, "requestState"));
        json_del(t->record, "inputResponses");
        task_status(c, t, "input_required");
        return outcome;
    }
    if (end->end != RUN_EXITED)
        why = program_failure(c, &tool->run, end, &outcome);
    if (wanted)
        why = e.code ? e.text : "the program asks for nothing";
    if (why) {
        set_error(c, t, why);
        return wanted ? "bad_output" : outcome;
    }
    result = tool_run_result(c->arena, tool, end, &outcome);
    json_put(t->record, "result", tool_check_result(c, tool, result, &outcome));
    task_status(c, t, "completed");
    return outcome;
}

/* Becomes readable when somebody cancels the task, and when the daemon ends. */
static int watch_both(int mailbox, pid_t master) {
    struct epoll_event event = {.events = EPOLLIN};
    int both = epoll_create1(EPOLL_CLOEXEC), daemon = (int)syscall(SYS_pidfd_open, master, 0);

    (void)epoll_ctl(both, EPOLL_CTL_ADD, mailbox, &event);
    if (daemon >= 0)
        (void)epoll_ctl(both, EPOLL_CTL_ADD, daemon, &event);
    return both;
}

static void look_after(struct mcp_call *c, const struct tool *tool, struct task *t, pid_t master) {
    struct program p = {
        .run = &tool->run, .kind = "tool", .name = tool->name, .input = json_new_object(c->arena)};
    struct rounds rounds = {.responses = json_get(t->record, "inputResponses"),
                            .state = json_get(t->record, "state")};
    int64_t began = clock_monotonic_ms();
    struct run_result end;
    struct mailbox *m;
    struct task now;
    struct err e;
    const char *outcome;
    int watch;

    if (mailbox_open(mailbox_name(c->arena, t->id), &m, &e))
        return; /* another one is at it already */
    /* From here on a cancellation finds us; one that came before is in the record. */
    if (task_load(c, t->id, &now, &e) || task_has_ended(&now)) {
        mailbox_close(m);
        return;
    }
    watch = watch_both(*mailbox_watch(m), master);
    json_put(p.input, "arguments", json_get(t->record, "arguments"));
    c->watch = &watch;
    c->deadline_ms = INT64_MAX; /* the limit is the tool's own */
    program_once(c, &p, &rounds, &end);
    outcome = settle(c, tool, t, &end);
    if (task_load(c, t->id, &now, &e) || task_has_ended(&now))
        outcome = "cancelled";
    else if (task_save(c, t, &e)) {
        json_del(t->record, "result");
        set_error(c, t, "The result is too long to be kept");
        outcome = "too_much_output";
        if (task_save(c, t, &e))
            log_error("task_not_kept", kv("task", t->id), kv("why", e.text));
    }
    log_info("task_run", kv("task", t->id), kv("tool", tool->name), kv("sub", c->claims->sub),
             kv("client_id", c->claims->client_id), kv("outcome", outcome),
             kvn("ms", clock_monotonic_ms() - began));
    mailbox_close(m);
}

/* Nothing of the worker is used here but its memory: not its connection, and not its handle on the
 * cache, which must not be used after a fork. */
static _Noreturn void task_process(struct mcp_call *c, const struct tool *tool, struct task *t,
                                   pid_t master) {
    struct context cx = *c->cx;
    sigset_t none;
    struct err e;

    (void)setsid();
    (void)prctl(PR_SET_NAME, "mcp-task");
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGQUIT, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (syscall(SYS_close_range, 3, ~0U, 0))
        for (int fd = 3; fd < 65536; fd++)
            (void)close(fd);
    if (host_cache_open(arena_printf(c->arena, "%s/cache", cx.config->state_dir), &cx.host, &e)) {
        log_error("task_not_kept", kv("task", t->id), kv("why", e.text));
        _exit(1);
    }
    c->cx = &cx;
    c->rp->sink = NULL; /* nobody listens: messages on the way are dropped */
    look_after(c, tool, t, master);
    _exit(0);
}

enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t, struct err *e) {
    pid_t pid, master = getppid();
    int status;
    enum rc rc;

    json_put_int(t->record, "until",
                 clock_now_s(&c->cx->clock) + tool->run.timeout_ms / 1000 + TASK_LOST_S);
    json_del(t->record, "inputRequests");
    task_status(c, t, "working");
    rc = task_save(c, t, e); /* before the client hears of it, and before it can end */
    if (rc)
        return rc;
    pid = fork();
    if (pid == 0) {
        if (fork() == 0)
            task_process(c, tool, t, master);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 ? OK : err_set(e, ERR_RPC_INTERNAL, "Internal error: the task does not start");
}

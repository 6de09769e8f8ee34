/* Private part of tasks.h: the process that runs the program of a task. */
#include "exec/tasks.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/watchdog.h"
#include "exec/input_required.h"
#include "exec/tool_result.h"
#include "mcp/bearer_auth.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "shared/cache.h"
#include "shared/message_socket.h"
#include "store/stores.h"

#define MESSAGE_MAX 64
#define SAVE_S 300 /* how long saving the result is retried while the store fails */
#define SAVE_AGAIN_MS 1000
#define DENY_CHECK_MS 1000 /* how often DENY_FILE is checked while a program runs */

static void log_store_failure(const struct task *t, const struct err *e) {
    log_error("task_store_failed", kv("task", t->id), kv("why", e->text), kv("detail", e->detail));
}

/* ---- the outcome ---- */

/* "Each request key in inputRequests MUST be unique over the lifetime of a single task" (SEP-2663,
 * "Task Update Requests"): a key that the program uses again is renamed for the client. */
static void set_input_requests(struct task *t, const struct json *given) {
    struct json *requests = json_new_object(t->arena), *names = json_new_object(t->arena);
    struct json *asked = json_ensure_object(t->arena, t->record, "asked");

    for (struct json_member m = json_first(given); m.key; json_next(&m)) {
        const char *key = m.key;

        for (int n = 2; json_has(asked, key) || json_has(requests, key); n++)
            key = arena_printf(t->arena, "%s#%d", m.key, n);
        json_put(requests, key, m.value);
        json_put_str(names, key, m.key);
    }
    for (struct json_member m = json_first(requests); m.key; json_next(&m))
        json_put_bool(asked, m.key, true);
    json_put(t->record, "inputRequests", requests);
    json_put(t->record, "names", names);
}

/* The client's answers, under the keys that the program used. */
static struct json *input_responses(const struct task *t) {
    struct json *given = json_get(t->record, "inputResponses"), *out;
    const struct json *names = json_get(t->record, "names");

    if (!given || !names) /* none, or those that came with the call */
        return given;
    out = json_new_object(t->arena);
    for (struct json_member m = json_first(given); m.key; json_next(&m)) {
        const char *name = json_get_str(names, m.key);

        json_put(out, name ? name : m.key, m.value);
    }
    return out;
}

/* False: the program's request is wrong, or the client does not support it. */
static bool ask_client(struct mcp_call *c, struct task *t, const struct json *request) {
    const struct json *requests = json_get(request, "inputRequests");
    struct err e = {0};

    if (client_requests_check(c, request, &e) || !requests) {
        task_fail(t, e.code ? e.text : "the program asks for nothing");
        return false;
    }
    set_input_requests(t, requests);
    json_put(t->record, "state", json_get(request, "requestState"));
    json_del(t->record, "inputResponses");
    task_set_status(t, "input_required");
    return true;
}

/* Turns the outcome into the task's state. If the tool reports an error, the task is "completed"
 * with an error result; if there is no result, it is "failed". Returns the outcome's word for the
 * log. */
static const char *record_outcome(struct mcp_call *c, const struct tool *tool, struct task *t,
                                  const struct execution *x) {
    if (x->input_request)
        return ask_client(c, t, x->input_request) ? "input_required" : "bad_output";
    if (x->end == EXECUTION_ABORTED || x->end == EXECUTION_CANCELLED) {
        task_fail(t, x->failure);
        return x->outcome;
    }
    json_put(t->record, "result", tool_check_result(c, tool, tool_result(c, tool, x)));
    task_set_status(t, "completed");
    return c->answer.outcome;
}

/* ---- while it runs ---- */

struct monitor {
    struct task *t;
    int epoll;           /* of timer, master, sigterm and the task's socket */
    int timer;           /* for the next look at DENY_FILE and the lease */
    int master, sigterm; /* pidfd of the master, readable when it has ended; signalfd of SIGTERM */
    bool is_orphan;      /* the master had ended before `master` was opened */
    int64_t renew_ms;    /* when the lease must be renewed */
    struct buf message;
    struct file_version deny;         /* of DENY_FILE, when it was read */
    const struct token_claims *owner; /* of the task */
    bool record_changed; /* by another process: the task was cancelled or marked as lost */
    bool denied;         /* DENY_FILE names the user */
};

static bool must_shut_down(const struct monitor *m, int wait_ms) {
    struct pollfd fds[] = {{.fd = m->master, .events = POLLIN},
                           {.fd = m->sigterm, .events = POLLIN}};

    return m->is_orphan || poll(fds, 2, wait_ms) > 0;
}

/* Programs of a denied user are ended. This process reads DENY_FILE itself, since no worker can
 * tell it about a reload. */
static bool is_denied(struct monitor *m) {
    const char *path = m->t->site->config->deny_file;
    struct deny_list *list;
    struct file_version now;
    struct stat st;
    unsigned bad;
    FILE *problems; /* the workers have already reported them */

    if (stat(path, &st))
        return false;
    now = file_version_of(&st);
    if (file_version_equal(&now, &m->deny))
        return false;
    problems = fopen("/dev/null", "we");
    if (!problems)
        return false;
    m->deny = now;
    list = deny_load(path, clock_now_s(&m->t->site->clock), problems, &bad);
    m->denied = bearer_is_denied(list, m->owner);
    deny_free(list);
    (void)fclose(problems);
    return m->denied;
}

/* Renews the lease. If another process has changed the record, sets record_changed, and the program
 * is stopped. While the store fails, the program runs on. */
static void renew(struct monitor *m) {
    struct err e;

    m->renew_ms = clock_monotonic_ms() + m->t->site->mcp->tasks->renewal_ms;
    switch (task_renew_lease(m->t, &e)) {
    case OK:
        break;
    case ERR_CONFLICT:
        m->record_changed = true;
        break;
    default:
        log_warn("task_not_renewed", kv("task", m->t->id), kv("why", e.text),
                 kv("detail", e.detail));
    }
}

/* Called when a descriptor is readable: the timer, the task's socket (perhaps without a message, if
 * another user has connected), or what tells the end of the daemon. */
static bool must_stop(void *arg) {
    struct monitor *m = arg;
    bool is_woken = m->t->socket >= 0 &&
                    message_socket_wait(m->t->socket, -1, clock_monotonic_ms(), &m->message) ==
                        MESSAGE_SOCKET_RECEIVED;
    uint64_t times;

    watchdog_heartbeat();
    while (read(m->timer, &times, sizeof times) > 0)
        ;
    if (must_shut_down(m, 0) || is_denied(m))
        return true;
    if (is_woken || clock_monotonic_ms() >= m->renew_ms)
        renew(m);
    return m->record_changed;
}

static void monitor_begin(struct monitor *m, struct mcp_call *c, struct task *t) {
    const struct timespec every = {DENY_CHECK_MS / 1000, DENY_CHECK_MS % 1000 * 1000000};
    const struct itimerspec timer = {every, every};
    sigset_t sigterm; /* blocked in this process as in its worker */

    (void)sigemptyset(&sigterm);
    (void)sigaddset(&sigterm, SIGTERM);
    *m = (struct monitor){.t = t, .owner = c->client.claims};
    buf_init(&m->message, t->arena, MESSAGE_MAX);
    m->epoll = epoll_create1(EPOLL_CLOEXEC);
    m->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    m->master = (int)syscall(SYS_pidfd_open, watchdog_master(), 0);
    m->is_orphan = m->master < 0 && errno == ESRCH;
    m->sigterm = signalfd(-1, &sigterm, SFD_CLOEXEC | SFD_NONBLOCK);
    (void)timerfd_settime(m->timer, 0, &timer, NULL);

    const int fds[] = {m->timer, m->master, m->sigterm, t->socket};

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        struct epoll_event event = {.events = EPOLLIN};

        if (fds[i] >= 0)
            (void)epoll_ctl(m->epoll, EPOLL_CTL_ADD, fds[i], &event);
    }
}

/* Retries while the store fails, so that the result is not lost. */
static enum rc save_end(struct monitor *m, struct err *e) {
    int64_t until = clock_monotonic_ms() + SAVE_S * 1000;

    for (;;) {
        enum rc rc = task_save(m->t, e);

        watchdog_heartbeat();
        if (rc == ERR_TOO_LARGE) {
            task_fail(m->t, arena_printf(m->t->arena,
                                         "The result is too long: a task's record has at most %d "
                                         "bytes",
                                         TASK_RECORD_MAX));
            rc = task_save(m->t, e);
        }
        if (rc != ERR_STORE || clock_monotonic_ms() >= until || must_shut_down(m, SAVE_AGAIN_MS))
            return rc;
    }
}

static const char *run_and_save(struct mcp_call *c, const struct tool *tool, struct monitor *m) {
    struct task *t = m->t;
    const struct invocation i = {&tool->entry.source,
                                 "tool",
                                 tool->entry.name,
                                 {{"arguments", json_get(t->record, "arguments")}}};
    const struct input_required input = {.responses = input_responses(t),
                                         .state = json_get(t->record, "state")};
    const char *outcome;
    struct execution x;
    struct err e;
    enum rc rc;

    c->cancel.watch = &m->epoll;
    c->cancel.must_stop = must_stop;
    c->cancel.must_stop_arg = m;
    c->cancel.deadline_ms = INT64_MAX; /* only the tool's own time limit applies */
    executor_of(i.source)->execute(c, &i, &input, &x);
    if (m->record_changed)
        return "cancelled";
    outcome = m->denied ? "denied" : record_outcome(c, tool, t, &x);
    if (m->denied)
        task_fail(t, "The user no longer has access");
    else if (x.end == EXECUTION_CANCELLED)
        task_fail(t, "The server that ran the task was stopped");
    rc = save_end(m, &e);
    if (rc == ERR_CONFLICT)
        return "cancelled";
    if (rc)
        log_store_failure(t, &e);
    return rc ? "not_stored" : outcome;
}

/* In the log and in the audit log. */
static void log_run(const struct mcp_call *c, const struct task *t, const char *outcome,
                    int64_t ms) {
    const char *tool = json_get_str(t->record, "tool");

    log_info("task_run", kv("task", t->id), kv("tool", tool), kv("sub", c->client.claims->sub),
             kv("client_id", c->client.claims->client_id), kv("outcome", outcome), kvn("ms", ms));
    mcp_call_audit(c, &(struct mcp_call_end){.event = "task_run",
                                             .outcome = outcome,
                                             .kind = "tool",
                                             .target = tool,
                                             .task = t->id,
                                             .ms = ms});
}

static void run_monitored(struct mcp_call *c, const struct tool *tool, struct task *t) {
    int64_t began = clock_monotonic_ms();
    const char *outcome = "cancelled";
    struct monitor m;

    monitor_begin(&m, c, t);
    /* From now on a cancellation reaches this process; an earlier one is in the record. */
    renew(&m);
    if (!m.record_changed)
        outcome = run_and_save(c, tool, &m);
    log_run(c, t, outcome, clock_monotonic_ms() - began);
    descriptor_clear(&t->socket);
}

/* ---- starting it ---- */

/* What the new process does. Of the worker it uses only the memory: connections, and the handles of
 * cache and store, must not be used after a fork. */
static _Noreturn void task_process(struct mcp_call *c, const struct tool *tool, struct task *t) {
    struct site site = *c->x->site;
    struct mcp_site mcp = *site.mcp;
    struct err e;

    site.mcp = &mcp;
    mcp.on_call = NULL;
    if (mcp.audit.write)
        mcp.audit.after_fork(mcp.audit.arg);
    metrics_use_shared_slot();
    if (cache_open(arena_printf(c->arena, "%s/cache", site.config->state_dir),
                   site.config->workers_max, &site.clock, &site.cache, &e) ||
        task_store_open(&(struct store_options){.config = site.config,
                                                .clock = &site.clock,
                                                .cache = site.cache},
                        &mcp.tasks, &e)) {
        log_store_failure(t, &e);
        _exit(1); /* its lease expires, then the task is marked as failed */
    }
    c->x->site = t->site = &site;
    c->x->rp->sink = NULL; /* there is no stream: messages are dropped */
    run_monitored(c, tool, t);
    _exit(0);
}

enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t, struct err *e) {
    struct child_start how = {.name = "mcp-task",
                              .silent_max_ms =
                                  TASK_LEASE_S * 1000}; /* then the lease has expired anyway */
    const int64_t now_s = clock_now_s(&t->site->clock);
    int started = -1;
    enum rc rc;

    task_set_status(t, "working");
    task_socket_open(t);
    json_del(t->record, "inputRequests");
    t->ttl = now_s + tool->entry.source.timeout_ms / 1000 + TASK_TTL_S;
    t->lease = now_s + TASK_LEASE_S;
    rc = task_save(t, e); /* before the client knows the task, and before it can end */
    if (!rc) {
        how.keep[0] = t->slot;
        how.keep[1] = t->socket;
        started = child_fork_detached(&how);
    }
    if (started == 0)
        task_process(c, tool, t);
    (void)close(t->slot); /* if the task runs, its process has its own copies of slot and socket */
    descriptor_clear(&t->socket);
    if (rc || started > 0)
        return rc;
    task_fail(t, "The program could not be started");
    if (task_save(t, e))
        log_store_failure(t, e);
    return rpc_internal(e, "the task could not be started");
}

#include "exec/task_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/watchdog.h"
#include "exec/client_requests.h"
#include "exec/executors.h"
#include "exec/input_required.h"
#include "exec/task_record.h"
#include "exec/tool_result.h"
#include "mcp/bearer_auth.h"
#include "mcp/call.h"
#include "metrics/metrics.h"
#include "runner/child.h"
#include "shared/cache.h"
#include "shared/message_socket.h"

#define MESSAGE_MAX 64
#define SAVE_S 300 /* how long saving the result is retried while the store fails */
#define SAVE_AGAIN_MS 1000
#define DENY_LOOK_MS 1000 /* how often DENY_FILE is checked while a program runs */

/* ---- the outcome ---- */

/* "Each request key in inputRequests MUST be unique over the lifetime of a single task" (SEP-2663,
 * "Task Update Requests"): a key that the program uses again is renamed for the client. */
static void ask(struct task *t, const struct json *requested) {
    struct json *requests = json_new_object(t->arena), *names = json_new_object(t->arena);
    struct json *asked = json_get(t->record, "asked");
    struct json_member m;

    if (!asked)
        asked = json_new_object(t->arena);
    for (bool more = json_first(requested, &m); more; more = json_next(&m)) {
        const char *key = m.key;

        for (int n = 2; json_has(asked, key) || json_has(requests, key); n++)
            key = arena_printf(t->arena, "%s#%d", m.key, n);
        json_put(requests, key, m.value);
        json_put_str(names, key, m.key);
    }
    for (bool more = json_first(requests, &m); more; more = json_next(&m))
        json_put_bool(asked, m.key, true);
    json_put(t->record, "inputRequests", requests);
    json_put(t->record, "names", names);
    json_put(t->record, "asked", asked);
}

/* The client's answers, under the keys that the program used. */
static struct json *answers(const struct task *t) {
    struct json *given = json_get(t->record, "inputResponses"), *out;
    const struct json *names = json_get(t->record, "names");
    struct json_member m;

    if (!given || !names) /* none, or those that came with the call */
        return given;
    out = json_new_object(t->arena);
    for (bool more = json_first(given, &m); more; more = json_next(&m)) {
        const char *name = json_get_str(names, m.key);

        json_put(out, name ? name : m.key, m.value);
    }
    return out;
}

/* False: the program's request is wrong, or the client does not support it. */
static bool ask_client(struct mcp_call *c, struct task *t, const struct json *requested) {
    struct err e;

    if (client_requests_check(c, requested, &e)) {
        task_fail(t, e.text);
        return false;
    }
    if (!json_get(requested, "inputRequests")) {
        task_fail(t, "the program asks for nothing");
        return false;
    }
    ask(t, json_get(requested, "inputRequests"));
    json_put(t->record, "state", json_get(requested, "requestState"));
    json_del(t->record, "inputResponses");
    task_status(t, "input_required");
    return true;
}

/* Turns the outcome into the task's state. If the tool reports an error, the task is "completed"
 * with an error result; if there is no result, it is "failed". Returns the outcome's word for the
 * log. */
static const char *outcome_to_state(struct mcp_call *c, const struct tool *tool, struct task *t,
                                    const struct execution *x) {
    if (x->requested)
        return ask_client(c, t, x->requested) ? "input_required" : "bad_output";
    if (x->end == EXECUTION_ABORTED || x->end == EXECUTION_CANCELLED) {
        task_fail(t, x->failure);
        return x->outcome;
    }
    json_put(t->record, "result", tool_check_result(c, tool, tool_result(c, tool, x)));
    task_status(t, "completed");
    return c->answer.outcome;
}

/* ---- while it runs ---- */

struct watch {
    struct task *t;
    int all, timer;   /* `all`: epoll of timer, daemon, stop and the task's socket */
    int daemon, stop; /* pidfd of the master, readable when it has ended; signalfd of SIGTERM */
    bool is_late;     /* the master had ended before `daemon` was opened */
    int64_t renew_ms; /* when the lease must be renewed */
    struct buf message;
    struct stat deny;              /* DENY_FILE as it was when it was read */
    const struct token_claims *of; /* the task's owner */
    bool is_replaced; /* another process has changed the record: the task was cancelled or marked as
                         lost */
    bool denied;      /* DENY_FILE names the user */
};

static bool daemon_ends(const struct watch *w, int wait_ms) {
    struct pollfd fds[] = {{.fd = w->daemon, .events = POLLIN}, {.fd = w->stop, .events = POLLIN}};

    return w->is_late || poll(fds, 2, wait_ms) > 0;
}

/* Programs of a denied user are ended. This process reads DENY_FILE itself, since no worker can
 * tell it about a reload. */
static bool is_denied(struct watch *w) {
    const char *path = w->t->site->config->deny_file;
    struct deny_list *list;
    struct stat now = {0};
    unsigned bad;
    FILE *problems; /* the workers have already reported them */

    if (stat(path, &now) || (now.st_mtim.tv_sec == w->deny.st_mtim.tv_sec &&
                             now.st_mtim.tv_nsec == w->deny.st_mtim.tv_nsec &&
                             now.st_ino == w->deny.st_ino && now.st_size == w->deny.st_size))
        return false;
    problems = fopen("/dev/null", "we");
    if (!problems)
        return false;
    w->deny = now;
    list = deny_load(path, clock_now_s(&w->t->site->clock), problems, &bad);
    w->denied = bearer_is_denied(list, w->of);
    deny_free(list);
    (void)fclose(problems);
    return w->denied;
}

/* Renews the lease. If another process has changed the record, sets is_replaced, and the program is
 * stopped. While the store fails, the program runs on. */
static void renew(struct watch *w) {
    struct err e;

    w->renew_ms = clock_monotonic_ms() + w->t->site->mcp->tasks->look_ms;
    switch (task_renew(w->t, &e)) {
    case OK:
        break;
    case ERR_CONFLICT:
        w->is_replaced = true;
        break;
    default:
        log_warn("task_not_renewed", kv("task", w->t->id), kv("why", e.text),
                 kv("detail", e.detail));
    }
}

/* Called when a descriptor is readable: a timer, a message (or a connection of another user), or
 * the end of the daemon. */
static bool must_stop(void *arg) {
    struct watch *w = arg;
    bool is_woken = w->t->socket && message_socket_wait(w->t->socket, -1, clock_monotonic_ms(),
                                                        &w->message) == MESSAGE_SOCKET_RECEIVED;
    uint64_t times;

    watchdog_heartbeat();
    while (read(w->timer, &times, sizeof times) > 0)
        ;
    if (daemon_ends(w, 0) || is_denied(w))
        return true;
    if (is_woken || clock_monotonic_ms() >= w->renew_ms)
        renew(w);
    return w->is_replaced;
}

/* A signalfd of SIGTERM, which is blocked in this process as in its worker. */
static int open_stop(void) {
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void watch(struct watch *w, struct mcp_call *c, struct task *t) {
    const struct timespec every = {DENY_LOOK_MS / 1000, DENY_LOOK_MS % 1000 * 1000000};
    const struct itimerspec timer = {every, every};

    *w = (struct watch){.t = t, .of = c->client.claims};
    buf_init(&w->message, t->arena, MESSAGE_MAX);
    w->all = epoll_create1(EPOLL_CLOEXEC);
    w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    w->daemon = (int)syscall(SYS_pidfd_open, watchdog_master(), 0);
    w->is_late = w->daemon < 0 && errno == ESRCH;
    w->stop = open_stop();
    (void)timerfd_settime(w->timer, 0, &timer, NULL);

    const int fds[] = {w->timer, w->daemon, w->stop,
                       t->socket ? *message_socket_watch(t->socket) : -1};

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        struct epoll_event event = {.events = EPOLLIN};

        if (fds[i] >= 0)
            (void)epoll_ctl(w->all, EPOLL_CTL_ADD, fds[i], &event);
    }
}

/* Retries while the store fails, so that the result is not lost. */
static enum rc save_end(struct watch *w, struct err *e) {
    int64_t until = clock_monotonic_ms() + SAVE_S * 1000;

    for (;;) {
        enum rc rc = task_save(w->t, e);

        watchdog_heartbeat();
        if (rc == ERR_TOO_LARGE) {
            task_fail(w->t, arena_printf(w->t->arena,
                                         "The result is too long: a task's record has at most %d "
                                         "bytes",
                                         TASK_RECORD_MAX));
            rc = task_save(w->t, e);
        }
        if (rc != ERR_STORE || clock_monotonic_ms() >= until || daemon_ends(w, SAVE_AGAIN_MS))
            return rc;
    }
}

static const char *run_and_save(struct mcp_call *c, const struct tool *tool, struct watch *w) {
    struct task *t = w->t;
    const struct invocation i = {&tool->entry.source,
                                 "tool",
                                 tool->entry.name,
                                 {{"arguments", json_get(t->record, "arguments")}}};
    const struct input_required input = {.responses = answers(t),
                                         .state = json_get(t->record, "state")};
    const char *outcome;
    struct execution x;
    struct err e;
    enum rc rc;

    c->cancel.watch = &w->all;
    c->cancel.confirm = must_stop;
    c->cancel.confirm_arg = w;
    c->cancel.deadline_ms = INT64_MAX; /* only the tool's own time limit applies */
    executor_of(i.source)->execute(c, &i, &input, &x);
    if (w->is_replaced)
        return "cancelled";
    outcome = w->denied ? "denied" : outcome_to_state(c, tool, t, &x);
    if (w->denied)
        task_fail(t, "The user is not let in any more");
    else if (x.end == EXECUTION_CANCELLED)
        task_fail(t, "The server that ran the task was stopped");
    rc = save_end(w, &e);
    if (rc == ERR_CONFLICT)
        return "cancelled";
    if (rc)
        log_error("task_not_kept", kv("task", t->id), kv("why", e.text), kv("detail", e.detail));
    return rc ? "not_kept" : outcome;
}

static void look_after(struct mcp_call *c, const struct tool *tool, struct task *t) {
    int64_t began = clock_monotonic_ms();
    const char *outcome = "cancelled";
    struct watch w;

    watch(&w, c, t);
    /* From now on a cancellation reaches this process; an earlier one is in the record. */
    renew(&w);
    if (!w.is_replaced)
        outcome = run_and_save(c, tool, &w);
    log_info("task_run", kv("task", t->id), kv("tool", tool->entry.name),
             kv("sub", c->client.claims->sub), kv("client_id", c->client.claims->client_id),
             kv("outcome", outcome), kvn("ms", clock_monotonic_ms() - began));
    task_socket_close(t);
}

/* ---- starting it ---- */

static enum rc open_own(struct mcp_call *c, struct site *site, struct err *e) {
    if (cache_open(arena_printf(c->arena, "%s/cache", site->config->state_dir),
                   site->config->workers_max, &site->clock, &site->cache, e))
        return e->code;
    return task_store_again(site->mcp->tasks, site->cache, &site->mcp->tasks, e);
}

/* What the new process does. Of the worker it uses only the memory: connections, and the handles of
 * cache and store, must not be used after a fork. */
static _Noreturn void task_process(struct mcp_call *c, const struct tool *tool, struct task *t) {
    struct site site = *c->x->site;
    struct mcp_site mcp = *site.mcp;
    struct err e;

    site.mcp = &mcp;
    metrics_use_shared_slot();
    if (open_own(c, &site, &e)) {
        log_error("task_not_kept", kv("task", t->id), kv("why", e.text), kv("detail", e.detail));
        _exit(1); /* its lease expires, then the task is marked as failed */
    }
    c->x->site = t->site = &site;
    c->x->rp->sink = NULL; /* there is no stream: messages are dropped */
    look_after(c, tool, t);
    _exit(0);
}

static void task_mark_running(struct task *t, const struct tool *tool) {
    int64_t now_s = clock_now_s(&t->site->clock);

    task_status(t, "working");
    task_socket_open(t);
    json_del(t->record, "inputRequests");
    t->ttl = now_s + tool->entry.source.timeout_ms / 1000 + TASK_TTL_S;
    t->lease = now_s + TASK_LEASE_S;
}

enum rc task_start(struct mcp_call *c, const struct tool *tool, struct task *t, struct err *e) {
    struct child_start how = {.name = "mcp-task",
                              .silent_max_ms =
                                  TASK_LEASE_S * 1000}; /* then the lease has expired anyway */
    int started = -1;
    enum rc rc;

    task_mark_running(t, tool);
    rc = task_save(t, e); /* before the client knows the task, and before it can end */
    if (!rc) {
        how.keep[0] = t->slot;
        how.keep[1] = t->socket ? *message_socket_watch(t->socket) : -1;
        started = child_fork_detached(&how);
    }
    if (started == 0)
        task_process(c, tool, t);
    (void)close(t->slot); /* if the task runs, its process has its own copies of slot and socket */
    task_socket_close(t);
    if (rc || started > 0)
        return rc;
    task_fail(t, "The program could not be started");
    if (task_save(t, e))
        log_error("task_not_kept", kv("task", t->id), kv("why", e->text), kv("detail", e->detail));
    return err_set(e, ERR_RPC_INTERNAL, "Internal error: the task does not start");
}

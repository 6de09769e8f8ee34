#include "runner/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/child.h"

#define READ_BYTES 16384
#define NO_PIDFD_POLL_MS 10 /* how often to look, where the kernel has no pidfd */
#define REAP_MS 1000        /* to wait for a killed program that hangs in the kernel */
#define DRAIN_READS 64      /* of what is left in the pipes when the program has ended */
#define STATUS_FD 3         /* in the child: carries errno if exec fails */
#define SPARE_FD 10         /* in the child: where the pipes are out of the way of 0 to 3 */

/* Both ends of each pipe; -1: closed. */
struct pipes {
    int in[2], out[2], err[2], status[2];
};

struct process {
    pid_t pid;
    int in, out, err, pidfd; /* -1: closed, or not there */
    struct text input;       /* what is still to be written */
    struct buf output, error;
    const struct process_spec *spec;
    int64_t deadline_ms;
    struct process_result *result;
};

static void close_fd(int *fd) {
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void close_pipes(struct pipes *p) {
    for (int i = 0; i < 2; i++) {
        close_fd(&p->in[i]);
        close_fd(&p->out[i]);
        close_fd(&p->err[i]);
        close_fd(&p->status[i]);
    }
}

static bool open_pipes(struct pipes *p) {
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    return !pipe2(p->in, O_CLOEXEC) && !pipe2(p->out, O_CLOEXEC) && !pipe2(p->err, O_CLOEXEC) &&
           !pipe2(p->status, O_CLOEXEC);
}

/* ---- in the child: only functions that are safe after vfork, and no write to the parent's data
 * ---- */

/* 0, 1, 2 become the pipes, and STATUS_FD the status pipe, which exec closes. */
static bool place_descriptors(const struct pipes *p) {
    int in = fcntl(p->in[0], F_DUPFD, SPARE_FD), out = fcntl(p->out[1], F_DUPFD, SPARE_FD);
    int err = fcntl(p->err[1], F_DUPFD, SPARE_FD), status = fcntl(p->status[1], F_DUPFD, SPARE_FD);

    return in >= 0 && out >= 0 && err >= 0 && status >= 0 && dup2(in, 0) >= 0 &&
           dup2(out, 1) >= 0 && dup2(err, 2) >= 0 && dup3(status, STATUS_FD, O_CLOEXEC) >= 0;
}

static _Noreturn void become_program(const struct process_spec *spec, const struct pipes *p,
                                     pid_t parent) {
    static const struct child_start how = {.keep = {STATUS_FD},
                                           .signals = CHILD_SIGNALS_DEFAULT,
                                           .death_signal = SIGKILL,
                                           .own_session = true,
                                           .no_new_privileges = true};
    int status = p->status[1], error;

    if (place_descriptors(p)) {
        status = STATUS_FD;
        child_begin(&how, parent);
        if (!chdir(spec->dir))
            /* execve does not write to them; its prototype is older than const. */
            (void)execve(spec->argv[0], (char *const *)(uintptr_t)spec->argv,
                         (char *const *)(uintptr_t)spec->envp);
    }
    error = errno;
    while (write(status, &error, sizeof error) < 0 && errno == EINTR)
        ;
    _exit(127);
}

/* ---- in the worker ---- */

static int time_left(const struct process *r) {
    int64_t left = r->deadline_ms - clock_monotonic_ms();

    return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static bool wait_readable(int fd, int timeout_ms) {
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    return poll(&pfd, 1, timeout_ms) > 0;
}

/* The status pipe ends when exec has succeeded, and carries errno when it has not. */
static bool started(struct process *r, int status) {
    int error = 0;
    ssize_t n;

    while (!wait_readable(status, time_left(r)))
        if (!time_left(r)) {
            r->result->end = PROCESS_TIMED_OUT;
            return false;
        }
    n = read(status, &error, sizeof error);
    if (n <= 0)
        return true;
    r->result->end = PROCESS_NOT_STARTED;
    r->result->code = error;
    return false;
}

static void take_ends(struct process *r, struct pipes *p) {
    r->in = p->in[1];
    r->out = p->out[0];
    r->err = p->err[0];
    p->in[1] = p->out[0] = p->err[0] = -1;
    (void)fcntl(r->in, F_SETFL, O_NONBLOCK);
    (void)fcntl(r->out, F_SETFL, O_NONBLOCK);
    (void)fcntl(r->err, F_SETFL, O_NONBLOCK);
}

/* False: the program did not start, or has to be killed. By vfork, since copying the worker's page
 * tables, and then its pages, took half of the time of a call of a small program. The worker stops
 * until exec; all signals are blocked in it. */
static bool start(struct process *r, const struct process_spec *spec) {
    pid_t parent = getpid();
    struct pipes p;
    bool ok;

    if (open_pipes(&p))
        r->pid = vfork();
    if (r->pid == 0)
        become_program(spec, &p, parent);
    if (r->pid < 0) {
        r->result->end = PROCESS_NOT_STARTED;
        r->result->code = errno;
        close_pipes(&p);
        return false;
    }
    r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    take_ends(r, &p);
    close_fd(&p.status[1]);
    ok = started(r, p.status[0]);
    close_pipes(&p);
    return ok;
}

static void write_input(struct process *r) {
    ssize_t n = r->input.len ? write(r->in, r->input.p, r->input.len) : 0;

    if (n > 0) {
        r->input.p += n;
        r->input.len -= (size_t)n;
    }
    /* A program that does not read its input is not wrong: EPIPE is no failure. */
    if (!r->input.len || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_fd(&r->in);
}

/* Reads once. What does not fit sets the buffer's overflow. False: nothing there now. */
static bool read_some(int *fd, struct buf *b) {
    char chunk[READ_BYTES];
    ssize_t n;
    size_t fits;

    if (*fd < 0)
        return false;
    n = read(*fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        close_fd(fd);
        return false;
    }
    fits = b->max - b->len < (size_t)n ? b->max - b->len : (size_t)n;
    buf_add(b, chunk, fits);
    if (fits < (size_t)n)
        b->overflow = true;
    return true;
}

static void pass_line(struct process *r, const char *line, size_t len) {
    r->output.overflow = r->output.overflow || len > r->spec->output_max;
    if (!r->output.overflow)
        r->spec->line(r->spec->arg, line, len);
}

/* Passes on the complete lines; at the end of the output, also a last line without a newline. After
 * a line that is too long no more are passed on, whatever pieces the output arrives in. */
static void pass_lines(struct process *r, bool at_end) {
    size_t from = 0;
    char *p = r->output.p, *end;

    if (!r->spec->line)
        return;
    while ((end = memchr(p + from, '\n', r->output.len - from))) {
        pass_line(r, p + from, (size_t)(end - p) - from);
        from = (size_t)(end - p) + 1;
    }
    if (at_end && from < r->output.len) {
        pass_line(r, p + from, r->output.len - from);
        from = r->output.len;
    }
    r->output.len -= from;
    memmove(p, p + from, r->output.len);
    r->output.overflow = r->output.overflow || r->output.len > r->spec->output_max;
}

/* Looks without reaping: as long as the leader is not reaped, no one else can get its process
 * group's number. */
static bool has_ended(const struct process *r, siginfo_t *how) {
    memset(how, 0, sizeof *how);
    if (waitid(P_PID, (id_t)r->pid, how, WEXITED | WNOHANG | WNOWAIT))
        return errno == ECHILD;
    return how->si_pid == r->pid;
}

static void note_end(struct process *r, const siginfo_t *how) {
    r->result->end =
        how->si_code == CLD_EXITED || !how->si_pid ? PROCESS_EXITED : PROCESS_SIGNALLED;
    r->result->code = how->si_pid ? how->si_status : 127;
}

/* How long to wait for what happens next; -1: the program is to be stopped. */
static int next_wait(struct process *r) {
    int left = time_left(r), tick = r->spec->tick ? r->spec->tick(r->spec->tick_arg) : INT_MAX;

    if (!left || tick < 0) {
        r->result->end = left ? PROCESS_CANCELLED : PROCESS_TIMED_OUT;
        return -1;
    }
    if (r->pidfd < 0 && left > NO_PIDFD_POLL_MS)
        left = NO_PIDFD_POLL_MS;
    return tick < left ? tick : left;
}

enum { FD_IN, FD_OUT, FD_ERR, FD_PID, FD_WATCH, FD_COUNT };

static void serve_pipes(struct process *r, const struct pollfd fds[FD_COUNT]) {
    if (fds[FD_IN].revents)
        write_input(r);
    if (fds[FD_OUT].revents && read_some(&r->out, &r->output) && !r->output.overflow)
        pass_lines(r, false);
    if (fds[FD_ERR].revents)
        (void)read_some(&r->err, &r->error);
}

/* Has the program ended, or does it have to be stopped? r->result->end says which. */
static bool is_over(struct process *r, const struct pollfd fds[FD_COUNT]) {
    siginfo_t how;

    if (r->output.overflow) {
        r->result->end = PROCESS_TOO_MUCH;
        return true;
    }
    if (fds[FD_WATCH].revents && (!r->spec->confirm || r->spec->confirm(r->spec->confirm_arg))) {
        r->result->end = PROCESS_CANCELLED;
        return true;
    }
    if ((r->pidfd >= 0 && !fds[FD_PID].revents) || !has_ended(r, &how))
        return false;
    note_end(r, &how);
    return true;
}

/* Serves the pipes until the program ends or passes a limit. */
static void serve(struct process *r) {
    int timeout;

    while ((timeout = next_wait(r)) >= 0) {
        struct pollfd fds[FD_COUNT] = {
            [FD_IN] = {.fd = r->in, .events = POLLOUT},
            [FD_OUT] = {.fd = r->out, .events = POLLIN},
            [FD_ERR] = {.fd = r->err, .events = POLLIN},
            [FD_PID] = {.fd = r->pidfd, .events = POLLIN},
            [FD_WATCH] = {.fd = r->spec->watch ? *r->spec->watch : -1, .events = POLLIN}};

        if (poll(fds, FD_COUNT, timeout) < 0)
            continue; /* EINTR; anything else ends at the deadline */
        serve_pipes(r, fds);
        if (is_over(r, fds))
            return;
    }
}

/* Reads what the program wrote before it ended. Another process may keep the pipes open, so what is
 * not there now is not waited for. */
static void drain(struct process *r) {
    for (int i = 0; i < DRAIN_READS && !r->output.overflow && read_some(&r->out, &r->output); i++)
        pass_lines(r, false);
    for (int i = 0; i < DRAIN_READS && read_some(&r->err, &r->error); i++)
        ;
    if (!r->output.overflow)
        pass_lines(r, true);
    if (r->output.overflow)
        r->result->end = PROCESS_TOO_MUCH;
}

/* Gives a program that is stopped PROCESS_GRACE_MS to tidy up. */
static void ask_to_end(const struct process *r) {
    int64_t until = clock_monotonic_ms() + PROCESS_GRACE_MS;
    siginfo_t how;

    (void)kill(-r->pid, SIGTERM);
    while (!has_ended(r, &how) && clock_monotonic_ms() < until) {
        struct pollfd p = {.fd = r->pidfd, .events = POLLIN};

        (void)poll(&p, 1, r->pidfd < 0 ? NO_PIDFD_POLL_MS : PROCESS_GRACE_MS);
    }
}

static void kill_all(const struct process *r) {
    (void)kill(-r->pid, SIGKILL);
    (void)kill(r->pid, SIGKILL); /* if it has not made its group yet */
}

/* A killed program that is stuck in the kernel is left behind rather than waited for. */
static void reap(struct process *r) {
    int64_t until = clock_monotonic_ms() + REAP_MS;
    struct timespec pause = {0, NO_PIDFD_POLL_MS * 1000000L};

    if (r->pidfd >= 0)
        (void)wait_readable(r->pidfd, REAP_MS);
    while (!waitpid(r->pid, NULL, WNOHANG) && clock_monotonic_ms() < until)
        (void)nanosleep(&pause, NULL);
}

/* Writing to a program that has closed its stdin raises SIGPIPE: it is held back, and taken away
 * if we raised it, so that the caller's signals are as they were. */
struct sigpipe {
    sigset_t before;
    bool was_pending;
};

static void sigpipe_hold(struct sigpipe *s) {
    sigset_t pipe_only, pending;

    (void)sigpending(&pending);
    s->was_pending = sigismember(&pending, SIGPIPE) == 1;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)sigprocmask(SIG_BLOCK, &pipe_only, &s->before);
}

static void sigpipe_release(const struct sigpipe *s) {
    struct timespec now = {0, 0};
    sigset_t pipe_only;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    if (!s->was_pending)
        while (sigtimedwait(&pipe_only, NULL, &now) > 0)
            ;
    (void)sigprocmask(SIG_SETMASK, &s->before, NULL);
}

void process_run(struct arena *a, const struct process_spec *spec, struct process_result *out) {
    int64_t began = clock_monotonic_ms();
    struct process r = {.pid = -1,
                        .in = -1,
                        .out = -1,
                        .err = -1,
                        .pidfd = -1,
                        .input = spec->input,
                        .deadline_ms = began + spec->timeout_ms,
                        .spec = spec,
                        .result = out};
    struct sigpipe held;

    memset(out, 0, sizeof *out);
    out->timeout_ms = spec->timeout_ms;
    /* Many short lines may come at once. */
    buf_init(&r.output, a, spec->output_max + (spec->line ? READ_BYTES : 0));
    buf_init(&r.error, a, PROCESS_STDERR_MAX);
    sigpipe_hold(&held);
    orphans_adopt(true);
    if (start(&r, spec))
        serve(&r);
    if (r.pid > 0) {
        if (out->end == PROCESS_TIMED_OUT || out->end == PROCESS_TOO_MUCH ||
            out->end == PROCESS_CANCELLED)
            ask_to_end(&r);
        kill_all(&r);
        if (out->end == PROCESS_EXITED || out->end == PROCESS_SIGNALLED)
            drain(&r);
        else
            (void)read_some(&r.err, &r.error);
        reap(&r);
        orphans_end(REAP_MS);
    }
    orphans_adopt(false);
    close_fd(&r.in);
    close_fd(&r.out);
    close_fd(&r.err);
    close_fd(&r.pidfd);
    sigpipe_release(&held);
    out->out = (struct text){r.output.p, r.output.len};
    out->err = (struct text){r.error.p, r.error.len};
    out->ms = clock_monotonic_ms() - began;
}

#include "runner/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 16384
#define ANSWER_MS 1000 /* to wait for a killed program that hangs in the kernel */
#define DRAIN_READS 64 /* of what is left in the pipes when the program has ended */
#define NO_FDS                                                                                     \
    { -1, -1, -1, -1 }
#define TRIES 3 /* with a runner that ends before it has received the request */

struct process {
    /* As an instance has them; on INSTANCE_RUN the answer comes. -1: closed, or not there. */
    int fds[INSTANCE_FDS];
    struct text input; /* what is still to be written */
    struct buf output, error;
    const struct process_spec *spec;
    int64_t deadline_ms;
    struct process_result *result;
};

static void close_all(struct process *r) {
    for (int i = 0; i < INSTANCE_FDS; i++)
        descriptor_clear(&r->fds[i]);
}

/* ---- starting it ---- */

/* A pipe whose end `theirs` (0: to read) is the program's. That one is in blocking mode, and a
 * program of another user may open it anew, as /dev/stderr. */
static bool open_pipe(int theirs, int *our_end, int *their_end) {
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return false;
    *our_end = ends[!theirs];
    *their_end = ends[theirs];
    (void)fcntl(*our_end, F_SETFL, O_NONBLOCK);
    (void)fchmod(*their_end, 0666);
    return true;
}

/* Pipes, and the request for the run. false: errno. */
static bool request_run(struct process *r, int fds[RUN_FDS_MAX]) {
    const struct run_request *request = &r->spec->run;

    if (request->secrets > RUN_SECRETS_MAX) {
        errno = E2BIG;
        return false;
    }
    for (unsigned i = 0; i < request->secrets; i++)
        fds[3 + i] = r->spec->secrets[i];
    if (!open_pipe(0, &r->fds[INSTANCE_IN], &fds[0]) ||
        !open_pipe(1, &r->fds[INSTANCE_OUT], &fds[1]) ||
        !open_pipe(1, &r->fds[INSTANCE_ERR], &fds[2]))
        return false;
    r->fds[INSTANCE_RUN] = run_request_send(request, fds);
    return r->fds[INSTANCE_RUN] >= 0;
}

static void note_no_connection(struct process_result *out, int why) {
    out->end = PROCESS_NOT_STARTED;
    out->code = why;
    out->step = "no connection to the runner";
}

static bool start(struct process *r) {
    int fds[RUN_FDS_MAX] = {-1, -1, -1};
    const struct persistent *p = r->spec->persistent;
    bool ok;

    if (p && p->taken) {
        memcpy(r->fds, p->fds, sizeof r->fds);
        return true;
    }
    ok = request_run(r, fds);
    if (!ok)
        note_no_connection(r->result, errno);
    for (int i = 0; i < 3; i++)
        descriptor_clear(&fds[i]);
    return ok;
}

/* ---- its input and output ---- */

/* What was written is still in the pipe. */
static bool is_unread(const struct process *r) {
    const size_t written = r->spec->input.len - r->input.len;
    int n;

    return r->fds[INSTANCE_IN] >= 0 && !ioctl(r->fds[INSTANCE_IN], FIONREAD, &n) &&
           (size_t)n == written;
}

static void write_input(struct process *r) {
    ssize_t n = r->input.len ? write(r->fds[INSTANCE_IN], r->input.p, r->input.len) : 0;

    if (n > 0) {
        r->input.p += n;
        r->input.len -= (size_t)n;
    }
    /* A program that does not read its input is not wrong: EPIPE is no failure. */
    if (n < 0 && errno == EPIPE)
        r->result->unread = r->spec->persistent && is_unread(r);
    if ((!r->input.len && !r->spec->persistent) || (n < 0 && errno != EAGAIN && errno != EINTR))
        descriptor_clear(&r->fds[INSTANCE_IN]);
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
        descriptor_clear(fd);
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
        r->spec->on_line(r->spec->on_line_arg, line, len);
}

static bool has_answered(const struct process *r) {
    return r->spec->persistent && *r->spec->persistent->answered;
}

/* Passes on the complete lines; at the end of the output, also a last line without a newline. After
 * a line that is too long no more are passed on, whatever pieces the output arrives in. */
static void pass_lines(struct process *r, bool at_end) {
    size_t from = 0;
    char *p = r->output.p, *end;

    if (!r->spec->on_line)
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

static void note_answer(struct process_result *out, const struct run_answer *answer) {
    static const enum process_end ends[] = {[RUN_NOT_STARTED] = PROCESS_NOT_STARTED,
                                            [RUN_EXITED] = PROCESS_EXITED,
                                            [RUN_SIGNALLED] = PROCESS_SIGNALLED,
                                            [RUN_OUT_OF_MEMORY] = PROCESS_OUT_OF_MEMORY};

    out->end = answer->end <= RUN_OUT_OF_MEMORY && answer->end ? ends[answer->end] : PROCESS_LOST;
    out->code = answer->code;
    out->step = run_step_text(answer->step);
    out->cpu_us = answer->user_us + answer->system_us;
    out->max_rss_kib = answer->max_rss_kib;
}

static void note_answered(struct process *r) {
    r->result->end = PROCESS_EXITED;
    r->result->code = 0;
    r->result->answered = true;
}

/* Has the runner said how it ended? */
static bool has_ended(struct process *r) {
    struct run_answer answer;
    const struct persistent *p = r->spec ? r->spec->persistent : NULL;
    int taken = run_answer_take(r->fds[INSTANCE_RUN], &answer);

    if (taken > 0)
        note_answer(r->result, &answer);
    else if (taken < 0 && errno == ECONNRESET && r->spec && !(p && p->taken))
        /* the request was the only message so far */
        note_no_connection(r->result, errno);
    else if (taken < 0)
        r->result->end = PROCESS_LOST;
    r->result->unread = taken && p && (r->result->unread || is_unread(r));
    return taken != 0;
}

enum { FD_IN, FD_OUT, FD_ERR, FD_RUNNER, FD_WATCH, FD_COUNT };

/* Has the program ended, or does it have to be stopped? r->result->end says which. */
static bool is_over(struct process *r, const struct pollfd fds[FD_COUNT]) {
    if (r->output.overflow) {
        r->result->end = PROCESS_OUTPUT_LIMIT;
        return true;
    }
    if (has_answered(r)) {
        note_answered(r);
        return true;
    }
    if (fds[FD_WATCH].revents && waiter_must_stop(&r->spec->waiter)) {
        r->result->end = PROCESS_CANCELLED;
        return true;
    }
    return fds[FD_RUNNER].revents && has_ended(r);
}

/* Serves the pipes until the program ends or passes a limit. */
static void serve(struct process *r) {
    const struct waiter *waiter = &r->spec->waiter;
    int timeout;

    if (r->fds[INSTANCE_IN] >= 0 && !r->spec->persistent)
        write_input(r); /* most fit into the pipe */
    while ((timeout = waiter_wait_ms(waiter, r->deadline_ms)) > 0) {
        struct pollfd fds[FD_COUNT] = {
            [FD_IN] = {.fd = r->input.len || !r->spec->persistent ? r->fds[INSTANCE_IN] : -1,
                       .events = POLLOUT},
            [FD_OUT] = {.fd = r->fds[INSTANCE_OUT], .events = POLLIN},
            [FD_ERR] = {.fd = r->fds[INSTANCE_ERR], .events = POLLIN},
            [FD_RUNNER] = {.fd = r->fds[INSTANCE_RUN], .events = POLLIN},
            [FD_WATCH] = {.fd = waiter->watch ? *waiter->watch : -1, .events = POLLIN}};

        if (poll(fds, FD_COUNT, timeout) < 0)
            continue; /* EINTR; anything else ends at the deadline */
        if (fds[FD_IN].revents)
            write_input(r);
        if (fds[FD_OUT].revents && read_some(&r->fds[INSTANCE_OUT], &r->output) &&
            !r->output.overflow)
            pass_lines(r, false);
        if (fds[FD_ERR].revents)
            (void)read_some(&r->fds[INSTANCE_ERR], &r->error);
        if (is_over(r, fds))
            return;
    }
    r->result->end = timeout ? PROCESS_CANCELLED : PROCESS_TIMED_OUT;
}

/* Waits until the runner says that it is gone. `end` of the result is kept: it says why it ends. */
static bool await_end(struct process *r, int64_t wait_ms) {
    const int64_t until = clock_monotonic_ms() + wait_ms;
    struct process_result end = {0};
    struct process ending = {.fds[INSTANCE_RUN] = r->fds[INSTANCE_RUN], .result = &end};
    bool ended = false;

    while (!ended && descriptor_wait(r->fds[INSTANCE_RUN], POLLIN, until))
        ended = has_ended(&ending);
    r->result->cpu_us = end.cpu_us;
    r->result->max_rss_kib = end.max_rss_kib;
    return ended;
}

/* One that hangs in the kernel is left behind rather than waited for. */
static void stop(struct process *r) {
    if (r->fds[INSTANCE_RUN] < 0)
        return;
    run_request_say(r->fds[INSTANCE_RUN], RUN_SAY_STOP);
    (void)await_end(r, PROCESS_GRACE_MS + ANSWER_MS);
    (void)read_some(&r->fds[INSTANCE_ERR], &r->error);
}

/* It stays for the next call, if it has read the whole input and has printed whole lines.
 * Otherwise it ends: its stdin is closed, and after a while it is stopped. */
static void give_back(struct process *r) {
    const struct persistent *p = r->spec->persistent;

    for (int i = 0; i < DRAIN_READS && read_some(&r->fds[INSTANCE_ERR], &r->error); i++)
        ;
    if (!p->once && r->fds[INSTANCE_IN] >= 0 && r->fds[INSTANCE_OUT] >= 0 &&
        r->fds[INSTANCE_ERR] >= 0 && !r->input.len && !r->output.len &&
        instance_give(&p->key, r->fds))
        return;
    descriptor_clear(&r->fds[INSTANCE_IN]);
    if (r->fds[INSTANCE_RUN] >= 0 && !await_end(r, PROCESS_GRACE_MS))
        stop(r);
}

/* Reads what the program wrote before it ended. Another process may keep the pipes open, so what is
 * not there now is not waited for. */
static void drain(struct process *r) {
    if (r->result->answered) { /* it has not ended */
        give_back(r);
        return;
    }
    for (int i = 0;
         i < DRAIN_READS && !r->output.overflow && read_some(&r->fds[INSTANCE_OUT], &r->output);
         i++)
        pass_lines(r, false);
    for (int i = 0; i < DRAIN_READS && read_some(&r->fds[INSTANCE_ERR], &r->error); i++)
        ;
    if (!r->output.overflow)
        pass_lines(r, true);
    if (r->output.overflow)
        r->result->end = PROCESS_OUTPUT_LIMIT;
    else if (has_answered(r)) /* its last answer */
        note_answered(r);
}

/* Runs it up to its end. If the connection is closed before anybody has received the request,
 * nothing was started: a supervisor that is killed may have accepted it already, and the next one
 * gets the same request. false: it was not started. */
static bool run_to_end(struct process *r) {
    const struct process_result *result = r->result;

    for (int i = 0; i < TRIES; i++) {
        close_all(r);
        r->input = r->spec->input;
        if (start(r))
            serve(r);
        if (result->end != PROCESS_NOT_STARTED ||
            (result->code != ECONNRESET && result->code != EPIPE))
            break;
    }
    return result->end != PROCESS_NOT_STARTED;
}

void process_run(struct arena *a, const struct process_spec *spec, struct process_result *out) {
    int64_t began = clock_monotonic_ms();
    struct process r = {
        .fds = NO_FDS, .deadline_ms = began + spec->timeout_ms, .spec = spec, .result = out};

    *out = (struct process_result){.timeout_ms = spec->timeout_ms};
    /* Many short lines may come at once. */
    buf_init(&r.output, a, spec->output_max + (spec->on_line ? READ_BYTES : 0));
    buf_init(&r.error, a, PROCESS_STDERR_MAX);
    if (run_to_end(&r)) {
        if (out->end == PROCESS_EXITED || out->end == PROCESS_SIGNALLED ||
            out->end == PROCESS_OUT_OF_MEMORY)
            drain(&r);
        else if (out->end != PROCESS_LOST)
            stop(&r);
    }
    close_all(&r);
    out->out = (struct text){r.output.p, r.output.len};
    out->err = (struct text){r.error.p, r.error.len};
    out->ms = clock_monotonic_ms() - began;
}

bool process_start(const struct process_spec *spec, int fds[INSTANCE_FDS]) {
    struct process_result result = {0};
    struct process r = {.fds = NO_FDS, .spec = spec, .result = &result};

    if (!start(&r)) {
        close_all(&r);
        errno = result.code;
        return false;
    }
    memcpy(fds, r.fds, sizeof r.fds);
    return true;
}

#include "runner/relay.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/param.h>
#include <unistd.h>

#include "runner/packet.h"
#include "runner/process.h"

#define ARENA_MAX ((size_t)192 << 20) /* of a message, its values and its text */
#define KEEP_MAX ((size_t)64 << 20)
#define STDERR_LINES_MAX 100 /* that are logged in a second */
#define STDERR_LINE_MAX 2048 /* bytes of a line that are logged */
#define ENDED_MS 3000        /* after it was told to end: then nobody waits any more */
#define CALLER_QUEUE_MAX (2 * RELAY_MESSAGE_MAX)
#define LINGER_MS 1000 /* for callers to read why it has ended */

/* ---- the end ---- */

static void set_state(struct relay *r, enum relay_state state, int64_t wait_ms) {
    r->state = state;
    r->deadline_ms = clock_monotonic_ms() + wait_ms;
}

/* "Shutdown" of stdio: close stdin; the runner then sends SIGTERM and SIGKILL. */
static void close_input(struct relay *r) {
    (void)packet_send(r->control, r->why ? RELAY_WORD_FAILED : RELAY_WORD_ENDING, 1, NULL, 0);
    descriptor_clear(&r->in);
    set_state(r, RELAY_INPUT_CLOSED, PROCESS_GRACE_MS);
}

/* Another relay of the same server may write at the same time: the text ends in any case. */
static void note_failure(struct relay *r, const char *why) {
    struct server_state *state = &r->place.record->state;

    for (unsigned i = 0; i < r->callers_used; i++)
        relay_count(&state->errors, r->callers[i].fd >= 0 ? r->callers[i].calls : 0);
    (void)snprintf(state->why, sizeof state->why, "%s", why);
    state->failed_s = clock_realtime_ms() / 1000;
}

void relay_end(struct relay *r, const char *why) {
    if (r->why)
        return;
    r->why = why;
    log_warn("server_ended", kv("server", r->key.name), kv("why", why));
    note_failure(r, why);
    for (unsigned i = 0; i < r->callers_used; i++)
        if (r->callers[i].fd >= 0 && (!r->initialize || r->callers[i].calls))
            relay_say(r, &r->callers[i], r->initialize ? RELAY_ENDED : RELAY_NOT_STARTED, why);
    relay_resource_changed(r, NULL); /* who reads one again starts it again */
    if (r->state < RELAY_INPUT_CLOSED)
        close_input(r);
}

/* The runner has said how it ended, or is gone. */
static void note_end(struct relay *r) {
    struct run_answer a = {0};
    int taken = run_answer_take(r->run, &a);

    if (taken > 0 && a.end == RUN_RUNS)
        __atomic_store_n(&r->place.figures->memory, a.memory, __ATOMIC_RELAXED);
    if (!taken || (taken > 0 && a.end == RUN_RUNS))
        return;
    if (r->state < RELAY_INPUT_CLOSED)
        relay_end(r, taken < 0 ? "the process that looks after it has ended"
                     : a.end == RUN_NOT_STARTED
                         ? arena_printf(r->keep, "it could not be started: %s: %s",
                                        run_step_text(a.step), strerror(a.code))
                         : arena_printf(r->keep, "it ended with %s %d",
                                        a.end == RUN_SIGNALLED ? "signal" : "exit status", a.code));
    descriptor_clear(&r->in);
    descriptor_clear(&r->out);
    descriptor_clear(&r->run);
    set_state(r, RELAY_STOPPING, LINGER_MS);
}

/* The time of the state is over. */
static void advance(struct relay *r) {
    switch (r->state) {
    case RELAY_STARTING:
        relay_note_silence(r);
        break;
    case RELAY_RUNNING:
        relay_end(r, "it did not answer a ping, after it had not answered a call in time");
        break;
    case RELAY_INPUT_CLOSED:
        if (r->run >= 0)
            run_request_say(r->run, RUN_SAY_STOP);
        set_state(r, RELAY_STOPPING, ENDED_MS);
        break;
    case RELAY_STOPPING:
        _exit(r->why != NULL);
    }
}

/* ---- callers ---- */

static void close_caller(struct relay *r, struct relay_caller *c) {
    arena_reset(r->arena);
    relay_forget_caller(r, c);
    relay_queue_free(&c->in);
    relay_queue_free(&c->out);
    descriptor_clear(&c->passed);
    descriptor_clear(&c->fd);
}

/* It has been answered, and has kept the connection: it needs no answer, and asks another relay if
 * this one ends. */
static bool is_resting(const struct relay_caller *c) {
    return c->fd >= 0 && c->has_asked && !c->calls && !c->in.len && !c->out.len;
}

/* A free place; if there is none, that of a caller which needs none. */
static unsigned find_place(struct relay *r) {
    unsigned i = 0;

    while (i < r->callers_used && r->callers[i].fd >= 0)
        i++;
    if (i < RELAY_CALLERS_MAX)
        return i;
    for (i = 0; i < RELAY_CALLERS_MAX && !is_resting(&r->callers[i]); i++)
        ;
    if (i < RELAY_CALLERS_MAX)
        close_caller(r, &r->callers[i]);
    return i;
}

/* It only reads what fits: a longer one is none. */
static void take_service(struct relay *r, int file) {
    char jwt[SERVER_SERVICE_MAX + 1];
    const ssize_t n = pread(file, jwt, sizeof jwt, 0);

    (void)close(file);
    arena_reset(r->arena);
    if (n > 0 && n <= SERVER_SERVICE_MAX && r->in >= 0)
        relay_send_service_jwt(r, (struct text){jwt, (size_t)n});
}

static void accept_caller(struct relay *r, int fd) {
    const unsigned i = find_place(r);

    if (i == RELAY_CALLERS_MAX || r->state >= RELAY_INPUT_CLOSED) {
        (void)close(fd); /* it has read nothing: the caller asks for another relay */
        return;
    }
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    r->callers[i] = (struct relay_caller){.fd = fd, .passed = -1};
    if (i == r->callers_used)
        r->callers_used++;
}

static bool is_readable(const struct relay *r) {
    return r->state == RELAY_RUNNING && r->to_server.len < RELAY_QUEUE_MAX;
}

static void read_control(struct relay *r) {
    char word = 0;
    int fd = -1;
    struct packet p = {&word, sizeof word, &fd, 1, 0};
    ssize_t n = packet_receive(r->control, &p);

    r->retired = n == 0; /* nobody sends any more */
    if (p.fd_count && word == *RELAY_WORD_SERVICE)
        take_service(r, fd);
    else if (p.fd_count)
        accept_caller(r, fd);
}

/* false: the caller has gone, or has to. */
static bool read_caller(struct relay *r, struct relay_caller *c) {
    struct text line;
    int more = relay_queue_read(&c->in, c->fd, &c->passed);

    while (relay_queue_line(&c->in, &line)) {
        arena_reset(r->arena);
        if (!relay_from_caller(r, c, line))
            return false;
    }
    return more != 0 && c->in.len <= RELAY_MESSAGE_MAX;
}

static void serve_caller(struct relay *r, struct relay_caller *c, short events) {
    bool ok = true;

    if (events & (POLLIN | POLLHUP | POLLERR) && is_readable(r))
        ok = read_caller(r, c);
    else if (events & (POLLHUP | POLLERR))
        ok = false;
    if (ok && events & POLLOUT)
        ok = relay_queue_write(&c->out, c->fd);
    if (!ok)
        close_caller(r, c);
}

/* ---- the server's pipes ---- */

static void read_server(struct relay *r) {
    struct text line;
    int more = relay_queue_read(&r->from_server, r->out, NULL);
    bool too_long = false;

    while (!r->why && !too_long && relay_queue_line(&r->from_server, &line)) {
        arena_reset(r->arena);
        too_long = line.len > RELAY_MESSAGE_MAX;
        if (!too_long)
            relay_from_server(r, line);
    }
    if (too_long || r->from_server.len > RELAY_MESSAGE_MAX) {
        relay_end(r, arena_printf(r->keep, "it sent a message of more than %zu bytes",
                                  RELAY_MESSAGE_MAX));
        descriptor_clear(&r->out);
    }
    if (!more)
        descriptor_clear(&r->out);
}

/* A line of log for each of stderr, so that a traceback is readable. */
static void read_errors(struct relay *r) {
    struct text line;
    int more = relay_queue_read(&r->errors, r->err, NULL);

    if (clock_monotonic_ms() >= r->errors_from_ms + 1000) {
        r->errors_from_ms = clock_monotonic_ms();
        r->error_lines = 0;
    }
    if (r->errors.len > STDERR_LINE_MAX &&
        !memchr(r->errors.p + r->errors.from, '\n', r->errors.len))
        relay_queue_add(&r->errors, "\n", 1);
    while (relay_queue_line(&r->errors, &line)) {
        arena_reset(r->arena);
        if (line.len && r->error_lines++ < STDERR_LINES_MAX)
            log_info(
                "server_stderr", kv("server", r->key.name),
                kv("text", arena_strndup(r->arena, line.p,
                                         line.len < STDERR_LINE_MAX ? line.len : STDERR_LINE_MAX)));
    }
    if (!more)
        descriptor_clear(&r->err);
}

static void write_server(struct relay *r) {
    if (relay_queue_write(&r->to_server, r->in))
        return;
    descriptor_clear(&r->in); /* its end is noticed by `run` */
    relay_queue_free(&r->to_server);
}

/* ---- the process ---- */

enum { FD_CONTROL, FD_IN, FD_OUT, FD_ERR, FD_RUN, FD_CALLERS };

static void fill(const struct relay *r, struct pollfd *fds) {
    fds[FD_CONTROL] = (struct pollfd){.fd = r->retired ? -1 : r->control, .events = POLLIN};
    fds[FD_IN] = (struct pollfd){.fd = r->to_server.len ? r->in : -1, .events = POLLOUT};
    fds[FD_OUT] = (struct pollfd){.fd = r->out, .events = POLLIN};
    fds[FD_ERR] = (struct pollfd){.fd = r->err, .events = POLLIN};
    fds[FD_RUN] = (struct pollfd){.fd = r->run, .events = POLLIN};
    for (unsigned i = 0; i < r->callers_used; i++) {
        const struct relay_caller *c = &r->callers[i];
        const short in = is_readable(r) ? POLLIN : 0, out = c->out.len ? POLLOUT : 0;

        fds[FD_CALLERS + i] = (struct pollfd){.fd = c->fd, .events = in | out};
    }
}

/* What came from the server is read before its end is noted. */
static void serve(struct relay *r, const struct pollfd *fds, unsigned callers) {
    if (fds[FD_OUT].revents)
        read_server(r);
    if (fds[FD_ERR].revents)
        read_errors(r);
    if (fds[FD_IN].revents && r->in >= 0)
        write_server(r);
    for (unsigned i = 0; i < callers; i++)
        if (fds[FD_CALLERS + i].revents && r->callers[i].fd >= 0)
            serve_caller(r, &r->callers[i], fds[FD_CALLERS + i].revents);
    if (fds[FD_CONTROL].revents)
        read_control(r);
    if (fds[FD_RUN].revents && !fds[FD_OUT].revents)
        note_end(r);
}

/* Answers are written at once, without another poll. Returns whether a caller keeps it up. */
static bool finish_round(struct relay *r) {
    bool needed = false, unsaid = false;

    while (r->callers_used && r->callers[r->callers_used - 1].fd < 0)
        r->callers_used--;
    for (unsigned i = 0; i < r->callers_used; i++) {
        struct relay_caller *c = &r->callers[i];

        if (c->fd < 0)
            continue;
        if (r->state == RELAY_RUNNING && !c->greeted) {
            arena_reset(r->arena);
            relay_greet(r, c);
        }
        if ((c->out.len && !relay_queue_write(&c->out, c->fd)) || c->out.len > CALLER_QUEUE_MAX ||
            (is_resting(c) && (r->retired || r->state >= RELAY_INPUT_CLOSED)))
            close_caller(r, c);
        needed = needed || (c->fd >= 0 && !is_resting(c));
        unsaid = unsaid || (c->fd >= 0 && c->out.len);
    }
    needed = needed || r->parked || r->subscription_count;
    if (r->to_server.len && r->in >= 0)
        write_server(r);
    if (r->state == RELAY_STOPPING && r->run < 0 && !unsaid)
        _exit(r->why != NULL);
    return needed;
}

/* When there is something to do, at the latest: the deadline, or the end of an idle server. */
static int next_wait(struct relay *r, bool needed, int64_t *idle_from) {
    const int64_t now = clock_monotonic_ms();
    const int64_t due = relay_parked_due(r), ends = relay_subscriptions_due(r);
    const int64_t listens = relay_listen_due(r), told = relay_lists_due(r);
    int64_t until = MIN(MIN(MIN(r->deadline_ms, due), MIN(ends, listens)), told);

    if (needed || r->state != RELAY_RUNNING)
        *idle_from = now;
    if (r->state == RELAY_RUNNING && !needed) {
        int64_t end = *idle_from + (r->retired ? 0 : (int64_t)r->key.idle_s * 1000);

        if (end <= now) {
            log_info("server_idle", kv("server", r->key.name));
            close_input(r);
            until = now; /* who rests is told first */
        } else if (end < until) {
            until = end;
        }
    }
    return clock_wait_ms(until, INT_MAX);
}

/* Only while it is used: an idle server is woken by nobody. */
static void ask_memory(struct relay *r) {
    const int64_t now = clock_monotonic_ms();

    if (r->state != RELAY_RUNNING || now < r->memory_due_ms)
        return;
    r->memory_due_ms = now + RELAY_MEMORY_MS;
    run_request_say(r->run, RUN_SAY_MEMORY);
}

void relay_main(int control, const struct instance_key *key, const int fds[INSTANCE_FDS],
                const struct relay_place *place) {
    struct pollfd *poll_fds = xcalloc(FD_CALLERS + RELAY_CALLERS_MAX, sizeof *poll_fds);
    struct relay *r = xcalloc(1, sizeof *r);
    int64_t idle_from = clock_monotonic_ms();

    r->key = *key;
    r->place = *place;
    r->lists_file = -1;
    r->control = control;
    r->next_id = r->first_id = RELAY_FIRST_ID;
    r->in = fds[INSTANCE_IN];
    r->out = fds[INSTANCE_OUT];
    r->err = fds[INSTANCE_ERR];
    r->run = fds[INSTANCE_RUN];
    r->arena = arena_new(ARENA_MAX);
    r->keep = arena_new(KEEP_MAX);
    relay_begin_negotiation(r);
    for (;;) {
        const int wait = next_wait(r, finish_round(r), &idle_from);
        const unsigned callers = r->callers_used;

        ask_memory(r);
        __atomic_store_n(&place->figures->calls, r->call_count, __ATOMIC_RELAXED);
        fill(r, poll_fds);
        if (poll(poll_fds, FD_CALLERS + callers, wait) > 0)
            serve(r, poll_fds, callers);
        if (clock_monotonic_ms() >= r->deadline_ms)
            advance(r);
    }
}

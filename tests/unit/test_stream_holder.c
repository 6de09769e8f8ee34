/* What the stream holder sends, byte for byte: the begin, the events and the end of a stream. */
#include "unit.h"

#include <linux/sockios.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../pool/fcgi_wire.h"
#include "base/arena.h"
#include "runner/child.h"
#include "server/scoreboard.h"
#include "server/stream_holder.h"
#include "web/fcgi.h"
#include "web/request.h"
#include "web/subscription.h"

#define WAIT_MS 20000
#define TOOLS "data: {\"method\":\"tools\"}\n\n"
#define NOTE "data: {\"method\":\"note\"}\n\n"
#define END "data: {\"result\":{}}\n\n"

static struct config config;
static struct config_site one = {.config = &config};
static struct config_sites config_sites = {.host = &config, .all = &one, .count = 1};
static const struct site_set sites = {.config = &config_sites};
static struct scoreboard *board;
static char dir[UNIT_PATH_MAX], tools_dir[128], prompts_dir[128], access_file[128];
static int outbox, inbox, resume_in, resume_out;
static pid_t holder;

static const char *in_dir(const char *name) {
    static char paths[4][128];
    static unsigned at;
    char *path = paths[at++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name, const char *text) {
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* Starts the stream holder, and waits until it watches. */
static void start(const char *tools, const char *prompts) {
    int ends[2];
    sigset_t term;
    pid_t master = getpid();

    (void)snprintf(tools_dir, sizeof tools_dir, "%s/%s", dir, tools);
    (void)snprintf(prompts_dir, sizeof prompts_dir, "%s/%s", dir, prompts);
    config = (struct config){.tools_dir = tools_dir,
                             .resources_dir = "",
                             .prompts_dir = prompts_dir,
                             .skills_dir = "",
                             .servers_dir = "",
                             .access_file = access_file};
    board = memory_shared(sizeof *board);
    assert_non_null(board);
    board->manifests.count = 1; /* there has been another stream holder */
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    inbox = ends[0];
    outbox = ends[1];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    resume_in = ends[0];
    resume_out = ends[1];
    (void)sigemptyset(&term); /* as the master has it */
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    holder =
        child_fork(&(struct child_start){.keep = {inbox, resume_out}, .death_signal = SIGTERM});
    if (!holder)
        stream_holder_main(&sites, board, inbox, resume_out, master);
    for (int64_t until = wire_now_ms() + WAIT_MS; board->manifests.count == 1;)
        assert_true(wire_now_ms() < until && !usleep(1000));
}

static int begin(void **state) {
    folder_make(dir);
    *access_file = 0;
    return arena_setup(state);
}

static int end(void **state) {
    if (holder > 0)
        (void)kill(holder, SIGKILL);
    if (holder > 0)
        (void)waitpid(holder, NULL, 0);
    (void)close(inbox);
    (void)close(outbox);
    (void)close(resume_in);
    (void)close(resume_out);
    (void)munmap(board, sizeof *board);
    folder_remove(dir);
    return arena_teardown(state);
}

/* A peer of a stream, and all that it has heard. */
struct listener {
    int fd;
    struct wire_reply heard;
};

/* A reply that has begun with `first`, detached to the stream holder; or to nobody. */
static struct listener stream_of(struct arena *a, const char *first, const struct buf *what,
                                 bool kept) {
    struct fcgi *f = fcgi_new(NULL, NULL, NULL);
    struct request rq = {.arena = a, .started_ms = clock_monotonic_ms()};
    struct listener l = {0};
    struct wire w = {0};
    struct reply rp;
    struct fcgi_detached detached;
    struct err e;
    int ends[2];

    assert_non_null(f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    wire_request(&w, "GET", "/mcp", "", 0);
    assert_true(wire_send(ends[0], w.p, w.len));
    wire_free(&w);
    assert_int_equal(fcgi_read(f, ends[1], 100, &rq, &e), OK);
    reply_init(&rp, a);
    rp.sink = fcgi_sink(f);
    rp.status = 200;
    rp.subscriptions = what;
    assert_int_equal(reply_stream_begin(&rp), OK);
    assert_int_equal(reply_stream_write(&rp, first, strlen(first)), OK);
    detached = fcgi_detach(f, a);
    if (kept)
        assert_true(stream_channel_send_stream(outbox, &detached, INT64_MAX, what));
    else
        stream_end_at_once(&detached, (struct text){what->p, what->len});
    assert_int_equal(close(detached.fd), 0);
    fcgi_free(f);
    l.fd = ends[0];
    return l;
}

static struct listener stream(struct arena *a, const char *first, const struct buf *what) {
    return stream_of(a, first, what, true);
}

/* A machine that paused lets the comments come that keep a stream alive: they are no part of it,
 * but for one that it begins with. */
static bool matches(const struct wire_reply *r, const char *pattern) {
    char *text = strdup(r->body ? r->body : ""), *comment = text;
    regex_t re;
    bool good;

    assert_non_null(text);
    while ((comment = strstr(comment, "\n:\n\n")))
        memmove(comment + 1, comment + 4, strlen(comment + 4) + 1);
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    good = !regexec(&re, text, 0, NULL, 0);
    regfree(&re);
    free(text);
    return good;
}

/* Until the whole body is what the pattern says; with `closed`, also the reply is at its end. */
static void hears(struct listener *l, const char *pattern, bool closed) {
    int64_t until = wire_now_ms() + WAIT_MS;
    struct wire_reply *r = &l->heard;

    while (!matches(r, pattern) || (closed && !r->closed)) {
        struct pollfd p = {.fd = l->fd, .events = POLLIN};
        unsigned char more[4096];
        ssize_t n;

        if (wire_now_ms() >= until || r->closed || poll(&p, 1, WAIT_MS) <= 0)
            fail_msg("it heard \"%s\" where /%s/ was due", r->body ? r->body : "", pattern);
        n = recv(l->fd, more, sizeof more, 0);
        if (n > 0)
            wire_raw(&r->raw, more, (size_t)n);
        r->closed = n <= 0;
        wire_free(&r->out);
        r->out = (struct wire){0};
        r->ends = 0;
        wire_parse(r);
    }
}

static void gone(struct listener *l) {
    assert_int_equal(close(l->fd), 0);
    wire_reply_free(&l->heard);
}

struct stream_way {
    const char *first;
    bool has_key, has_id, has_end;
};

/* GET without a session, with one, and with one whose events have ids; subscriptions/listen. */
static const struct stream_way ways[] = {
    {":\n\n", false, false, false},
    {":\n\n", true, false, false},
    {"id: get.1.0\ndata: \n\n", true, true, false},
    {"data: {\"method\":\"ack\"}\n\n", false, false, true},
};
#define WAYS (sizeof ways / sizeof *ways)

static struct buf *what_of(struct arena *a, const struct stream_way *way, unsigned i) {
    const char *key = arena_printf(a, "session:%u", i);
    struct buf *b = arena_alloc(a, sizeof *b);
    char path[SUBSCRIPTION_PATH_MAX];

    buf_init(b, a, SUBSCRIPTION_BYTES_MAX);
    assert_true(subscription_folder_path(config.tools_dir, path));
    subscription_add(b, SUBSCRIPTION_FOLDER, text_of(path), TEXT_LITERAL(TOOLS));
    subscription_add(b, SUBSCRIPTION_FILE, text_of(in_dir("note.txt")), TEXT_LITERAL(NOTE));
    if (way->has_end)
        subscription_add(b, SUBSCRIPTION_END, TEXT_LITERAL(""), TEXT_LITERAL(END));
    if (way->has_key)
        subscription_add(b, SUBSCRIPTION_KEY, text_of(key), TEXT_LITERAL(""));
    if (way->has_id)
        subscription_add(b, SUBSCRIPTION_EVENT_IDS, TEXT_LITERAL("get"), TEXT_LITERAL(""));
    return b;
}

static const char *quoted(struct arena *a, const char *s) {
    char *out = arena_alloc(a, 2 * strlen(s) + 1), *p = out;

    for (; *s; *p++ = *s++)
        if (strchr("{}[].", *s))
            *p++ = '\\';
    *p = 0;
    return out;
}

static void each_way_byte_for_byte(void **state) {
    struct arena *a = *state;
    struct listener all[WAYS];
    const char *expected[WAYS];

    assert_int_equal(mkdir(in_dir("tools.d"), 0700), 0);
    write_file("note.txt", "one");
    start("tools.d", "none");
    for (unsigned i = 0; i < WAYS; i++) {
        all[i] = stream(a, ways[i].first, what_of(a, &ways[i], i));
        expected[i] = quoted(a, ways[i].first);
        hears(&all[i], arena_printf(a, "^%s$", expected[i]), false);
    }
    write_file("note.txt", "two");
    for (unsigned i = 0; i < WAYS; i++) {
        const char *id = ways[i].has_id ? "id: get\\.[0-9a-f]+\\.0\n" : "";

        expected[i] = arena_printf(a, "%s%s%s", expected[i], id, quoted(a, NOTE));
        hears(&all[i], arena_printf(a, "^%s$", expected[i]), false);
    }
    write_file("tools.d/one.json", "{}");
    for (unsigned i = 0; i < WAYS; i++) {
        const char *id = ways[i].has_id ? "id: get\\.[0-9a-f]+\\.[01]\n" : "";

        expected[i] = arena_printf(a, "%s%s%s", expected[i], id, quoted(a, TOOLS));
        hears(&all[i], arena_printf(a, "^%s$", expected[i]), false);
    }
    assert_int_equal(kill(holder, SIGTERM), 0);
    for (unsigned i = 0; i < WAYS; i++) {
        expected[i] = arena_printf(a, "^%s%s$", expected[i], ways[i].has_end ? quoted(a, END) : "");
        hears(&all[i], expected[i], true);
        assert_true(wire_whole(&all[i].heard));
        gone(&all[i]);
    }
}

#define USER_MAX 256

static struct listener stream_of_user(struct arena *a, const char *user) {
    struct buf *what = what_of(a, &ways[3], 0);
    struct listener l;

    subscription_add(what, SUBSCRIPTION_USER, text_of(user), TEXT_LITERAL(""));
    l = stream(a, ":\n\n", what);
    hears(&l, "^:\n\n$", false);
    return l;
}

/* The oldest gives way, in good order, and nobody else's. */
static void a_user_has_a_share(void **state) {
    struct arena *a = arena_new(64 << 20);
    struct listener other, *all = xcalloc(USER_MAX + 1, sizeof *all);

    (void)state;
    assert_int_equal(mkdir(in_dir("tools.d"), 0700), 0);
    write_file("note.txt", "one");
    start("tools.d", "none");
    other = stream_of_user(a, "bob");
    for (unsigned i = 0; i < USER_MAX; i++)
        all[i] = stream_of_user(a, "alice");
    assert_int_equal(board->streams, USER_MAX + 1);
    all[USER_MAX] = stream_of_user(a, "alice");
    hears(&all[0], arena_printf(a, "^:\n\n%s$", quoted(a, END)), true);
    assert_true(wire_whole(&all[0].heard));
    write_file("note.txt", "two");
    for (unsigned i = 1; i <= USER_MAX; i++)
        hears(&all[i], arena_printf(a, "^:\n\n%s$", quoted(a, NOTE)), false);
    hears(&other, arena_printf(a, "^:\n\n%s$", quoted(a, NOTE)), false);
    for (unsigned i = 0; i <= USER_MAX; i++)
        gone(&all[i]);
    gone(&other);
    free(all);
    arena_free(a);
}

/* There are too many already, or the stream holder does not take it. */
static void one_that_cannot_be_kept_ends_in_good_order(void **state) {
    struct arena *a = *state;

    assert_int_equal(mkdir(in_dir("tools.d"), 0700), 0);
    start("tools.d", "none");
    for (unsigned i = 0; i < WAYS; i++) {
        struct listener l = stream_of(a, ways[i].first, what_of(a, &ways[i], i), false);

        hears(&l,
              arena_printf(a, "^%s%s$", quoted(a, ways[i].first),
                           ways[i].has_end ? quoted(a, END) : ""),
              true);
        assert_true(wire_whole(&l.heard));
        gone(&l);
    }
}

/* Its socket is full, because it does something else. */
static void a_stream_holder_that_is_busy_loses_none(void **state) {
    struct buf what;
    struct listener l;
    pid_t busy;

    buf_init(&what, *state, SUBSCRIPTION_BYTES_MAX);
    start("none", "none");
    assert_int_equal(kill(holder, SIGSTOP), 0);
    while (send(outbox, "", 1, MSG_DONTWAIT) == 1) /* no message: too short */
        ;
    assert_int_equal(errno, EAGAIN);
    busy = fork();
    if (!busy) {
        (void)usleep(STREAM_CHANNEL_WAIT_MS * 1000 / 10);
        _exit(kill(holder, SIGCONT));
    }
    l = stream(*state, ":\n\n", &what);
    hears(&l, "^:\n\n$", false);
    gone(&l);
    assert_int_equal(waitpid(busy, NULL, 0), busy);
}

/* ---- folders ---- */

#define MARK "data: {\"method\":\"mark\"}\n\n"

/* A stream that waits for the tools, for current/note.txt, and for the mark. */
static struct listener watcher(struct arena *a) {
    char path[SUBSCRIPTION_PATH_MAX];
    struct listener l;
    struct buf b;

    buf_init(&b, a, SUBSCRIPTION_BYTES_MAX);
    assert_true(subscription_folder_path(config.tools_dir, path));
    subscription_add(&b, SUBSCRIPTION_FOLDER, text_of(path), TEXT_LITERAL(TOOLS));
    subscription_add(&b, SUBSCRIPTION_FILE, text_of(in_dir("current/note.txt")),
                     TEXT_LITERAL(NOTE));
    subscription_add(&b, SUBSCRIPTION_FILE, text_of(in_dir("mark.txt")), TEXT_LITERAL(MARK));
    l = stream(a, ":\n\n", &b);
    hears(&l, "^:\n\n$", false);
    return l;
}

static unsigned count(const struct listener *l, const char *event) {
    unsigned n = 0;

    for (const char *p = l->heard.body; (p = strstr(p, event)); p++)
        n++;
    return n;
}

/* Does something, and then writes the mark twice: all that was to be told of it was told together
 * with the first one, or before, and so before the second one. */
static void step(struct listener *l, const char *command, bool tools, bool note) {
    unsigned before[] = {count(l, TOOLS), count(l, NOTE)}, manifests = board->manifests.count;
    char line[512];

    (void)snprintf(line, sizeof line, "cd %s && %s", dir, command);
    assert_int_equal(system(line), 0);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(line, sizeof line, "(.*\"mark\"){%u}", count(l, MARK) + 1);
        write_file("mark.txt", "x");
        hears(l, line, false);
    }
    if ((count(l, TOOLS) > before[0]) != tools || (count(l, NOTE) > before[1]) != note)
        fail_msg("%s: told of tools %d, of the note %d", command, count(l, TOOLS) > before[0],
                 count(l, NOTE) > before[1]);
    assert_int_equal(board->manifests.count != manifests, tools);
}

static void a_folder_behind_a_link(void **state) {
    struct listener l;

    (void)state;
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(system("mkdir -p releases/1/tools.d releases/2/tools.d available &&"
                            "ln -s releases/1 current && echo 1 >releases/1/note.txt &&"
                            "echo 2 >releases/2/note.txt && echo {} >available/x.json"),
                     0);
    assert_int_equal(chdir("/"), 0);
    start("current/tools.d", "none");
    l = watcher(*state);
    step(&l, "echo {} >releases/1/tools.d/a.json", true, false);
    step(&l, "ln -s releases/2 new && mv -T new current", true, true);
    step(&l, "echo {} >releases/2/tools.d/a.json", true, false);
    step(&l, "echo 3 >releases/2/note.txt", false, true);
    step(&l, "echo {} >releases/1/tools.d/b.json; echo 4 >releases/1/note.txt", false, false);
    step(&l, "ln -s ../../../available/x.json releases/2/tools.d/x.json", true, false);
    step(&l, "echo '{ }' >available/x.json", true, false);
    step(&l, "echo {} >available/new && mv available/new available/x.json", true, false);
    step(&l, "mv releases/2/tools.d away", true, false);
    step(&l, "mkdir releases/2/tools.d", true, false);
    step(&l, "echo {} >releases/2/tools.d/c.json", true, false);
    step(&l, "echo {} >away/c.json; echo '{  }' >available/x.json", false, false);
    step(&l, "mv releases/2 releases/3", true, true);
    step(&l, "rm current", true, true);
    step(&l, "ln -s $PWD/releases/3 current", true, true);
    step(&l, "echo {} >releases/3/tools.d/d.json", true, false);
    gone(&l);
}

static void append(void *paths, const char *path, int64_t at_ms) {
    (void)at_ms;
    strcat(strcat(paths, path ? path : "(any)"), "\n");
}

/* Waits for an announcement, and adds what is announced to `paths`. */
static void take(unsigned *seen, char *paths) {
    int64_t until = wire_now_ms() + WAIT_MS;

    while (board->manifests.count == *seen)
        assert_true(wire_now_ms() < until && !usleep(1000));
    manifest_changes_take(&board->manifests, seen, append, paths);
}

static void a_manifest_that_changes_is_named(void **state) {
    char paths[65536] = "";
    unsigned seen = 1;

    (void)state;
    assert_int_equal(mkdir(in_dir("tools.d"), 0700), 0);
    start("tools.d", "prompts.d");
    take(&seen, paths);
    assert_string_equal(paths, "(any)\n"); /* whatever was missed before */
    *paths = 0;
    write_file("tools.d/text.txt", "x");
    write_file("tools.d/a.json", "x");
    take(&seen, paths);
    assert_string_equal(paths, arena_printf(*state, "%s\n", in_dir("tools.d/a.json")));
    *paths = 0;
    for (int i = 0; i <= MANIFESTS_MAX; i++)
        write_file(arena_printf(*state, "tools.d/%d.json", i), "x");
    while (!strstr(paths, "(any)") &&
           !strstr(paths, arena_printf(*state, "/%d.json", MANIFESTS_MAX)))
        take(&seen, paths);
}

/* Does something, and waits until the rules are announced. */
static void rules_change(unsigned *seen, const char *command) {
    char paths[4096] = "", line[512];

    (void)snprintf(line, sizeof line, "cd %s && %s", dir, command);
    assert_int_equal(system(line), 0);
    take(seen, paths);
    assert_non_null(strstr(paths, access_file));
    *seen = board->manifests.count;
}

/* As a ConfigMap of Kubernetes is mounted, among others. */
static void rules_may_be_behind_links(void **state) {
    char paths[4096] = "";
    unsigned seen = 1;

    (void)state;
    (void)snprintf(access_file, sizeof access_file, "%s/access.conf", dir);
    assert_int_equal(chdir(dir), 0);
    assert_int_equal(system("mkdir 1 2 tools.d && touch 1/access.conf 2/access.conf &&"
                            "ln -s 1 ..data && ln -s ..data/access.conf access.conf"),
                     0);
    assert_int_equal(chdir("/"), 0);
    start("tools.d", "tools.d");
    while (!strstr(paths, "(any)"))
        take(&seen, paths);
    assert_non_null(strstr(paths, access_file)); /* it may have changed before the watch */
    rules_change(&seen, "ln -s 2 ..new && mv -T ..new ..data");
    rules_change(&seen, "echo 'deny * *' >2/access.conf");
    rules_change(&seen, "chmod 600 2/access.conf");
    rules_change(&seen, "touch new && mv new access.conf");
    rules_change(&seen, "echo >access.conf");
    rules_change(&seen, "rm access.conf");
    rules_change(&seen, "echo >access.conf");
}

static void a_folder_that_is_made_later(void **state) {
    struct listener l;

    start("late/deep/tools.d", "none");
    l = watcher(*state);
    step(&l, "mkdir late && mkdir late/deep", true, false);
    step(&l, "mkdir late/deep/tools.d", true, false);
    step(&l, "echo {} >late/deep/tools.d/a.json", true, false);
    step(&l, "rm -r late", true, false);
    step(&l, "mkdir -p other/tools.d && ln -s $PWD/other late && ln -s . other/deep", true, false);
    step(&l, "echo {} >other/tools.d/a.json", true, false);
    gone(&l);
}

/* ---- parked calls ---- */

/* Both ends of what a parked call has: ours, and those of the message. */
struct parked_ends {
    struct parked_call call;
    int ours[PARKED_ALL_FDS];
};

static struct parked_ends new_parked(const char *user, int64_t until_ms) {
    struct parked_ends p = {
        .call.message = {.id = 1, .until_ms = until_ms, .keep_alive_ms = 60000}};

    (void)snprintf(p.call.message.user, sizeof p.call.message.user, "%s", user);
    for (unsigned i = 0; i < PARKED_ALL_FDS; i++) {
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        p.ours[i] = ends[0];
        p.call.fds[i] = ends[1];
    }
    return p;
}

static void give(const struct parked_ends *p) {
    assert_true(stream_channel_send_parked(outbox, &p->call, WAIT_MS));
    for (unsigned i = 0; i < PARKED_ALL_FDS; i++)
        assert_int_equal(close(p->call.fds[i]), 0);
}

/* The call is given back, with each of its descriptors in its place. */
static void comes_back(const struct parked_ends *p, bool refused) {
    struct pollfd room = {.fd = resume_in, .events = POLLIN};
    struct stream_message m;

    assert_int_equal(poll(&room, 1, WAIT_MS), 1);
    assert_true(stream_channel_receive(resume_in, &m));
    assert_int_equal(m.kind, STREAM_MESSAGE_PARKED);
    assert_int_equal(m.parked.message.refused, refused);
    assert_int_equal(m.parked.message.id, 1);
    for (unsigned i = 0; i < PARKED_ALL_FDS; i++) {
        char mark = (char)('a' + i), got = 0;

        assert_int_equal(send(m.parked.fds[i], &mark, 1, MSG_NOSIGNAL), 1);
        assert_int_equal(recv(p->ours[i], &got, 1, 0), 1);
        assert_int_equal(got, mark);
        assert_int_equal(close(m.parked.fds[i]), 0);
        assert_int_equal(close(p->ours[i]), 0);
    }
}

static void are_held(unsigned n) {
    for (int64_t until = wire_now_ms() + WAIT_MS; board->parked != n;)
        assert_true(wire_now_ms() < until && !usleep(1000));
}

static bool is_back(void) {
    struct pollfd room = {.fd = resume_in, .events = POLLIN};

    return poll(&room, 1, 0) == 1;
}

static void a_parked_call_comes_back_unread(void **state) {
    static const unsigned events[] = {PARKED_ANSWERS, PARKED_CANCEL, PARKED_CONNECTION};

    (void)state;
    start("tools", "none");
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct parked_ends p = new_parked("ada", INT64_MAX);

        give(&p);
        are_held(1);
        assert_false(is_back());
        assert_int_equal(write(p.ours[events[i]], "x", 1), 1);
        comes_back(&p, false);
        are_held(0);
    }
}

static void a_parked_call_comes_back_at_its_time(void **state) {
    struct parked_ends late, asleep;

    (void)state;
    start("tools", "none");
    asleep = new_parked("ada", clock_monotonic_ms() + 100);
    asleep.call.message.asleep = true;
    assert_int_equal(write(asleep.ours[PARKED_ANSWERS], "x", 1), 1);
    give(&asleep);
    comes_back(&asleep, false);
    late = new_parked("ada", clock_monotonic_ms() + 300);
    give(&late);
    comes_back(&late, false);
}

static void times_that_overflow_are_not_held(void **state) {
    struct parked_ends longest = new_parked("ada", INT64_MAX), longer = new_parked("ada", 1);
    char none;

    (void)state;
    start("tools", "none");
    longer.call.message.keep_alive_ms = PARKED_KEEP_ALIVE_MAX_MS + 1;
    give(&longer);
    assert_int_equal(recv(longer.ours[PARKED_CONNECTION], &none, 1, 0), 0);
    longest.call.message.keep_alive_ms = PARKED_KEEP_ALIVE_MAX_MS;
    give(&longest);
    are_held(1);
    assert_int_equal(write(longest.ours[PARKED_ANSWERS], "x", 1), 1);
    comes_back(&longest, false);
    for (unsigned i = 0; i < PARKED_ALL_FDS; i++)
        assert_int_equal(close(longer.ours[i]), 0);
}

static void a_user_has_a_share_of_parked_calls(void **state) {
    static struct parked_ends calls[256];
    struct parked_ends more = new_parked("ada", INT64_MAX), other = new_parked("bob", INT64_MAX);

    (void)state;
    start("tools", "none");
    for (size_t i = 0; i < 256; i++) {
        calls[i] = new_parked("ada", INT64_MAX);
        give(&calls[i]);
    }
    give(&more);
    comes_back(&more, true);
    give(&other);
    are_held(257);
    more = new_parked("ada", INT64_MAX);
    more.call.message.again = true; /* it has been counted */
    give(&more);
    are_held(258);
    assert_false(is_back());
    assert_int_equal(kill(holder, SIGTERM), 0); /* a reload: the next one gets them */
    for (size_t i = 0; i < 256; i++)
        comes_back(&calls[i], false);
    comes_back(&other, false);
    comes_back(&more, false);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    holder = 0;
}

/* ---- who keeps what parked calls become if the stream holder is killed ---- */

static struct parked_call kept_call(int connection) {
    const struct request rq = {.id = "1", .params = (char *[]){NULL}, .body = ""};
    struct parked_call call = {.message.id = 1};

    memset(call.fds, -1, sizeof call.fds);
    call.fds[PARKED_FILE] = parked_write(&rq, TEXT_LITERAL("{}"), TEXT_LITERAL("data: lost\n\n"));
    call.fds[PARKED_CONNECTION] = connection;
    assert_true(call.fds[PARKED_FILE] >= 0);
    return call;
}

static void await_taken(const struct parked_keeper *k) {
    int left = 1;

    while (!ioctl(k->fd, SIOCOUTQ, &left) && left)
        (void)sched_yield();
}

/* One that has no room for a call's descriptors ends, and tells nobody that calls are lost. */
static void calls_are_told_lost_only_when_the_holder_has_ended(void **state) {
    struct parked_keeper k = {.fd = -1};
    struct parked_call call;
    int ends[2], status;
    char text[256];
    pid_t first;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    call = kept_call(ends[0]);
    assert_true(parked_keeper_add(&k, &call));
    await_taken(&k);
    first = k.pid;
    assert_int_equal(prlimit(k.pid, RLIMIT_NOFILE, &(struct rlimit){0, 0}, NULL), 0);
    assert_true(parked_keeper_add(&k, &call));
    assert_int_equal(waitid(P_PID, (id_t)first, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    assert_int_equal(recv(ends[1], text, sizeof text, MSG_DONTWAIT), -1);
    parked_keeper_remove(&k, 1);
    assert_int_equal(k.fd, -1);
    assert_true(parked_keeper_add(&k, &call));
    assert_int_not_equal(k.pid, first);
    assert_int_equal(close(k.fd), 0);
    assert_int_equal(waitpid(k.pid, &status, 0), k.pid);
    assert_true(recv(ends[1], text, sizeof text, MSG_DONTWAIT) > 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(close(ends[i]), 0);
    assert_int_equal(close(call.fds[PARKED_FILE]), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_way_byte_for_byte, begin, end),
        cmocka_unit_test_setup_teardown(a_user_has_a_share, begin, end),
        cmocka_unit_test_setup_teardown(one_that_cannot_be_kept_ends_in_good_order, begin, end),
        cmocka_unit_test_setup_teardown(a_stream_holder_that_is_busy_loses_none, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_behind_a_link, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_that_is_made_later, begin, end),
        cmocka_unit_test_setup_teardown(a_manifest_that_changes_is_named, begin, end),
        cmocka_unit_test_setup_teardown(rules_may_be_behind_links, begin, end),
        cmocka_unit_test_setup_teardown(a_parked_call_comes_back_unread, begin, end),
        cmocka_unit_test_setup_teardown(a_parked_call_comes_back_at_its_time, begin, end),
        cmocka_unit_test_setup_teardown(times_that_overflow_are_not_held, begin, end),
        cmocka_unit_test_setup_teardown(a_user_has_a_share_of_parked_calls, begin, end),
        cmocka_unit_test(calls_are_told_lost_only_when_the_holder_has_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

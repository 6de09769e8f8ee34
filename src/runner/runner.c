#include "runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/child.h"
#include "runner/instance.h"
#include "runner/landlock.h"
#include "runner/packet.h"
#include "runner/seccomp_notify.h"
#include "runner/supervisor.h"

#define BACKLOG 4096 /* lowered to net.core.somaxconn */
#define AGAIN_MS 100 /* after a supervisor has failed; and how often it is told to stop */
#define ORPHANS_MS 10
#define OOM_SCORE "/proc/self/oom_score_adj"
#define OOM_SCORE_OF_PROGRAMS "500" /* they are killed before the daemon, proc(5) */

/* ---- the user ---- */

/* Leaves the user, all groups and the way back. false: it has said why. */
static bool become(const char *name) {
    const struct passwd *p = getpwnam(name);
    int signo = 0;
    pid_t parent = getppid();

    if (!p || !p->pw_uid) {
        log_error("runner_failed", kv("why", p ? "it must not be root" : "there is no such user"),
                  kv("user", name));
        return false;
    }
    (void)prctl(PR_GET_PDEATHSIG, &signo);
    if (initgroups(name, p->pw_gid) || setgid(p->pw_gid) || setuid(p->pw_uid) || !setuid(0)) {
        log_error("runner_failed", kv("why", strerror(errno)), kv("user", name));
        return false;
    }
    /* prctl(2): another user clears it. */
    (void)prctl(PR_SET_PDEATHSIG, signo);
    return !signo || getppid() == parent;
}

/* For good, here and in programs, also where both run as root: with CAP_DAC_OVERRIDE, CAP_PERFMON
 * or CAP_SYS_ADMIN a program would reach more than Landlock holds back (capabilities(7)). Without
 * privileges the bounding set stays as it is, and gives none. */
static void drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    (void)syscall(SYS_capset, &header, none);
}

/* To be called before become. */
static bool client_uid(const char *name, uid_t *out) {
    const struct passwd *p = name ? getpwnam(name) : NULL;

    *out = p ? p->pw_uid : getuid();
    if (name && !p)
        log_error("runner_failed", kv("why", "there is no such user"), kv("user", name));
    return !name || p;
}

/* ---- the main process ---- */

struct pool {
    struct runner runner;
    int signals;
    struct instance_sockets of_instances; /* connections: from runner.pool */
    pid_t instance_pool;                  /* 0: there is none */
    bool stopping;
    bool failed;  /* a supervisor has: the next one does not follow at once */
    bool orphans; /* there may be some of supervisors that were killed */
};

static int open_signals(void) {
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGCHLD);
    /* What is ignored stays so in programs, past exec. */
    for (int signo = 1; signo < NSIG; signo++)
        (void)signal(signo, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN); /* a log whose reader has gone is an error of a line */
    return sigprocmask(SIG_SETMASK, &set, NULL) ? -1
                                                : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool open_pool(struct pool *p, int listener) {
    const struct timeval idle = {.tv_sec = SUPERVISOR_IDLE_S};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   p->of_instances.queue))
        return false;
    p->runner.pool = ends[0];
    p->of_instances.connections = ends[1];
    p->runner.listener = listener;
    p->runner.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->signals = open_signals();
    p->runner.shared = memory_shared(sizeof *p->runner.shared);
    if (p->runner.shared) {
        p->runner.shared->pid = getpid();
        p->runner.shared->started_s = clock_realtime_ms() / 1000;
    }
    return p->runner.wake >= 0 && p->signals >= 0 && p->runner.shared &&
           fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) & ~O_NONBLOCK) >= 0 &&
           fcntl(listener, F_SETFD, FD_CLOEXEC) >= 0 &&
           !setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
}

/* How many are idle; *free is the number of a slot for another one, SUPERVISORS_MAX if there is
 * none. */
static unsigned count_idle(const struct runner_shared *s, unsigned *free) {
    unsigned idle = 0;

    *free = s->used;
    for (unsigned i = 0; i < s->used; i++) {
        idle += s->slots[i].state == SUPERVISOR_IDLE;
        if (!s->slots[i].pid && *free == s->used)
            *free = i;
    }
    return idle;
}

static void add_supervisor(struct pool *p) {
    const struct runner *r = &p->runner;
    const struct child_start how = {.name = "mcp-supervisor",
                                    .keep = {r->listener, r->wake, r->cgroups.dir, r->pool},
                                    .death_signal = SIGKILL};
    struct runner_shared *s = r->shared;
    unsigned slot;
    pid_t pid;

    if (count_idle(s, &slot) || slot == SUPERVISORS_MAX)
        return;
    s->slots[slot].state = SUPERVISOR_IDLE;
    if (slot == s->used)
        s->used = slot + 1;
    pid = child_fork(&how);
    if (pid == 0)
        supervisor_main(r, slot);
    s->slots[slot].pid = pid > 0 ? pid : 0;
    if (pid > 0)
        return;
    log_error("fork_failed", kv("why", strerror(errno)));
    s->slots[slot].state = SUPERVISOR_NONE;
    p->failed = true;
}

/* When somebody asks for instances. It ends when nobody is connected any more. */
static void start_instance_pool(struct pool *p) {
    const struct instance_sockets *s = &p->of_instances;
    const struct child_start how = {
        .name = "mcp-instances",
        .keep = {s->connections, s->queue[QUEUE_IN], s->queue[QUEUE_OUT]},
        .death_signal = SIGKILL};
    pid_t pid = child_fork(&how);

    if (pid == 0)
        instance_pool_main(s);
    p->instance_pool = pid > 0 ? pid : 0;
    p->failed = pid < 0;
    if (p->failed)
        log_error("fork_failed", kv("why", strerror(errno)));
}

static void note_end(struct pool *p, pid_t pid, int status) {
    const int shown = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    struct runner_shared *s = p->runner.shared;

    if (pid == p->instance_pool) {
        p->instance_pool = 0;
        p->failed = status != 0;
        if (status)
            log_warn("instance_pool_exited", kvn("process", pid), kvn("status", shown));
    }
    for (unsigned i = 0; i < s->used; i++) {
        if (s->slots[i].pid != pid)
            continue;
        if (status) {
            log_warn("supervisor_exited", kvn("process", pid), kvn("status", shown));
            p->failed = p->orphans = true;
        }
        supervisor_remove(&p->runner, i);
        s->slots[i].pid = 0;
        s->slots[i].state = SUPERVISOR_NONE;
    }
}

static void reap(struct pool *p) {
    int status;
    pid_t pid;

    if (p->orphans)
        p->orphans = orphans_kill() > 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        note_end(p, pid, status);
}

/* How many there are. Told again and again, since a signal may come just before accept(2). */
static unsigned stop_children(const struct pool *p) {
    const struct runner_shared *s = p->runner.shared;
    unsigned n = 0;

    if (p->instance_pool) {
        (void)kill(p->instance_pool, SIGTERM);
        n++;
    }
    for (unsigned i = 0; i < s->used; i++)
        if (s->slots[i].pid) {
            (void)kill(s->slots[i].pid, SIGTERM);
            n++;
        }
    return n;
}

/* What waits for an instance pool that is not started any more: a program in it would never end. */
static void drop_instances(const struct instance_sockets *s) {
    struct instance_request given;
    char word;
    int fds[INSTANCE_FDS];
    struct packet connection = {&word, sizeof word, fds, 1, 0};

    while (instance_queue_take(s->queue[QUEUE_OUT], &given, fds))
        descriptors_close(fds, INSTANCE_FDS);
    while (packet_receive(s->connections, &connection) > 0)
        descriptors_close(fds, connection.fd_count);
}

static void wait_for_event(struct pool *p) {
    const bool may_start = !p->failed && !p->stopping;
    struct pollfd fds[] = {
        {.fd = p->signals, .events = POLLIN},
        {.fd = p->failed ? -1 : p->runner.wake, .events = POLLIN},
        {.fd = may_start && !p->instance_pool ? p->of_instances.connections : -1, .events = POLLIN},
        {.fd = may_start && !p->instance_pool ? p->of_instances.queue[QUEUE_OUT] : -1,
         .events = POLLIN}};
    struct signalfd_siginfo s;
    uint64_t n;

    (void)poll(fds, 4, p->orphans ? ORPHANS_MS : p->failed || p->stopping ? AGAIN_MS : -1);
    p->failed = false;
    if (fds[2].revents || fds[3].revents)
        start_instance_pool(p);
    while (read(p->signals, &s, sizeof s) == sizeof s)
        p->stopping = p->stopping || s.ssi_signo != SIGCHLD;
    (void)!read(p->runner.wake, &n, sizeof n); /* EAGAIN: nobody has asked */
}

static void run(struct pool *p) {
    for (;;) {
        reap(p);
        if (p->stopping && !p->instance_pool)
            drop_instances(&p->of_instances);
        if (p->stopping && !stop_children(p))
            return;
        if (!p->stopping && !p->failed)
            add_supervisor(p);
        wait_for_event(p);
    }
}

static const char *hint(const struct runner *r) {
    if (geteuid() == r->client)
        return "programs run as the daemon's own user: see RUN_USER and RUNNER_SOCKET";
    return r->notify ? "" : "programs reach the instance metadata addresses";
}

/* What keeps programs from the daemon and from each other on this host. */
static void log_state(const struct runner *r) {
    const struct cgroup_tree *t = &r->cgroups;

    LOG_AT(*hint(r) || !r->landlock ? LOG_WARN : LOG_INFO, "runner_started", kvn("uid", geteuid()),
           kvn("client_uid", r->client), kvn("landlock", r->landlock ? landlock_abi() : 0),
           kv("seccomp_notify", r->notify ? "yes" : "no"),
           kv("cgroups", t->dir < 0             ? "no"
                         : t->memory && t->pids ? "memory, pids"
                                                : "without memory or pids"),
           kv("hint", hint(r)));
}

static void lower_programs(void) {
    int fd = open(OOM_SCORE, O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, OOM_SCORE_OF_PROGRAMS, sizeof OOM_SCORE_OF_PROGRAMS - 1) < 0)
        log_warn("runner_failed", kv("why", OOM_SCORE " cannot be written"));
    descriptor_close(fd);
}

int runner_main(int listener, const struct runner_options *o) {
    const struct rlimit no_core = {0, 0};
    struct pool p = {.runner.cgroups.dir = -1};

    if (!client_uid(o->client_user, &p.runner.client) || (o->user && !become(o->user)))
        return 1;
    lower_programs();
    (void)setrlimit(RLIMIT_CORE, &no_core);
    descriptors_allow_most();
#ifndef WITH_SANITIZERS /* LeakSanitizer traces its own process */
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
    orphans_adopt(true);
    if (!open_pool(&p, listener)) {
        log_error("runner_failed", kv("why", strerror(errno)));
        return 1;
    }
    cgroup_tree_open(&p.runner.cgroups, o->cgroup);
    drop_capabilities();
    p.runner.landlock = landlock_works();
    p.runner.notify = seccomp_notify_works();
    log_state(&p.runner);
    run(&p);
    return 0;
}

/* ---- the command ---- */

static bool is_listening(int fd) {
    int yes = 0, type = 0;
    socklen_t len = sizeof yes;

    return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) && yes &&
           !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_SEQPACKET;
}

static int usage(bool asked) {
    (void)fputs("usage: mcp-authd runner [--user NAME] [--client-user NAME] [--quiet]\n"
                "It is started by mcp-authd or systemd, with a listening SOCK_SEQPACKET socket as "
                "descriptor 3.\n",
                asked ? stdout : stderr);
    return asked ? 0 : 2;
}

int runner_command(int argc, char **argv) {
    static const struct option names[] = {{"user", required_argument, NULL, 'u'},
                                          {"client-user", required_argument, NULL, 'c'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct runner_options o = {0};
    int opt;

    optind = 1;
    while ((opt = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        if (opt == 'u')
            o.user = optarg;
        else if (opt == 'c')
            o.client_user = optarg;
        else if (opt == 'q')
            log_set_level(LOG_ERROR);
        else
            return usage(opt == 'h');
    }
    if (optind < argc || !is_listening(RUNNER_LISTENER_FD))
        return usage(false);
    (void)prctl(PR_SET_NAME, "mcp-runner");
    log_open();
    return runner_main(RUNNER_LISTENER_FD, &o);
}

/* ---- its socket ---- */

/* A path through the directory's descriptor is short enough for a socket's address, whatever the
 * directory's own is (unix(7): 108 bytes). */
bool runner_listen(const char *dir, int *listener, int *connector) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    mode_t before = umask(0077);

    *connector = -1;
    *listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/runner-%d.sock", at,
                   (int)getpid());
    (void)unlink(sa.sun_path);
    if (at >= 0 && *listener >= 0 && !bind(*listener, (const struct sockaddr *)&sa, sizeof sa) &&
        !listen(*listener, BACKLOG))
        *connector = open(sa.sun_path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    (void)umask(before);
    (void)unlink(sa.sun_path);
    descriptor_close(at);
    return *connector >= 0;
}

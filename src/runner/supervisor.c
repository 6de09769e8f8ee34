#include "runner/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/child.h"
#include "runner/landlock.h"
#include "runner/packet.h"
#include "runner/process.h"
#include "runner/seccomp_notify.h"

#define REQUEST_MS 1000 /* for the message, once a connection is there */
#define ORPHANS_AT_ONCE 64
#define REAP_MS 1000        /* for what was killed and hangs in the kernel, before the answer */
#define SECRETS_SPARE_FD 64 /* above the numbers that secrets get */

/* Limits where a manifest names none. */
#define OPEN_FILES_DEFAULT 1024
#define FILE_SIZE_DEFAULT ((int64_t)1 << 30)
/* Of all processes of the user that programs run as, where there are no control groups: the kernel
 * counts them for each user only, and none of root (getrlimit(2): RLIMIT_NPROC). */
#define USER_PROCESSES 2048

struct run {
    struct run_request request;
    int fds[RUN_FDS_MAX];
    unsigned fd_count;
    int conn;
    int ruleset; /* -1: there is no Landlock */
    const char *home;
    pid_t supervisor, pid;
    struct run_answer answer;
};

static struct supervisor {
    const struct runner *runner;
    struct supervisor_slot *slot;
    unsigned number;
    struct cgroup group;
    sigset_t waiting; /* the signal mask of ppoll: SIGCHLD ends it */
    struct seccomp_filter filter;
    int filter_error; /* errno; 0: the filter is in force */
    char message[RUN_REQUEST_MAX];
    struct run_strings strings;
} supervisor;

static volatile sig_atomic_t stopping;

static void note_signal(int signo) {
    if (signo == SIGTERM)
        stopping = 1;
}

/* ---- the request ---- */

/* The socket's mode says the same; this holds even if somebody changes it. */
static bool is_client(int conn) {
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &len))
        return false;
    if (peer.uid == supervisor.runner->client || peer.uid == 0)
        return true;
    log_warn("runner_client_refused", kvn("uid", peer.uid), kvn("process", peer.pid));
    return false;
}

/* The length of the message; -1: there is none. */
static ssize_t receive(struct run *run) {
    struct packet packet = {supervisor.message, sizeof supervisor.message, run->fds, RUN_FDS_MAX,
                            0};
    struct pollfd p = {.fd = run->conn, .events = POLLIN};
    ssize_t n = packet_receive(run->conn, &packet);

    if (n < 0 && errno == EAGAIN && poll(&p, 1, REQUEST_MS) > 0)
        n = packet_receive(run->conn, &packet);
    run->fd_count = packet.fd_count;
    return n;
}

/* ---- the program: between fork and exec, with the memory of the supervisor (vfork(2)) ---- */

/* Not above what the service manager allows the runner. */
static bool set_limit(__rlimit_resource_t what, rlim_t value) {
    struct rlimit limit;

    if (getrlimit(what, &limit))
        return false;
    if (value < limit.rlim_max)
        limit.rlim_max = value;
    limit.rlim_cur = limit.rlim_max;
    /* Lowering is always allowed (getrlimit(2)): EPERM is valgrind's answer. */
    return !setrlimit(what, &limit) || errno == EPERM;
}

static bool set_limits(const struct run_limits *l) {
    const struct cgroup_tree *t = &supervisor.runner->cgroups;
    bool ok =
        set_limit(RLIMIT_NOFILE, l->open_files ? l->open_files : OPEN_FILES_DEFAULT) &&
        set_limit(RLIMIT_FSIZE, l->file_size ? (rlim_t)l->file_size : (rlim_t)FILE_SIZE_DEFAULT);

    if (!t->pids)
        ok = ok && set_limit(RLIMIT_NPROC, USER_PROCESSES);
    if (!t->memory && l->memory)
        ok = ok && set_limit(RLIMIT_AS, (rlim_t)l->memory);
    return ok;
}

/* All that were received are above 2, and close on exec as everything else here. */
static bool place_descriptors(const struct run *run) {
    int secrets[RUN_SECRETS_MAX];

    for (unsigned i = 3; i < run->fd_count; i++)
        if ((secrets[i - 3] = fcntl(run->fds[i], F_DUPFD_CLOEXEC, SECRETS_SPARE_FD)) < 0)
            return false;
    for (int i = 0; i < 3; i++)
        if (dup2(run->fds[i], i) < 0)
            return false;
    for (unsigned i = 3; i < run->fd_count; i++)
        if (dup2(secrets[i - 3], (int)i) < 0)
            return false;
    return true;
}

/* Returns where it failed. */
static enum run_step become_program(const struct run *run) {
    const struct run_request *r = &run->request;
    sigset_t none;

    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != run->supervisor)
        _exit(0);
    if (chdir(r->dir))
        return RUN_STEP_DIRECTORY;
    if (run->ruleset >= 0 && !landlock_enter(run->ruleset))
        return RUN_STEP_PATHS;
    if (!place_descriptors(run))
        return RUN_STEP_DESCRIPTORS;
    if (!set_limits(&r->limits))
        return RUN_STEP_LIMITS;
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* execve does not write to them; its prototype is older than const. */
    (void)execve(r->argv[0], (char *const *)(uintptr_t)r->argv, (char *const *)(uintptr_t)r->envp);
    return RUN_STEP_EXEC;
}

static _Noreturn void child(void *arg) {
    supervisor.slot->failure.step = become_program(arg);
    supervisor.slot->failure.error = errno ? errno : EIO;
    _exit(127);
}

/* ---- starting it ---- */

static bool not_started(struct run *run, enum run_step step, int error) {
    run->answer.end = RUN_NOT_STARTED;
    run->answer.step = step;
    run->answer.code = error;
    return false;
}

/* The private directory, and the variables that name it. */
static bool make_home(struct run *run) {
    static char home[HOME_PATH_MAX + 16], tmpdir[HOME_PATH_MAX + 16];
    size_t n = 0;

    if (!private_directory_make(supervisor.slot->home, &run->home))
        return false;
    (void)snprintf(home, sizeof home, "HOME=%s", run->home);
    (void)snprintf(tmpdir, sizeof tmpdir, "TMPDIR=%s", run->home);
    while (supervisor.strings.envp[n])
        n++;
    supervisor.strings.envp[n] = home;
    supervisor.strings.envp[n + 1] = tmpdir;
    supervisor.strings.envp[n + 2] = NULL;
    return true;
}

static bool prepare(struct run *run) {
    const struct cgroup_tree *t = &supervisor.runner->cgroups;

    if (supervisor.filter_error)
        return not_started(run, RUN_STEP_SYSTEM_CALLS, supervisor.filter_error);
    if (run->request.home && !make_home(run))
        return not_started(run, RUN_STEP_HOME, errno);
    if (supervisor.runner->landlock) {
        run->ruleset = landlock_ruleset(&run->request, run->home ? supervisor.slot->home : NULL);
        if (run->ruleset < 0)
            return not_started(run, RUN_STEP_PATHS, errno);
    }
    if (t->dir >= 0 &&
        ((supervisor.group.dir < 0 && !cgroup_open(t, supervisor.number, &supervisor.group)) ||
         !cgroup_limit(t, &supervisor.group, &run->request.limits)))
        return not_started(run, RUN_STEP_CGROUP, errno);
    return true;
}

/* By vfork, since copying page tables takes longer than all else; the supervisor stops until exec.
 * With a control group by clone3, which has the child in the group from its first moment. */
static bool start(struct run *run) {
    supervisor.slot->failure.error = 0;
    run->supervisor = getpid();
    run->pid = supervisor.group.dir >= 0
                   ? cgroup_vfork(&supervisor.group, supervisor.filter.pass, child, run)
                   : vfork();
    if (run->pid == 0)
        child(run);
    if (run->pid < 0)
        return not_started(run, RUN_STEP_FORK, errno);
    return true;
}

/* ---- while it runs ---- */

/* Reaps orphans that have ended, so many at a time: one that forks without end makes more while
 * they are reaped, and must not keep its end from being asked for. The program itself is not reaped
 * yet: as long as it is not, no other process gets its number, or its group's. */
static bool has_ended(const struct run *run) {
    siginfo_t ended = {0};

    if (!waitid(P_PID, (id_t)run->pid, &ended, WEXITED | WNOHANG | WNOWAIT) && ended.si_pid)
        return true;
    for (int i = 0; i < ORPHANS_AT_ONCE; i++) {
        ended.si_pid = 0;
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) || !ended.si_pid ||
            ended.si_pid == run->pid)
            break;
        (void)waitpid(ended.si_pid, NULL, WNOHANG);
    }
    return ended.si_pid == run->pid;
}

/* The client has said something: it is to be stopped, and then it has PROCESS_GRACE_MS, or asks for
 * its memory; the end of the connection means that nobody waits any more. Returns when to kill it;
 * kill_ms: as before. */
static int64_t read_client(struct run *run, int64_t kill_ms) {
    char c;
    ssize_t n = recv(run->conn, &c, 1, MSG_DONTWAIT);

    if (n > 0 && c == RUN_SAY_MEMORY) {
        const struct run_answer a = {
            .version = RUN_VERSION, .end = RUN_RUNS, .memory = memory_of_tree(run->pid)};

        (void)send(run->conn, &a, sizeof a, MSG_NOSIGNAL | MSG_DONTWAIT);
        return kill_ms;
    }
    if (n > 0) {
        (void)kill(-run->pid, SIGTERM);
        return clock_monotonic_ms() + PROCESS_GRACE_MS;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return kill_ms;
    descriptor_clear(&run->conn);
    return 0;
}

/* SIGCHLD is blocked but while ppoll waits, so none is missed. */
static void await_end(struct run *run) {
    int64_t kill_ms = INT64_MAX;

    do {
        struct pollfd fds[] = {{.fd = run->conn, .events = POLLIN},
                               {.fd = supervisor.filter.listener, .events = POLLIN}};
        int64_t left = kill_ms == INT64_MAX ? 0 : kill_ms - clock_monotonic_ms();
        const struct timespec wait = {left / 1000, left % 1000 * 1000000};

        if (left < 0 || !kill_ms) {
            (void)kill(-run->pid, SIGKILL);
            kill_ms = INT64_MAX;
            continue;
        }
        if (ppoll(fds, 2, kill_ms == INT64_MAX ? NULL : &wait, &supervisor.waiting) <= 0)
            continue;
        if (fds[1].revents)
            seccomp_notify_answer(&supervisor.filter, !run->request.instance_metadata);
        if (fds[0].revents)
            kill_ms = read_client(run, kill_ms);
    } while (!has_ended(run));
}

static int64_t microseconds(const struct timeval *t) {
    return (int64_t)t->tv_sec * 1000000 + t->tv_usec;
}

static void finish(struct run *run) {
    struct rusage usage = {0};
    int status = 0;
    bool out_of_memory;

    (void)kill(-run->pid, SIGKILL); /* what is left of its process group */
    (void)wait4(run->pid, &status, 0, &usage);
    out_of_memory = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
                    cgroup_ran_out_of_memory(&supervisor.group);
    (void)cgroup_end(&supervisor.runner->cgroups, &supervisor.group, REAP_MS);
    orphans_end(REAP_MS);
    if (supervisor.slot->failure.error) {
        (void)not_started(run, supervisor.slot->failure.step, supervisor.slot->failure.error);
        return;
    }
    run->answer.end = out_of_memory         ? RUN_OUT_OF_MEMORY
                      : WIFSIGNALED(status) ? RUN_SIGNALLED
                                            : RUN_EXITED;
    run->answer.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    run->answer.user_us = microseconds(&usage.ru_utime);
    run->answer.system_us = microseconds(&usage.ru_stime);
    run->answer.max_rss_kib = usage.ru_maxrss;
}

/* ---- a connection ---- */

static void do_run(struct run *run) {
    if (run->fd_count != 3 + run->request.secrets) {
        (void)not_started(run, RUN_STEP_REQUEST, EBADMSG);
    } else if (prepare(run) && start(run)) {
        supervisor.runner->shared->runs++;
        /* The ends of its output stay open until the answer has been sent: so the client, which
         * gets that first, does not wake up once more for them. */
        for (unsigned i = 0; i < run->fd_count; i++)
            if (i != STDOUT_FILENO && i != STDERR_FILENO)
                descriptor_clear(&run->fds[i]);
        await_end(run);
        finish(run);
    }
}

/* Without this one. */
static unsigned count_others(enum supervisor_state state) {
    const struct runner_shared *s = supervisor.runner->shared;
    unsigned n = 0;

    for (unsigned i = 0; i < s->used; i++)
        n += i != supervisor.number && s->slots[i].state == (int)state;
    return n;
}

static void answer_state(int conn) {
    const struct runner *r = supervisor.runner;
    const struct run_state state = {.version = RUN_VERSION,
                                    .pid = (uint32_t)r->shared->pid,
                                    .started_s = r->shared->started_s,
                                    .runs = r->shared->runs,
                                    .running = count_others(SUPERVISOR_BUSY),
                                    .uid = geteuid(),
                                    .landlock = r->landlock ? landlock_abi() : 0,
                                    .notify = r->notify,
                                    .cgroups = r->cgroups.dir >= 0,
                                    .memory = r->cgroups.memory,
                                    .pids = r->cgroups.pids};

    (void)send(conn, &state, sizeof state, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void serve(int conn) {
    struct run run = {.conn = conn, .ruleset = -1, .answer.version = RUN_VERSION};
    ssize_t n = is_client(conn) ? receive(&run) : -1;
    enum run_kind kind = n < 0 ? 0
                               : run_request_decode(supervisor.message, (size_t)n,
                                                    &supervisor.strings, &run.request);

    if (kind == RUN_STATE) {
        answer_state(conn);
    } else if (kind == RUN_INSTANCES) {
        /* From now on the instance pool alone has it. */
        if (!packet_send(supervisor.runner->pool, "c", 1, &conn, 1))
            log_warn("runner_failed", kv("why", strerror(errno)), kv("what", "instance pool"));
    } else if (kind == RUN_PROGRAM) {
        do_run(&run);
    } else {
        (void)not_started(&run, RUN_STEP_REQUEST, EBADMSG);
    }
    if (kind != RUN_STATE && kind != RUN_INSTANCES && n >= 0 && run.conn >= 0)
        (void)send(run.conn, &run.answer, sizeof run.answer, MSG_NOSIGNAL | MSG_DONTWAIT);
    for (unsigned i = 0; i < run.fd_count; i++)
        descriptor_close(run.fds[i]);
    descriptor_close(run.conn);
    if (kind != RUN_PROGRAM)
        return;
    /* What has not ended in time does not share this process, or its group, with the next run. */
    while (orphans_kill() || !cgroup_end(&supervisor.runner->cgroups, &supervisor.group, REAP_MS))
        orphans_end(REAP_MS);
    if (run.home)
        private_directory_empty(supervisor.slot->home);
}

/* ---- one after the other ---- */

static void prepare_signals(void) {
    struct sigaction action = {.sa_handler = note_signal}; /* without SA_RESTART: ends accept */
    sigset_t child;

    (void)sigaction(SIGCHLD, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigemptyset(&supervisor.waiting);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &child, NULL);
}

_Noreturn void supervisor_main(const struct runner *r, unsigned slot) {
    const uint64_t one = 1;

    supervisor.runner = r;
    supervisor.slot = &r->shared->slots[slot];
    supervisor.number = slot;
    supervisor.group.dir = -1;
    prepare_signals();
    orphans_adopt(true);
    /* In force for this process, and so for all that it starts. */
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!seccomp_contain(r->notify, &supervisor.filter))
        supervisor.filter_error = errno ? errno : EIO;
    while (!stopping) {
        int conn = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);

        if (conn >= 0) {
            supervisor.slot->state = SUPERVISOR_BUSY;
            /* The runner starts another one if none is idle. */
            if (!count_others(SUPERVISOR_IDLE) && write(r->wake, &one, sizeof one) < 0)
                stopping = 1; /* a counter of so many is full, or the runner has closed it */
            serve(conn);
            supervisor.slot->state = SUPERVISOR_IDLE;
        } else if (errno == EAGAIN
                       ? count_others(SUPERVISOR_IDLE) > 0 /* SUPERVISOR_IDLE_S are over */
                       : errno != EINTR && errno != ECONNABORTED) {
            break;
        }
    }
    supervisor.slot->state = SUPERVISOR_LEAVING;
    _exit(0);
}

void supervisor_remove(const struct runner *r, unsigned slot) {
    char *home = r->shared->slots[slot].home;

    cgroup_remove(&r->cgroups, slot);
    if (*home) {
        private_directory_empty(home);
        (void)rmdir(home);
        *home = 0;
    }
}

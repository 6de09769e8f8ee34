/* What a program's supervisor decides: TCP sockets that do not reach the instance metadata
 * addresses. The programs are this one: its first argument says what it does. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/ipv6.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "runner/process.h"
#include "runner/seccomp_notify.h"
#include "runner_fixture.h"

#define ADDRESS_MS 10000 /* for an address that was added */
#define ANSWER_MS 500U   /* to wait for a SYN-ACK that does not come */
#define CONNECTIONS_MAX 16

/* What follows a poll(2) of the code under test, in the C library's place; NULL: nothing. Returns
 * what poll does. */
static int (*after_poll)(int result);

int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    const struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    int n = ppoll(fds, count, timeout_ms < 0 ? NULL : &t, NULL);

    return after_poll ? after_poll(n) : n;
}

/* ---- the programs ---- */

static void say(const char *text) {
    (void)printf("%s ", text);
    (void)fflush(stdout);
}

/* Begins a connection; its socket does not wait. */
static int begin_connect(const char *port, const char *address) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6.sin6_port};
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    unsigned wait_ms = ANSWER_MS;

    (void)inet_pton(AF_INET6, address, &v6.sin6_addr);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &wait_ms, sizeof wait_ms);
    (void)connect(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
                  is_v4 ? sizeof v4 : sizeof v6);
    return fd;
}

static int do_connect(const char *port, char **addresses) {
    int fds[CONNECTIONS_MAX], n = 0;

    for (; addresses[n]; n++)
        fds[n] = begin_connect(port, addresses[n]);
    for (int i = 0; i < n; i++) {
        struct pollfd p = {.fd = fds[i], .events = POLLOUT};
        int error = 0;
        socklen_t len = sizeof error;

        (void)poll(&p, 1, -1);
        (void)getsockopt(fds[i], SOL_SOCKET, SO_ERROR, &error, &len);
        say(error ? strerrorname_np(error) : "connected");
    }
    return 0;
}

static void say_socket(int family, int type, int protocol) {
    int fd = socket(family, type, protocol);

    say(fd < 0 ? strerrorname_np(errno) : "ok");
    if (fd >= 0)
        (void)close(fd);
}

static int do_sockets(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), open = 0;
    struct rlimit none = {0, 0};

    (void)printf("%d %d ", fcntl(fd, F_GETFL) & O_NONBLOCK ? 1 : 0, fcntl(fd, F_GETFD));
    fd = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    (void)printf("%d %d ", fcntl(fd, F_GETFL) & O_NONBLOCK ? 1 : 0, fcntl(fd, F_GETFD));
    say_socket(AF_INET, SOCK_DGRAM, 0);
    say_socket(AF_UNIX, SOCK_STREAM, 0);
    say_socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */);
    say_socket(43 /* AF_SMC */, SOCK_STREAM, 0);
    say_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP);
    open = fd;
    (void)getrlimit(RLIMIT_NOFILE, &none);
    none.rlim_cur = (rlim_t)open + 1;
    (void)setrlimit(RLIMIT_NOFILE, &none);
    say_socket(AF_INET, SOCK_STREAM, 0);
    return 0;
}

/* tcp(7): a key of no length takes away what closes an address. */
static int do_reopen(void) {
    struct tcp_md5sig m = {.tcpm_prefixlen = 32};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)inet_pton(AF_INET, "169.254.169.254", &v4.sin_addr);
    memcpy(&m.tcpm_addr, &v4, sizeof v4);
    say(setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &m, sizeof m) ? strerrorname_np(errno) : "ok");
    m.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
    say(setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &m, sizeof m) ? strerrorname_np(errno) : "ok");
    say(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) ? strerrorname_np(errno)
                                                                         : "ok");
    return 0;
}

static int be_program(char **argv) {
    if (!strcmp(argv[1], "connect"))
        return do_connect(argv[2], argv + 3);
    if (!strcmp(argv[1], "sockets"))
        return do_sockets();
    return do_reopen();
}

/* ---- running them ---- */

static struct arena *a;

static int begin(void **state) {
    (void)state;
    a = arena_new(UNIT_ARENA_BYTES);
    return 0;
}

static int end(void **state) {
    (void)state;
    arena_free(a);
    return 0;
}

static struct process_result run_for(int64_t timeout_ms, const struct run_request *c,
                                     const char *const *words) {
    static char self[PATH_MAX];
    const char *argv[16] = {self};
    /* Looking for leaks takes a process and a descriptor more. */
    const char *const envp[] = {"ASAN_OPTIONS=detect_leaks=0", NULL};
    struct process_spec spec = {.timeout_ms = timeout_ms, .output_max = 65536};
    struct process_result r;

    assert_non_null(realpath("/proc/self/exe", self));
    for (int i = 0; words[i]; i++)
        argv[i + 1] = words[i];
    if (c)
        spec.run = *c;
    spec.run.argv = argv;
    spec.run.envp = envp;
    spec.run.dir = "/";
    process_run(a, &spec, &r);
    return r;
}

static const char *output(const struct run_request *c, const char *const *words) {
    struct process_result r = run_for(60000, c, words);

    assert_int_equal(r.end, PROCESS_EXITED);
    assert_int_equal(r.code, 0);
    return r.out.p;
}

static void need_notify(void) {
    struct run_state in_force;

    assert_true(runner_ask_state(5000, &in_force));
    if (!in_force.notify)
        skip();
}

/* ---- the instance metadata addresses, in a network of their own ---- */

static const char *const metadata[] = {"169.254.169.254", "169.254.170.2", "169.254.170.23",
                                       "fd00:ec2::254", "fd00:ec2::23"};
#define METADATA (sizeof metadata / sizeof *metadata)

static bool has_network;

static bool add_v4(int fd, const char *label, const char *address) {
    struct ifreq r = {0};
    struct sockaddr_in sa = {.sin_family = AF_INET};

    (void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", label);
    if (inet_pton(AF_INET, address, &sa.sin_addr) != 1)
        return false;
    memcpy(&r.ifr_addr, &sa, sizeof sa);
    return !ioctl(fd, SIOCSIFADDR, &r);
}

static bool add_v6(int fd, const char *address) {
    struct in6_ifreq r = {.ifr6_prefixlen = 128, .ifr6_ifindex = (int)if_nametoindex("lo")};

    return inet_pton(AF_INET6, address, &r.ifr6_addr) == 1 && !ioctl(fd, SIOCSIFADDR, &r);
}

/* An address of IPv6 has a route a moment later. */
static bool is_reached(int fd, const char *address) {
    const int64_t end_ms = clock_monotonic_ms() + ADDRESS_MS;
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(1)};

    if (inet_pton(AF_INET6, address, &sa.sin6_addr) != 1)
        return false;
    while (connect(fd, (struct sockaddr *)&sa, sizeof sa)) {
        if (clock_monotonic_ms() > end_ms)
            return false;
        clock_sleep_ms(1);
    }
    return true;
}

/* A network with nothing but loopback, to which the addresses belong. */
static bool make_network(void) {
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int v4, v6;
    bool ok;

    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return false;
    v4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ok = !ioctl(v4, SIOCSIFFLAGS, &up) && add_v4(v4, "lo:1", metadata[0]) &&
         add_v4(v4, "lo:2", metadata[1]) && add_v4(v4, "lo:3", metadata[2]) &&
         add_v4(v4, "lo:4", "169.254.169.253") && add_v6(v6, metadata[3]) &&
         add_v6(v6, metadata[4]) && add_v6(v6, "fd00:ec2::253") && is_reached(v6, metadata[3]) &&
         is_reached(v6, metadata[4]) && is_reached(v6, "fd00:ec2::253");
    (void)close(v4);
    (void)close(v6);
    return ok;
}

/* A listening socket of all addresses; *port is set to its port. */
static int listen_everywhere(const char **port) {
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = arena_printf(a, "%d", ntohs(sa.sin6_port));
    return fd;
}

static void instance_metadata_is_not_reached(void **state) {
    const struct run_request allowed = {.instance_metadata = true};
    const char *words[3 + METADATA + 5] = {"connect"};
    int listener;
    size_t n = 2;

    (void)state;
    if (!has_network)
        skip();
    need_notify();
    listener = listen_everywhere(&words[1]);
    for (size_t i = 0; i < METADATA; i++)
        words[n++] = metadata[i];
    words[n++] = "::ffff:169.254.169.254";
    words[n++] = "::ffff:169.254.169.253";
    words[n++] = "169.254.169.253";
    words[n++] = "fd00:ec2::253";
    words[n++] = "127.0.0.1";
    assert_string_equal(output(NULL, words), "ETIMEDOUT ETIMEDOUT ETIMEDOUT ETIMEDOUT ETIMEDOUT "
                                             "ETIMEDOUT connected connected connected connected ");
    assert_string_equal(output(&allowed, words),
                        "connected connected connected connected connected connected connected "
                        "connected connected connected ");
    (void)close(listener);
}

static void a_program_cannot_reopen_them(void **state) {
    (void)state;
    need_notify();
    assert_string_equal(output(NULL, (const char *const[]){"reopen", NULL}), "EPERM EPERM ok ");
}

static void sockets_are_as_the_program_wants_them(void **state) {
    (void)state;
    need_notify();
    assert_string_equal(output(NULL, (const char *const[]){"sockets", NULL}),
                        "1 1 0 0 ok ok EPROTONOSUPPORT EAFNOSUPPORT EPROTONOSUPPORT EMFILE ");
    assert_string_equal(output(&(struct run_request){.instance_metadata = true},
                               (const char *const[]){"sockets", NULL}),
                        "1 1 0 0 ok ok EPROTONOSUPPORT EAFNOSUPPORT EPROTONOSUPPORT EMFILE ");
}

static void ignore(int signo) {
    (void)signo;
}

/* Without SA_RESTART: a system call that the signal ends has EINTR. */
static _Noreturn void ask_once(void) {
    const struct sigaction interrupts = {.sa_handler = ignore};

    if (sigaction(SIGUSR1, &interrupts, NULL))
        _exit(1);
    (void)socket(AF_INET, SOCK_STREAM, 0);
    _exit(errno == EACCES ? 0 : errno == EINTR ? 2 : 1);
}

/* Answers the question of a program that gets a signal meanwhile. Returns its exit status; -1: it
 * went wrong. */
static int answer_beside_signal(void) {
    struct seccomp_notif asked = {0};
    struct seccomp_notif_resp answer = {.error = -EACCES};
    struct seccomp_filter filter;
    struct pollfd p = {.events = POLLIN};
    int status;
    pid_t pid;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !seccomp_contain(true, &filter))
        return -1;
    pid = fork();
    if (pid == 0)
        ask_once();
    p.fd = filter.listener;
    if (poll(&p, 1, 60000) != 1 || ioctl(p.fd, SECCOMP_IOCTL_NOTIF_RECV, &asked) ||
        kill(pid, SIGUSR1))
        return -1;
    /* It would have to end the call by now. */
    for (int i = 0; i < 100; i++)
        (void)sched_yield();
    answer.id = asked.id;
    /* ENOENT: the signal has ended it. */
    if (ioctl(p.fd, SECCOMP_IOCTL_NOTIF_SEND, &answer) && errno != ENOENT)
        return -1;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool has_wait_killable(void) {
    struct utsname u;
    int major = 0, minor = 0;

    return !uname(&u) && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 19));
}

static void a_signal_ends_no_call_that_is_being_answered(void **state) {
    pid_t pid;
    int status;

    (void)state;
    need_notify();
    if (!has_wait_killable())
        skip();
    pid = fork();
    if (pid == 0)
        _exit(answer_beside_signal());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- the try ---- */

static int die(int result) {
    (void)raise(SIGKILL);
    return result;
}

static int give_up(int result) {
    (void)result;
    return 0;
}

/* In a process of its own, which exits with 0 if the try says no. */
static int status_of_try(int (*then)(int result)) {
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        after_poll = then;
        (void)alarm(20);
        _exit(seccomp_notify_works());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* The process that answers is killed; the one that asks waits for an answer that nobody gives any
 * more. */
static void a_try_leaves_nothing_behind_when_it_is_killed(void **state) {
    pid_t left = 0;

    (void)state;
    need_notify();
    orphans_adopt(true);
    assert_int_equal(status_of_try(die), 0);
    for (int i = 0; i < 10000 && !left; i++) {
        left = waitpid(-1, NULL, WNOHANG);
        (void)usleep(left ? 0 : 1000);
    }
    orphans_adopt(false);
    assert_true(left > 0);
}

static void a_try_that_is_given_up_ends(void **state) {
    (void)state;
    need_notify();
    assert_int_equal(status_of_try(give_up), 0);
}

/* ---- as before Linux 5.19 ---- */

#define WAIT_KILLABLE_RECV 32U /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV */

/* From now on seccomp(2) does not know the flag. */
static bool be_older_kernel(void) {
    static struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WAIT_KILLABLE_RECV, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof rules / sizeof *rules, rules};

    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Exit status: bits of what holds there. */
enum { WORKS = 1, ANSWERED = 2, SAME_SOCKETS = 4, CLOSED = 8 };

/* What it returns in a process of its own: a filter stays for good. */
static int status_of(int (*try)(void)) {
    const pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(try());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int try_older_kernel(void) {
    int seen = 0, status;
    pid_t pid, runner;

    if (!be_older_kernel())
        return -1;
    if (seccomp_notify_works())
        seen |= WORKS;
    pid = fork();
    if (pid == 0)
        _exit(answer_beside_signal());
    /* Answered, or ended by the signal, which a program sees as one of any other system call. */
    if (waitpid(pid, &status, 0) == pid && (status == 0 || WEXITSTATUS(status) == 2))
        seen |= ANSWERED;
    runner = runner_start(&(struct runner_options){0});
    if (!strncmp(output(NULL, (const char *const[]){"sockets", NULL}), "1 1 0 0 ok ok ", 14))
        seen |= SAME_SOCKETS;
    if (!strcmp(output(NULL, (const char *const[]){"reopen", NULL}), "EPERM EPERM ok "))
        seen |= CLOSED;
    return runner_stop(runner) ? -1 : seen;
}

static void without_the_flag_of_linux_5_19_the_same_is_asked(void **state) {
    (void)state;
    need_notify();
    assert_int_equal(status_of(try_older_kernel), WORKS | ANSWERED | SAME_SOCKETS | CLOSED);
}

/* ---- what the runner lets itself do ---- */

static int try_pass(void) {
    struct seccomp_filter filter;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !seccomp_contain(false, &filter))
        return -1;
    /* EINVAL is the kernel's own answer to a call without arguments. */
    return (syscall(SYS_clone3, NULL, 0, 0, 0, 0, filter.pass) == -1 && errno == EINVAL) |
           (syscall(SYS_clone3, NULL, 0, 0, 0, 0, filter.pass + 1) == -1 && errno == ENOSYS) << 1 |
           (syscall(SYS_clone3, NULL, 0, 0, 0, 0, filter.pass ^ 1ULL << 32) == -1 &&
            errno == ENOSYS)
               << 2;
}

static void a_call_with_the_pass_is_not_held_to_the_filter(void **state) {
    (void)state;
    need_notify();
    assert_int_equal(status_of(try_pass), 7);
}

int main(int argc, char **argv) {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        T(instance_metadata_is_not_reached),
        T(a_program_cannot_reopen_them),
        T(sockets_are_as_the_program_wants_them),
        T(a_signal_ends_no_call_that_is_being_answered),
        T(a_try_leaves_nothing_behind_when_it_is_killed),
        T(a_try_that_is_given_up_ends),
        T(without_the_flag_of_linux_5_19_the_same_is_asked),
        T(a_call_with_the_pass_is_not_held_to_the_filter),
    };

    if (argc > 1)
        return be_program(argv);
    has_network = make_network();
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}

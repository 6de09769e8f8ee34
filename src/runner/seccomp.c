#include "runner/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#define OTHER_ABI 0x40000000U /* x32: a bit in the number of the system call */
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#define OTHER_ABI 0xffffffffU
#endif

#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)
#define SOCK_TYPE_MASK 0xfU /* of socket(2): the rest are flags */
#define NEW_TIME 0x80U /* CLONE_NEWTIME; for clone(2) the bit is a part of the signal's number */

#ifdef ARCHITECTURE
#define LOAD(field)                                                                                \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define LOAD_FLAGS LOAD(args[0]) /* the low half, on a little-endian machine */
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define FAIL(error) ANSWER(SECCOMP_RET_ERRNO | (error))
#define UNLESS_EQUAL(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define UNLESS_ANY_BIT(bits, skip) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 0, (skip))
#define IF_EQUAL(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skip), 0)
/* Three instructions. */
#define REQUIRE(field, value) LOAD(field), IF_EQUAL(value, 1), FAIL(EPERM)
#define IF_AT_LEAST_FAIL(value, error)                                                             \
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (value), 0, 1), FAIL(error)

/* No kernel has such an action: what is answered is decided when the filter is made. */
#define ASK_TCP 1U

/* In the place of the halves of seccomp_filter.pass. Five instructions, of which the first loads
 * what it looks at, so no other may follow that needs what was loaded before. */
#define PASS_LOW 0x50415353U
#define PASS_HIGH 0x50415354U
#define ALLOW_WITH_PASS                                                                            \
    LOAD(args[5]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PASS_LOW, 0, 3),                            \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, args[5]) + 4),  \
        UNLESS_EQUAL(PASS_HIGH, 1), ANSWER(SECCOMP_RET_ALLOW)

static const struct sock_filter rules[] = {
    /* The system calls of another architecture, such as 32-bit ones, have other numbers. */
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    FAIL(ENOSYS),
    LOAD(nr),
    IF_AT_LEAST_FAIL(OTHER_ABI, ENOSYS),
    /* Its flags are in memory, where a filter cannot look; libc then takes clone. */
    UNLESS_EQUAL(SYS_clone3, 6),
    ALLOW_WITH_PASS,
    FAIL(ENOSYS),
    /* It makes sockets that this filter does not see. */
    UNLESS_EQUAL(SYS_io_uring_setup, 1),
    FAIL(ENOSYS),
    UNLESS_EQUAL(SYS_setns, 1),
    FAIL(EPERM),
    /* What these make belongs to the user, not to a process: it would stay after the run, and other
     * programs could use it. */
    IF_EQUAL(SYS_shmget, 5),
    IF_EQUAL(SYS_semget, 4),
    IF_EQUAL(SYS_msgget, 3),
    IF_EQUAL(SYS_add_key, 2),
    IF_EQUAL(SYS_request_key, 1),
    UNLESS_EQUAL(SYS_keyctl, 1),
    FAIL(ENOSYS),
    /* For itself alone: Landlock does not keep these from other processes of the user. */
    IF_EQUAL(SYS_prlimit64, 4),
    IF_EQUAL(SYS_sched_setaffinity, 3),
    IF_EQUAL(SYS_sched_setscheduler, 2),
    IF_EQUAL(SYS_sched_setparam, 1),
    UNLESS_EQUAL(SYS_sched_setattr, 4),
    REQUIRE(args[0], 0),
    ANSWER(SECCOMP_RET_ALLOW),
    UNLESS_EQUAL(SYS_setpriority, 7),
    REQUIRE(args[0], PRIO_PROCESS),
    REQUIRE(args[1], 0),
    ANSWER(SECCOMP_RET_ALLOW),
    UNLESS_EQUAL(SYS_ioprio_set, 7),
    REQUIRE(args[0], IOPRIO_WHO_PROCESS),
    REQUIRE(args[1], 0),
    ANSWER(SECCOMP_RET_ALLOW),
    UNLESS_EQUAL(SYS_clone, 4),
    LOAD_FLAGS,
    UNLESS_ANY_BIT(NAMESPACES, 1),
    FAIL(EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
    UNLESS_EQUAL(SYS_unshare, 4),
    LOAD_FLAGS,
    UNLESS_ANY_BIT(NAMESPACES | NEW_TIME, 1),
    FAIL(EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
    /* By these the supervisor closes addresses (seccomp_notify.c). */
    UNLESS_EQUAL(SYS_setsockopt, 12),
    LOAD(args[1]),
    UNLESS_EQUAL(IPPROTO_TCP, 9),
    LOAD(args[2]),
    IF_EQUAL(TCP_MD5SIG, 1),
    UNLESS_EQUAL(TCP_MD5SIG_EXT, 6),
    ALLOW_WITH_PASS,
    FAIL(EPERM),
    ANSWER(SECCOMP_RET_ALLOW),
    IF_EQUAL(SYS_socket, 1),
    ANSWER(SECCOMP_RET_ALLOW),
    /* Other families have TCP connections inside, such as SMC and RDS, or are for those who
     * administer the host. */
    LOAD(args[0]),
    IF_EQUAL(AF_INET, 5),
    IF_EQUAL(AF_INET6, 4),
    IF_EQUAL(AF_UNIX, 2),
    IF_EQUAL(AF_NETLINK, 1),
    FAIL(EAFNOSUPPORT),
    ANSWER(SECCOMP_RET_ALLOW),
    LOAD(args[1]),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SOCK_TYPE_MASK),
    IF_EQUAL(SOCK_STREAM, 1),
    ANSWER(SECCOMP_RET_ALLOW),
    /* Not MPTCP, for the same reason: programs take TCP then. */
    LOAD(args[2]),
    IF_EQUAL(0, 2),
    IF_EQUAL(IPPROTO_TCP, 1),
    FAIL(EPROTONOSUPPORT),
    ALLOW_WITH_PASS,
    ANSWER(ASK_TCP),
};
#define RULES (sizeof rules / sizeof *rules)

static void write_filter(bool ask_tcp, uint64_t pass, struct sock_filter out[RULES]) {
    memcpy(out, rules, sizeof rules);
    for (struct sock_filter *f = out; f < out + RULES; f++) {
        if (f->code == (BPF_RET | BPF_K) && f->k == ASK_TCP)
            f->k = ask_tcp ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
        else if (f->code == (BPF_JMP | BPF_JEQ | BPF_K) && f->k == PASS_LOW)
            f->k = (uint32_t)pass;
        else if (f->code == (BPF_JMP | BPF_JEQ | BPF_K) && f->k == PASS_HIGH)
            f->k = (uint32_t)(pass >> 32);
    }
}

/* Once the supervisor has read what is asked, only a fatal signal ends the system call: Linux 5.19,
 * without which any signal does (seccomp_unotify(2), "BUGS"). -1: errno. */
static int set_asking_filter(const struct sock_fprog *program) {
    const unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, program);

    if (fd < 0 && errno == EINVAL)
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
    return (int)fd;
}

bool seccomp_contain(bool ask_tcp, struct seccomp_filter *out) {
    struct sock_filter filter[RULES];
    const struct sock_fprog program = {.len = RULES, .filter = filter};

    out->listener = -1;
    if (getentropy(&out->pass, sizeof out->pass))
        return false;
    write_filter(ask_tcp, out->pass, filter);
    if (ask_tcp) {
        out->listener = set_asking_filter(&program);
        return out->listener >= 0;
    }
    /* EINVAL: a kernel without filters. */
    return !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) || errno == EINVAL;
}
#else
bool seccomp_contain(bool ask_tcp, struct seccomp_filter *out) {
    *out = (struct seccomp_filter){.listener = -1};
    errno = ENOSYS;
    return !ask_tcp;
}
#endif

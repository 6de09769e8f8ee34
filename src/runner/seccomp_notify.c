#include "runner/seccomp_notify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/child.h"

#define NOTIFICATION_MAX 512 /* bytes: newer kernels may have more members */
#define TRY_MS 10000         /* far from what a machine that pauses needs */
#define KEY_BYTES 16

/* ---- sockets ---- */

/* EC2 and other clouds, ECS, EKS; and those of EC2 and EKS for IPv6. */
static const char *const metadata_addresses[] = {"::ffff:169.254.169.254", "::ffff:169.254.170.2",
                                                 "::ffff:169.254.170.23", "fd00:ec2::254",
                                                 "fd00:ec2::23"};
#define METADATA_ADDRESSES (sizeof metadata_addresses / sizeof *metadata_addresses)

/* *is_ipv4 is set if it is a mapped one, which an IPv6 socket connects to by IPv4. */
static struct tcp_md5sig signature_of(const char *address, const char key[KEY_BYTES],
                                      bool *is_ipv4) {
    struct tcp_md5sig m = {.tcpm_keylen = KEY_BYTES};
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&m.tcpm_addr;

    memcpy(m.tcpm_key, key, KEY_BYTES);
    v6->sin6_family = AF_INET6;
    (void)inet_pton(AF_INET6, address, &v6->sin6_addr);
    *is_ipv4 = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
    return m;
}

static void to_ipv4(struct tcp_md5sig *m) {
    struct sockaddr_in6 v6;
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    memcpy(&v6, &m->tcpm_addr, sizeof v6);
    memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, sizeof v4.sin_addr);
    memset(&m->tcpm_addr, 0, sizeof m->tcpm_addr);
    memcpy(&m->tcpm_addr, &v4, sizeof v4);
}

/* The socket demands that what comes from these addresses is signed (RFC 2385, tcp(7)), which it is
 * not: the kernel drops it, so no connection is established. A program cannot take that back, since
 * the filter refuses it TCP_MD5SIG. */
static bool close_metadata(int fd, int family, uint64_t pass) {
    char key[KEY_BYTES]; /* that nobody has */

    if (getentropy(key, sizeof key))
        return false;
    for (size_t i = 0; i < METADATA_ADDRESSES; i++) {
        bool is_ipv4;
        struct tcp_md5sig m = signature_of(metadata_addresses[i], key, &is_ipv4);

        if (family == AF_INET && !is_ipv4)
            continue;
        if (family == AF_INET)
            to_ipv4(&m);
        if (syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_MD5SIG, &m, sizeof m, pass))
            return false;
    }
    return true;
}

/* -1: errno. */
static int make_socket(const struct seccomp_data *call, uint64_t pass, bool guarded) {
    const int family = (int)call->args[0];
    int fd = (int)syscall(SYS_socket, family, (int)call->args[1] | SOCK_CLOEXEC, (int)call->args[2],
                          0, 0, pass);

    if (fd >= 0 && guarded && !close_metadata(fd, family, pass))
        descriptor_clear(&fd);
    return fd;
}

/* ENOENT of an answer: the program has been killed, or a signal has ended its system call. */
static void give_socket(const struct seccomp_filter *f, const struct seccomp_notif *asked,
                        bool guarded) {
    int fd = make_socket(&asked->data, f->pass, guarded);
    const struct seccomp_notif_addfd give = {
        .id = asked->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = (unsigned)fd,
        .newfd_flags = asked->data.args[1] & SOCK_CLOEXEC ? O_CLOEXEC : 0};

    if (fd < 0 || ioctl(f->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give) < 0) {
        struct seccomp_notif_resp refusal = {.id = asked->id, .error = -errno};

        (void)ioctl(f->listener, SECCOMP_IOCTL_NOTIF_SEND, &refusal);
    }
    descriptor_clear(&fd);
}

/* ---- questions ---- */

void seccomp_notify_answer(const struct seccomp_filter *f, bool guarded) {
    union {
        struct seccomp_notif asked;
        char room[NOTIFICATION_MAX];
    } u = {.room = {0}};

    if (!ioctl(f->listener, SECCOMP_IOCTL_NOTIF_RECV, &u.asked))
        give_socket(f, &u.asked, guarded);
}

/* ---- does it work? ---- */

/* As a supervisor with its program, which does not wait for ever if this process is killed. */
static _Noreturn void try_it(void) {
    const struct child_start how = {.death_signal = SIGKILL};
    struct seccomp_filter f;
    struct pollfd p = {.events = POLLIN};
    pid_t pid;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !seccomp_contain(true, &f))
        _exit(1);
    pid = child_fork(&how);
    if (pid == 0) /* where there are no such sockets, the answer has come as well */
        _exit(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno != EAFNOSUPPORT);
    p.fd = f.listener;
    if (pid > 0 && poll(&p, 1, TRY_MS) > 0)
        seccomp_notify_answer(&f, true);
    else if (pid > 0)
        (void)kill(pid, SIGKILL);
    _exit(child_wait(pid) != 0);
}

bool seccomp_notify_works(void) {
    const struct child_start how = {.death_signal = SIGKILL};
    struct seccomp_notif_sizes sizes;
    pid_t pid;

    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) ||
        sizes.seccomp_notif > NOTIFICATION_MAX ||
        sizes.seccomp_notif_resp != sizeof(struct seccomp_notif_resp))
        return false;
    pid = child_fork(&how);
    if (pid == 0)
        try_it();
    return child_wait(pid) == 0;
}

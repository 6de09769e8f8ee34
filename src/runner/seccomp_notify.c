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
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptors.h"
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
static bool close_metadata(int fd, int family) {
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
        if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &m, sizeof m))
            return false;
    }
    return true;
}

/* -1: errno. */
static int guarded_socket(const struct seccomp_data *call) {
    const int family = (int)call->args[0];
    int fd = socket(family, (int)call->args[1] | SOCK_CLOEXEC, (int)call->args[2]), why;

    if (fd < 0 || close_metadata(fd, family))
        return fd;
    why = errno;
    (void)close(fd);
    errno = why;
    return -1;
}

static void refuse(const struct seccomp_notify *n, uint64_t id, int error) {
    struct seccomp_notif_resp answer = {.id = id, .error = -error};

    (void)ioctl(n->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

/* ENOENT of an answer: the program has been killed, or a signal has ended its system call. */
static void give_socket(const struct seccomp_notify *n, const struct seccomp_notif *asked) {
    int fd = guarded_socket(&asked->data);
    const struct seccomp_notif_addfd give = {
        .id = asked->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = (unsigned)fd,
        .newfd_flags = asked->data.args[1] & SOCK_CLOEXEC ? O_CLOEXEC : 0};

    if (fd < 0 || ioctl(n->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give) < 0)
        refuse(n, asked->id, errno);
    if (fd >= 0)
        (void)close(fd);
}

/* ---- questions ---- */

void seccomp_notify_answer(struct seccomp_notify *n) {
    union {
        struct seccomp_notif asked;
        char room[NOTIFICATION_MAX];
    } u = {.room = {0}};

    if (!ioctl(n->listener, SECCOMP_IOCTL_NOTIF_RECV, &u.asked))
        give_socket(n, &u.asked);
}

void seccomp_notify_end(struct seccomp_notify *n) {
    if (n->listener >= 0)
        (void)close(n->listener);
    n->listener = -1;
}

/* ---- the listener ---- */

bool seccomp_listener_send(int channel, int listener) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof listener)];
    } control = {0};
    struct iovec part = {(char[]){0}, 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    descriptors_add(&m, control.bytes, &listener, 1);
    return sendmsg(channel, &m, MSG_NOSIGNAL) == 1;
}

int seccomp_listener_take(int channel) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {(char[]){0}, 1};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    int listener = -1;

    if (recvmsg(channel, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1)
        (void)descriptors_take(&m, &listener);
    return listener;
}

/* ---- does it work? ---- */

/* Where there are no such sockets, the answer has come as well. With a listener of its own it would
 * wait for ever if its parent ends or has given up: the system call fails only when nobody has the
 * listener any more. */
static _Noreturn void ask_for_socket(int channel) {
    const struct seccomp_asks asks = {.tcp = true};
    int listener;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !seccomp_contain(&asks, &listener) ||
        !seccomp_listener_send(channel, listener))
        _exit(1);
    (void)close(listener);
    _exit(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno != EAFNOSUPPORT);
}

static void answer_first(int channel) {
    struct pollfd p = {.fd = channel, .events = POLLIN};
    struct seccomp_notify n = {.listener = -1};

    if (poll(&p, 1, TRY_MS) > 0)
        n.listener = seccomp_listener_take(channel);
    p.fd = n.listener;
    if (n.listener >= 0 && poll(&p, 1, TRY_MS) > 0 && p.revents & POLLIN)
        seccomp_notify_answer(&n);
    seccomp_notify_end(&n);
}

bool seccomp_notify_works(void) {
    struct child_start how = {.death_signal = SIGKILL};
    struct seccomp_notif_sizes sizes;
    int channel[2], status = -1;
    pid_t pid;

    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) ||
        sizes.seccomp_notif > NOTIFICATION_MAX ||
        sizes.seccomp_notif_resp != sizeof(struct seccomp_notif_resp) ||
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, channel))
        return false;
    how.keep[0] = channel[1];
    pid = child_fork(&how);
    if (pid == 0)
        ask_for_socket(channel[1]);
    (void)close(channel[1]);
    if (pid > 0)
        answer_first(channel[0]);
    (void)close(channel[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return status == 0;
}

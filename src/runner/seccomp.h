/* The system calls of programs: which are refused, and which wait for the supervisor's decision
 * (seccomp(2), seccomp_unotify(2); seccomp_notify.h has its side). */
#pragma once

#include <stdbool.h>

struct seccomp_asks {
    bool tcp; /* socket(2) for TCP */
};

/* Contains the calling process and all that it starts, for good: no new namespaces, no io_uring,
 * and sockets of AF_UNIX, AF_NETLINK, IPv4 and IPv6 only. no_new_privs must be set. *listener:
 * where what is asked arrives, closed on exec; -1: nothing is asked. false: errno. Safe after
 * vfork. */
bool seccomp_contain(const struct seccomp_asks *asks, int *listener);

/* The system calls of programs: which are refused, and which wait for the supervisor's decision
 * (seccomp(2), seccomp_unotify(2); seccomp_notify.h has its side). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct seccomp_filter {
    /* Where what is asked arrives, closed on exec; -1: nothing is asked. */
    int listener;
    /* With this number as its sixth argument, which the kernel does not look at, the filter lets
     * clone3, socket and setsockopt pass: so its maker is not held to it. It is random, and no
     * program can read its maker's memory. */
    uint64_t pass;
};

/* Contains the calling process and all that it starts, for good: no new namespaces, no io_uring, no
 * System V IPC and keys, limits and priorities of the caller alone, and sockets of AF_UNIX,
 * AF_NETLINK, IPv4 and IPv6 only. no_new_privs must be set. `ask_tcp`:
 * socket(2) for TCP is asked. The kernel takes long to make a filter, so one process makes it for
 * all programs that it starts. false: errno. */
bool seccomp_contain(bool ask_tcp, struct seccomp_filter *out);

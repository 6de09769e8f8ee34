/* What makes the master a daemon: standard descriptors and log, no core dumps, the lock on
 * STATE_DIR, notifications to systemd. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "config/config.h"

/* Opens closed descriptors among 0 to 2, so that no socket gets the number of the log, and then the
 * log, which never blocks. */
bool daemon_open_log(void);
/* Forbids core dumps and ptrace(2): keys and tokens must neither be written to a file by a crash
 * nor be read from our memory by another process of this user, such as a tool's program. Children
 * inherit both, until exec, which allows ptrace again. */
void daemon_forbid_dumps(void);

/* One daemon for each STATE_DIR: two would not damage its files, but share their limits and
 * messages. The lock belongs to the process (fcntl(2)): children do not inherit it, so the next
 * master can start while the old one's workers finish. *fd holds it until it is closed; -1: there
 * is nothing to lock. Waits up to 2 s for a daemon that is about to stop. */
enum rc state_lock(const struct config *config, int *fd, struct err *e) MUST_USE;

/* Notifications to systemd (sd_notify(3)): a datagram of lines to $NOTIFY_SOCKET. Without that
 * variable nothing is sent. */
struct systemd_notify {
    int fd; /* -1: nothing is sent */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_ms, next_ms; /* interval of WATCHDOG=1 (0: never), and when it is due */
};

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment. */
void systemd_notify_open(struct systemd_notify *n);
void systemd_notify_send(const struct systemd_notify *n, const char *format, ...) PRINTF_LIKE(2, 3);
void systemd_notify_reloading(const struct systemd_notify *n);
void systemd_notify_watchdog(struct systemd_notify *n, int64_t now); /* when it is due */

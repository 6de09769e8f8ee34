/* What makes the master a daemon: its log, what it forbids, the lock on STATE_DIR, and what it
 * tells systemd. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "base/base.h"
#include "config/config.h"

/* A log written to a descriptor that became somebody's socket would be a disaster; and one that
 * nobody reads must not stop the master. */
bool daemon_open_log(void);
/* Keys and tokens must not lie in a file because a process crashed; nor may another process of this
 * user, such as a program of a tool, read them out of our memory or trace us. Workers and all
 * others that we fork inherit both; programs get the second back by exec. */
void daemon_forbid_dumps(void);

/* One daemon for one STATE_DIR: the files in it would bear two, but not what they count and say.
 * The lock is the process's own (fcntl(2)): children do not inherit it, and however the master
 * ends, the next one can start while its workers still finish. */

/* *fd holds it until state_unlock, or until this process ends; -1: there is nothing to lock. Waits
 * up to 2 s for a daemon that is about to stop. */
enum rc state_lock(const struct config *config, int *fd, struct err *e) MUST_USE;
void state_unlock(int *fd);

/* What the master tells systemd, as sd_notify(3) has it: a datagram of lines to $NOTIFY_SOCKET.
 * Without that variable nothing is sent. */

struct systemd_notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_ms, next_ms; /* how often it wants a sign of life (0: never), and when next */
};

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment. */
void systemd_notify_open(struct systemd_notify *n);
void systemd_notify_close(struct systemd_notify *n);
void systemd_notify_send(const struct systemd_notify *n, const char *format, ...) PRINTF_LIKE(2, 3);
void systemd_notify_reloading(const struct systemd_notify *n);
void systemd_notify_watchdog(struct systemd_notify *n, int64_t now); /* when it is due */

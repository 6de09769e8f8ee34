/* What the master tells systemd, as sd_notify(3) has it: a datagram of lines to $NOTIFY_SOCKET.
 * Without that variable nothing is sent. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "base/base.h"

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

/* The listening socket, in this order: from systemd (LISTEN_FDS), descriptor 0 if it is a listening
 * socket (as lighttpd's bin-path and spawn-fcgi do), else `address`: a path of a Unix socket, or
 * IP:PORT. */
#pragma once

#include "base/err.h"

enum listener_source {
    LISTENER_BOUND,     /* here */
    LISTENER_INHERITED, /* as descriptor 0; whether anybody else holds it is not known */
    LISTENER_SYSTEMD,   /* which keeps it, and what waits in its queue, for who comes after us */
};
/* Refuses to take a path where somebody answers. */
enum rc listener_open(const char *address, int *fd, enum listener_source *source,
                      struct err *e) MUST_USE;
/* Turns new connections to a Unix socket that was bound here away, and removes its path; then
 * closes fd. Those that wait in its queue are still there for the workers, who hold it too. */
void listener_close(const char *address, int fd, enum listener_source source);

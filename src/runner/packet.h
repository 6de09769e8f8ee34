/* One message on a socket of the runner (SOCK_SEQPACKET), with its descriptors. Nothing waits. */
#pragma once

#include <sys/types.h>

#include "base/base.h"

#define PACKET_FDS_MAX 32

/* Sends it with `count` descriptors, which stay the caller's. false: errno. */
bool packet_send(int conn, const void *message, size_t len, const int *fds, unsigned count);

/* What was received: `buffer` is the caller's, and so are the descriptors, which close on exec. */
struct packet {
    void *buffer;
    size_t size; /* of the buffer */
    int *fds;
    unsigned fds_max; /* at most PACKET_FDS_MAX */
    unsigned fd_count;
};

/* Returns the length of the message. 0: the other end has closed the connection, or the message,
 * or what it has of descriptors, is larger than may be. -1: errno, such as EAGAIN. */
ssize_t packet_receive(int conn, struct packet *p);

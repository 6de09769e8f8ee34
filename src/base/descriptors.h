/* Descriptors: closed, and sent with a message over a Unix socket (unix(7), SCM_RIGHTS); and
 * whether a process answers at such a socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct msghdr;

/* Leaves errno as it is. -1 is accepted. */
void descriptor_close(int fd);
/* The same; it is -1 afterwards. */
void descriptor_clear(int *fd);
void descriptors_close(const int *fds, size_t count);
/* As many as this process may have: streams and instances are descriptors, and the kernel lets none
 * be sent while its user has more on the way than the sender's limit, so a program, whose limit is
 * lower, could keep its user's other processes from it (unix(7), ETOOMANYREFS). */
void descriptors_allow_most(void);

/* Waits for one of these events, which are poll(2)'s. False: there is none until that monotonic
 * time, or poll fails. A signal does not end it. */
bool descriptor_wait(int fd, short events, int64_t until_ms);

/* Adds `count` descriptors, at least one, to a message that is to be sent. They stay the caller's.
 * `control`: zeroed, aligned as a struct cmsghdr, of CMSG_SPACE(count * sizeof(int)) bytes at
 * least. */
void descriptors_add(struct msghdr *m, void *control, const int *fds, size_t count);
/* The descriptors of a message that was received, all of which the kernel gives in one header: as
 * many as its control has room for. They are the caller's. Returns how many there are. */
size_t descriptors_take(struct msghdr *m, int *fds);

/* 0 if a process accepts connections at the path of a Unix socket; else errno. EAGAIN: its queue is
 * full. */
int unix_socket_probe(const char *path);

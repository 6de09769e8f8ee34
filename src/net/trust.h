/* The certificate authorities that a server's certificate must come from, as files that libcurl can
 * read. It parses them again for each new connection, at a cost in CPU and memory that grows with
 * their number. So servers whose authority is likely to be Amazon are checked with Amazon's roots
 * first. */
#pragma once

#include "base/base.h"

#define TRUST_FILE_MAX ((size_t)1 << 20) /* bytes of a file of authorities that is copied */

/* PEM in memory, which this process reads by its path. */
struct trust_copy {
    int fd; /* -1: none */
    char path[sizeof "/proc/self/fd/2147483647"];
};

struct trust {
    const char *file, *folder;         /* what is trusted; NULL: nothing there */
    const char *amazon;                /* the part of it that is Amazon's; NULL: none */
    struct trust_copy all, amazon_all; /* what file and amazon point to */
};

/* file: PEM file of authorities in place of the system's; added: PEM file of those that are trusted
 * besides; "" for none. Borrowed. Without `file` and `added`, amazon is set if the system has those
 * roots. A change of the system's is seen by who opens it afterwards. */
void trust_open(struct trust *t, const char *file, const char *added);
void trust_close(struct trust *t);

/* Frees the authorities that a connection has parsed, some 30 KB each. They serve its handshake
 * alone; who verified with them afterwards would trust nobody. tls: the gnutls_session_t of it. */
void trust_release(void *tls);

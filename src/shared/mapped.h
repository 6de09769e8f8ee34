/* A file of a fixed size that all workers of this host map: of limits.c and revoked.c. One that is
 * not as we left it is set aside, and a new one made in its place. */
#ifndef SHARED_MAPPED_H
#define SHARED_MAPPED_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each begins with. */
struct mapped_head {
    char magic[8];
    uint8_t secret[32]; /* so that nobody can choose keys that meet in one set */
};

struct mapped {
    char *path;
    const char *magic; /* of 8 bytes */
    size_t size;
    int fd;
    void *at; /* begins with a struct mapped_head; NULL: the file cannot be had now */
};

/* Makes the file if it is missing or empty: what follows the head is zeros then. ERR_STORE says
 * what an admin can do; m is to be closed all the same. `magic` is borrowed. */
enum rc mapped_open(struct mapped *m, const char *path, const char magic[8], size_t size,
                    struct err *e) MUST_USE;
void mapped_close(struct mapped *m);
/* To be asked before each use: of a file that somebody has cut nothing may be touched (SIGBUS), and
 * one that could not be had is tried again. */
bool mapped_is_whole(struct mapped *m);

#endif

/* Files of STATE_DIR that all workers of this host use. */
#pragma once

#include "base/base.h"

/* A file of STATE_DIR that was damaged is renamed and kept beside the new one for an admin to
 * examine. At most one of each is kept. */
#define DAMAGED_SUFFIX ".damaged"

/* Logs and counts a damaged file, whose path is dir followed by file (which may be ""). */
void damaged_report(const char *dir, const char *file);
/* Renames a damaged file and logs that. Does nothing if `path` is no longer the file that is open
 * as fd: another process may have replaced it. */
void damaged_set_aside(const char *path, int fd);

/* The head of a file of a fixed size that all workers of this host map: rate limits and revoked
 * tokens. */
struct mapped_head {
    char magic[8];
    uint8_t secret[32]; /* so that clients cannot choose keys that fall into one set */
};

struct mapped {
    char *path;
    const char *magic; /* of 8 bytes */
    size_t size;
    int fd;
    void *at; /* begins with a struct mapped_head; NULL: the file is not available now */
};

/* Makes the file if it is missing, empty or damaged, with zeros after the head. ERR_STORE says what
 * an admin can do; close m even then. `magic` is borrowed. */
enum rc mapped_open(struct mapped *m, const char *path, const char magic[8], size_t size,
                    struct err *e) MUST_USE;
void mapped_close(struct mapped *m);
/* Call it before each use: a truncated file must not be touched (SIGBUS). Tries again to open a
 * file that was not available. */
bool mapped_is_whole(struct mapped *m);

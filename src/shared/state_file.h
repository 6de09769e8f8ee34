/* Files of STATE_DIR that all workers of this host use. */
#pragma once

#include "base/base.h"

/* A file of STATE_DIR that was damaged is renamed and kept beside the new one for an admin to
 * examine. At most one of each is kept. */
#define DAMAGED_SUFFIX ".damaged"

/* Logs and counts a damaged file, whose path is dir followed by file (which may be ""). */
void damaged_file_report(const char *dir, const char *file);

/* The header of a file of a fixed size that all workers of this host map. */
struct mapped_header {
    char magic[8];
    uint8_t secret[32]; /* so that clients cannot choose keys that fall into one set */
};

/* The hash of a key in a table of such a file, and another part of its MAC as the key's tag. */
uint32_t mapped_hash(const struct mapped_header *header, const char *key, uint64_t *tag);

struct mapped_file {
    char *path;        /* NULL: it is not open */
    const char *magic; /* of 8 bytes */
    size_t size;
    int fd;
    void *map; /* begins with a struct mapped_header; NULL: the file is not available now */
};

/* Makes the file if it is missing, empty or damaged, with zeros after the header. ERR_STORE says
 * what an admin can do; close m even then. `magic` is borrowed. */
enum rc mapped_file_open(struct mapped_file *m, const char *path, const char magic[8], size_t size,
                         struct err *e) MUST_USE;
void mapped_file_close(struct mapped_file *m); /* one that is not open is accepted */
/* To be called before each use: touching a truncated file would end the process (SIGBUS). Opens or
 * replaces the file again if it is truncated or overwritten, or was not available; false if that
 * fails. */
bool mapped_file_ready(struct mapped_file *m);

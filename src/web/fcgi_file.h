/* A file in memory that libfcgi reads from and writes to as if it were a connection, and that we
 * see as memory: what goes in and comes out costs no system call of ours. It stays as it is from
 * one request to the next, but for its contents: giving its pages back and getting new ones was a
 * sixth of a worker's time. */
#pragma once

#include "base/base.h"

/* What a file keeps between requests; a larger one is cut back to it. */
#define FCGI_FILE_KEPT (64 * 1024)

struct fcgi_file {
    int fd;             /* -1: not open */
    unsigned char *map; /* `size` bytes, all of the file */
    size_t size;
    size_t end; /* where the next piece goes; past it everything is 0 */
};

/* false, with the reason in errno, if there is no memory or descriptor. */
bool fcgi_file_open(struct fcgi_file *f) MUST_USE;
/* Accepts one that is not open, and one whose descriptor libfcgi has closed (fd is -1). */
void fcgi_file_close(struct fcgi_file *f);

/* Adds a piece. ERR_MISSING, with the reason in e, if there is no memory for it. */
enum rc fcgi_file_add(struct fcgi_file *f, const unsigned char *p, size_t len,
                      struct err *e) MUST_USE;

/* libfcgi reads or writes at the start from now on. */
bool fcgi_file_rewind(struct fcgi_file *f) MUST_USE;

/* What libfcgi has written since; *p until the next call for this file. */
bool fcgi_file_written(struct fcgi_file *f, const unsigned char **p, size_t *len) MUST_USE;

/* The file ends after `len` bytes, which are mapped as before; it can only be closed then. */
bool fcgi_file_cut(struct fcgi_file *f, size_t len) MUST_USE;

/* Wipes it: tokens went through here. */
void fcgi_file_clear(struct fcgi_file *f);

/* The folder of a key-value file: a lock for opening, and the replacement of a damaged file. For
 * kv.c; doctor uses the names too. */
#pragma once

#include <sys/types.h>

#include "base/base.h"

#define KV_DATA "data.mdb"
#define KV_LOCKS "lock.mdb"

struct kv_file {
    int dir; /* the folder; -1: not open */
    char *path;
    dev_t dev; /* dev, ino, size: of the open data file; it never becomes shorter */
    ino_t ino;
    off_t size;
};

/* Opens the folder, and makes it with mode 0700 if it is missing. Returns 0 or an errno value. */
int kv_file_open(struct kv_file *f) MUST_USE;
void kv_file_close(struct kv_file *f);

/* Takes the lock for opening and closing; waits for a few seconds at most. */
bool kv_file_lock_open(const struct kv_file *f) MUST_USE;
void kv_file_unlock_open(const struct kv_file *f);

/* Call it with that lock held, before LMDB opens the file. If there is no data file, removes the
 * old lock file, and logs if the old data file was damaged. */
void kv_file_prepare(struct kv_file *f);
void kv_file_opened(struct kv_file *f, int fd); /* fd: LMDB's, of the data file */

/* Is the data file still the one that was opened (else OTHER), and not shorter (else CUT)? */
enum kv_file_look { KV_FILE_SAME, KV_FILE_OTHER, KV_FILE_CUT };
enum kv_file_look kv_file_look(struct kv_file *f);
/* Extends the file to `size` with zeros: LMDB recognizes a page of zeros as invalid, but a read
 * after the end of the file would end the process. */
void kv_file_lengthen(struct kv_file *f, int fd, off_t size);

/* Call it with that lock held. Renames a damaged data file, if it is still the open one. */
void kv_file_set_aside(const struct kv_file *f);

/* LMDB trusts what it reads, so a damaged file may end the process (SIGSEGV, SIGBUS, abort). After
 * kv_file_expect_faults, such a signal renames the file that was last given to kv_file_watch, so
 * that the next process makes a new one. NULL: no file is in use. */
void kv_file_expect_faults(void);
void kv_file_watch(const struct kv_file *f);

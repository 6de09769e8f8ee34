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
    dev_t dev; /* the data file that is open, and its length, which never shrinks */
    ino_t ino;
    off_t size;
};

/* Opens the folder, and makes it with mode 0700 if it is missing. Returns 0 or an errno value. */
int kv_file_open(struct kv_file *f) MUST_USE;
void kv_file_close(struct kv_file *f);

/* Takes the lock for opening and closing; waits for a few seconds at most. */
bool kv_file_lock_open(const struct kv_file *f) MUST_USE;
void kv_file_unlock_open(const struct kv_file *f);

/* With that lock, before LMDB opens the file: a new data file gets new locks. Logs if the old one
 * was damaged. */
void kv_file_prepare(struct kv_file *f);
void kv_file_opened(struct kv_file *f, int fd); /* the one that LMDB has */

/* Is the file in the folder still the open one, and as long? */
enum kv_file_look { KV_FILE_SAME, KV_FILE_OTHER, KV_FILE_CUT };
enum kv_file_look kv_file_look(struct kv_file *f);
/* Missing pages at its end are then zeros, which LMDB recognizes as invalid. */
void kv_file_lengthen(struct kv_file *f, int fd, off_t size);

/* With that lock: renames a damaged file, if it is still the open one. */
void kv_file_set_aside(const struct kv_file *f);

/* LMDB trusts what it reads, so a damaged file may end the process (SIGSEGV, SIGBUS, abort). The
 * given file is then renamed, so that the next process makes a new one. NULL: no file is in use. */
void kv_file_expect_faults(void);
void kv_file_watch(const struct kv_file *f);

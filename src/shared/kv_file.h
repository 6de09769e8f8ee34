/* The folder of a key-value file, beside what LMDB does in it: turns at opening, and what becomes
 * of a file that is not as LMDB left it. For kv.c; doctor knows its names too. */
#ifndef SHARED_KV_FILE_H
#define SHARED_KV_FILE_H

#include "base/attr.h"
#include <stdbool.h>
#include <sys/types.h>

#define KV_DATA "data.mdb"
#define KV_LOCKS "lock.mdb"

struct kv_file {
    int dir; /* the folder; -1: not open */
    char *path;
    dev_t dev; /* which data file it is that we have; and how long it was, since it never shrinks */
    ino_t ino;
    off_t size;
};

/* Opens the folder, which is made with mode 0700 if it is missing. 0, or why not. */
int kv_file_open(struct kv_file *f) MUST_USE;
void kv_file_close(struct kv_file *f);

/* Who opens or closes it takes a turn, and waits for one a few seconds at most. */
bool kv_file_take_turn(const struct kv_file *f) MUST_USE;
void kv_file_end_turn(const struct kv_file *f);

/* In a turn, before LMDB opens it: a new data file gets new locks. Says if the one before it was
 * damaged. */
void kv_file_prepare(struct kv_file *f);
void kv_file_opened(struct kv_file *f, int fd); /* the one that LMDB has */

/* Is the file in the folder still the one that we have, and as long? */
enum kv_file_look { KV_FILE_SAME, KV_FILE_OTHER, KV_FILE_CUT };
enum kv_file_look kv_file_look(struct kv_file *f);
/* Pages that are missing at its end are read as zeros then, which LMDB knows for what they are. */
void kv_file_lengthen(struct kv_file *f, int fd, off_t size);

/* In a turn: renames a damaged one, if it is the one that we have. */
void kv_file_set_aside(const struct kv_file *f);

/* LMDB trusts what it reads, and the process may die of it (SIGSEGV, SIGBUS, abort). The file that
 * is watched is set aside then, so that the next process has a new one. NULL: nothing is read any
 * more. */
void kv_file_expect_faults(void);
void kv_file_watch(const struct kv_file *f);

#endif

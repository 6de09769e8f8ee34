/* What happens on a day (UTC) is counted exactly for all workers of this host together, in a file
 * of that day in a folder: counts survive a restart, and begin anew when the day does. Counting
 * costs a hash and an atomic exchange for each count; there is no lock and no write to a disk. */
#pragma once

#include "base/base.h"

#define DAILY_COUNTS_MAX 98304 /* different keys on a day: of a file of 2 MiB, three quarters */

struct daily_counts;
/* Opens nothing yet. Never NULL. */
struct daily_counts *daily_counts_new(const char *folder);
void daily_counts_free(struct daily_counts *d); /* NULL is accepted */

/* What one event adds to. */
struct daily_take {
    struct daily_count {
        const char *key;
        uint32_t max; /* at most so many on a day; 0: any number */
    } counts[2];
    size_t n;
    size_t reached; /* of daily_counts_take: the index of the count that is at its max */
};
/* Adds one to each of the n counts, or, if one of them is at its max, to none: then ERR_EXISTS.
 * ERR_STORE, for an admin, if the file cannot be used or has DAILY_COUNTS_MAX keys. now_s is real
 * time, in seconds. */
enum rc daily_counts_take(struct daily_counts *d, struct daily_take *t, int64_t now_s,
                          struct err *e) MUST_USE;
/* The count of a key on the day of now_s: 0 also if there is no file, which is not made. False: it
 * may not be read. */
bool daily_counts_read(const char *folder, const char *key, int64_t now_s, uint32_t *out) MUST_USE;

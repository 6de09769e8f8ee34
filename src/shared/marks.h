/* Names that are marked until a time, in a file that all workers of this host map. Nothing waits
 * for the disk: a mark survives the end of every process, but perhaps not a power failure. */
#pragma once

#include "base/base.h"

#define MARK_S_MAX 3600 /* how long one can last; one that ends later is of a clock set back */
#define MARKS_MAX 16384 /* at once; a few less if names fall unevenly */

struct marks;
/* Makes the file if it is missing or damaged. ERR_STORE says what an admin can do; *out is set
 * nevertheless, and tries again at each use. */
enum rc marks_open(const char *path, struct marks **out, struct err *e) MUST_USE;
void marks_close(struct marks *m); /* NULL is accepted */

/* Marks the name until until_s (seconds since 1970, at most MARK_S_MAX after now_s). Of concurrent
 * callers one gets OK, the others ERR_EXISTS. ERR_STORE if there is no room, the file cannot be
 * used or m is NULL. */
enum rc marks_add(struct marks *m, const char *name, int64_t until_s, int64_t now_s,
                  struct err *e) MUST_USE;
/* False if m is NULL or the file cannot be used. */
bool marks_has(struct marks *m, const char *name, int64_t now_s);
/* Removes the mark that ends at until_s; 0: whenever it ends. */
void marks_remove(struct marks *m, const char *name, int64_t until_s);

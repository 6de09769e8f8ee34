/* Text that should be UTF-8 and may not be, such as the output of programs. */
#ifndef BASE_UTF8_REPAIR_H
#define BASE_UTF8_REPAIR_H

#include <stddef.h>

#include "base/arena.h"

/* Makes a text valid, if it is not: *s becomes a copy, with a NUL behind it, in which U+FFFD stands
 * for each byte that is no part of a character. Returns how many such bytes there were. */
size_t utf8_repair(struct arena *a, const char **s, size_t *len);

#endif

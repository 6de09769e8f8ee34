/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

#include "base/arena.h"

/* The number of bytes at the start of s that are whole, valid characters; len if all are. */
size_t utf8_valid_length(const char *s, size_t len);

/* Makes a text valid, if it is not: *s becomes a copy, with a NUL behind it, in which U+FFFD stands
 * for each byte that is no part of a character. Returns how many such bytes there were. */
size_t utf8_repair(struct arena *a, const char **s, size_t *len);

#endif

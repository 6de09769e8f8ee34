/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The number of bytes at the start of s that are whole, valid characters; len if all are. */
size_t utf8_valid_length(const char *s, size_t len);

#endif

/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#pragma once

#include <stddef.h>

/* The byte order mark that some editors put before a text; it is no part of it (RFC 3629 §6). */
#define UTF8_BOM "\xef\xbb\xbf"

/* Its length at the start of s, or 0. */
size_t utf8_bom_length(const char *s, size_t len);
/* The number of bytes at the start of s that are whole, valid characters; len if all are. */
size_t utf8_valid_length(const char *s, size_t len);

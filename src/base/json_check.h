/* Is a text JSON? RFC 8259 to the letter, whatever the library that builds the values lets through:
 * json-c 0.16 and 0.18 are each lenient, and strict, in ways of their own. */
#ifndef BASE_JSON_CHECK_H
#define BASE_JSON_CHECK_H

#include <stddef.h>

enum json_fault {
    JSON_GOOD,
    JSON_MALFORMED,
    JSON_TOO_DEEP,     /* nested deeper than JSON_DEPTH_MAX */
    JSON_OUT_OF_RANGE, /* an integer that 64 bits cannot hold */
    JSON_NOT_UTF8,
};

/* *at is the offset of the fault. */
enum json_fault json_check(const char *text, size_t len, size_t *at);

#endif

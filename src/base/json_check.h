/* Is a text JSON? RFC 8259 to the letter, whatever the library that builds the values lets through:
 * json-c 0.16 and 0.18 are each lenient, and strict, in ways of their own. */
#ifndef BASE_JSON_CHECK_H
#define BASE_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

enum json_fault {
    JSON_GOOD,
    JSON_MALFORMED,
    JSON_TOO_DEEP, /* nested deeper than JSON_DEPTH_MAX */
    JSON_NOT_UTF8,
    JSON_BAD_NAME,   /* with a NUL, or half a surrogate pair */
    JSON_NAME_TWICE, /* json_read.c finds it */
};

/* What a text has in it. */
struct json_census {
    size_t at;     /* the offset of the fault */
    size_t memory; /* bytes that its values take, about; json_read.c */
};

enum json_fault json_check(const char *text, size_t len, struct json_census *census);

/* json_parse, which also says where the fault is; JSON_GOOD: that is not known. */
struct json_place {
    enum json_fault fault;
    size_t at;
};
enum rc json_parse_at(struct arena *a, const char *text, size_t len, struct json **out,
                      struct json_place *place, struct err *e) MUST_USE;

/* Is the number one that can be kept as 64 bits, signed or not, and comes out as it was? */
bool json_is_plain_integer(const char *s, size_t len);

#endif

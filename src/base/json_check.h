/* Is a text JSON? RFC 8259 to the letter, whatever the library that builds the values lets through:
 * json-c 0.16 and 0.18 are each lenient, and strict, in ways of their own. */
#ifndef BASE_JSON_CHECK_H
#define BASE_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

enum json_fault {
    JSON_GOOD,
    JSON_MALFORMED,
    JSON_TOO_DEEP, /* nested deeper than JSON_DEPTH_MAX */
    JSON_NOT_UTF8,
};

/* What a text has in it. */
struct json_census {
    size_t at;          /* the offset of the fault */
    size_t members;     /* of all objects, as they are written */
    bool long_integers; /* one has more than 64 bits */
};

enum json_fault json_check(const char *text, size_t len, struct json_census *census);
/* The same text, but each such integer with ".0" behind it: json-c would clamp it, or refuse it, by
 * version; a double it keeps as it stands. Only for texts that json_check has passed. */
const char *json_widen(struct arena *a, const char *text, size_t *len);

#endif

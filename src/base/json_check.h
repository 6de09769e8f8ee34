/* Checks that a text is JSON exactly as in RFC 8259. json-c does not: versions 0.16 and 0.18 accept
 * and refuse different texts. */
#ifndef BASE_JSON_CHECK_H
#define BASE_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

/* What is wrong with a text. */
enum json_fault {
    JSON_GOOD,
    JSON_MALFORMED,
    JSON_TOO_DEEP, /* nested deeper than JSON_DEPTH_MAX */
    JSON_NOT_UTF8,
    JSON_BAD_NAME, /* with a NUL, or half a surrogate pair */
    /* Found by json_read alone: */
    JSON_NAME_TWICE,
    JSON_TOO_LONG,
    JSON_TOO_MANY_VALUES, /* they would take more memory than a text of this length may */
};

struct json_verdict {
    enum json_fault fault;
    size_t at;     /* the offset of the fault */
    size_t memory; /* bytes that the values take, about */
};

struct json_verdict json_check(const char *text, size_t len);

/* json_read.c: checks a text and makes its values; NULL for null, and for a text with a fault. */
struct json_verdict json_read(struct arena *a, const char *text, size_t len, struct json **out);
/* Sets the error of a text of len bytes with this fault; OK if it has none. */
enum rc json_explain(const struct json_verdict *v, size_t len, struct err *e);

/* Can the number be kept as 64 bits, signed or not, and written again as it was? */
bool json_is_plain_integer(const char *s, size_t len);

#endif

/* Queries and forms (application/x-www-form-urlencoded). */
#pragma once

#include "base/base.h"

#define FORM_FIELDS_MAX 32 /* parameters in one form or query */

struct form {
    struct form_field {
        const char *name, *value; /* decoded */
        bool repeated;            /* one of that name came before */
    } fields[FORM_FIELDS_MAX];
    size_t count;
};

/* Parses a query or form body. A parameter given twice is an error (RFC 6749 §3.1 and §3.2), and so
 * is a bad escape. */
enum rc form_parse(struct arena *a, const char *text, size_t len, struct form *out,
                   struct err *e) MUST_USE;
/* The same without the check for repetition, which form_check_repeated makes: of one name, or of
 * all (NULL). For a place that must know who asks before it may say what is wrong. */
enum rc form_read(struct arena *a, const char *text, size_t len, struct form *out,
                  struct err *e) MUST_USE;
enum rc form_check_repeated(const struct form *f, const char *name, struct err *e) MUST_USE;
/* All but one: RFC 8707 §2 lets `resource` come several times. */
enum rc form_check_repeated_but(const struct form *f, const char *except, struct err *e) MUST_USE;
/* The first value, or NULL when it is absent or empty: RFC 6749 §3.1 treats both alike. */
const char *form_get(const struct form *f, const char *name);

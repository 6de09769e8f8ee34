/* The state of one check: its bounds, and the reason for its end. */
#ifndef JSONSCHEMA_EVALUATION_H
#define JSONSCHEMA_EVALUATION_H

#include "base/arena.h"
#include "base/attr.h"
#include "jsonschema/instance.h"
#include "jsonschema/node.h"
#include "jsonschema/schema.h"

struct scope { /* resources entered, innermost first */
    const struct scope *up;
    const struct resource *resource;
};

struct check {
    struct arena *scratch;
    struct schema_error *why;
    const struct scope *scope;
    size_t steps, depth;
    int64_t deadline_ms;
    unsigned quiet; /* > 0: a failure here does not yet fail the value */
    bool stopped;   /* a bound was hit: everything ends, and *why says so */
};

/* Counts steps; false when there are too many, or time is over. */
bool check_steps(struct check *c, size_t n);
/* Says what is wrong; returns false. */
bool check_fail(struct check *c, const struct keyword *k, const struct instance *at,
                const char *fmt, ...) PRINTF_LIKE(4, 5);
bool check_stop(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif

#include "jsonschema/evaluation.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "jsonschema/location.h"

#define STEPS_PER_LOOK 4096 /* at the clock; a power of two */

bool check_fail(struct check *c, const struct keyword *k, const struct instance *at,
                const char *fmt, ...) {
    va_list ap;

    if (c->quiet || c->stopped)
        return false;
    instance_location(at, c->why->instance);
    keyword_location(k->owner, k->kind->name, c->why->keyword);
    va_start(ap, fmt);
    (void)vsnprintf(c->why->reason, sizeof c->why->reason, fmt, ap);
    va_end(ap);
    text_cut(c->why->reason);
    return false;
}

bool check_stop(struct check *c, const char *fmt, ...) {
    va_list ap;

    if (c->stopped)
        return false;
    c->stopped = true;
    *c->why = (struct schema_error){0};
    va_start(ap, fmt);
    (void)vsnprintf(c->why->reason, sizeof c->why->reason, fmt, ap);
    va_end(ap);
    text_cut(c->why->reason);
    return false;
}

bool check_steps(struct check *c, size_t n) {
    size_t before = c->steps;

    c->steps += n;
    if (c->stopped)
        return false;
    if (n > SCHEMA_STEPS_MAX || c->steps > SCHEMA_STEPS_MAX)
        return check_stop(c, "takes more than %d steps to check", SCHEMA_STEPS_MAX);
    if (before / STEPS_PER_LOOK != c->steps / STEPS_PER_LOOK &&
        clock_monotonic_ms() > c->deadline_ms)
        return check_stop(c, "takes more than %d ms to check", SCHEMA_TIME_MS);
    return true;
}

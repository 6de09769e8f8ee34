/* A value under check, with its location. */
#ifndef JSONSCHEMA_INSTANCE_H
#define JSONSCHEMA_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/* Which members or items of a value have been evaluated, for unevaluatedProperties and
 * unevaluatedItems. */
struct evaluated {
    uint64_t *bits;
    size_t words;
};

struct instance {
    const struct instance *parent;
    const char *key; /* NULL: an item */
    size_t index;
    const struct json *value;
    unsigned type;               /* value_type */
    struct evaluated *evaluated; /* by the schema at hand; NULL: nobody asks */
};

static inline void evaluated_mark(struct evaluated *e, size_t i) {
    if (e)
        e->bits[i / 64] |= (uint64_t)1 << i % 64;
}
static inline void evaluated_mark_all(struct evaluated *e) {
    for (size_t i = 0; e && i < e->words; i++)
        e->bits[i] = UINT64_MAX;
}
static inline bool evaluated_has(const struct evaluated *e, size_t i) {
    return e->bits[i / 64] >> i % 64 & 1;
}

#endif

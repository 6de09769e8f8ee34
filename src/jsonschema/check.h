/* Evaluation: one schema after the other, within bounds. */
#pragma once

#include "jsonschema/node.h"
#include "jsonschema/schema.h"

/* Which members or items of a value have been evaluated, for unevaluatedProperties and
 * unevaluatedItems. */
struct evaluated {
    uint64_t *bits;
    size_t words;
};

/* A value under check, with its location. */
struct instance {
    const struct instance *parent;
    const char *key; /* NULL: an item */
    size_t index;
    const struct json *value;
    unsigned type;               /* value_type */
    struct evaluated *evaluated; /* by the schema at hand; NULL: not needed */
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

struct scope { /* resources entered, innermost first */
    const struct scope *up;
    const struct resource *resource;
};

/* The state of one check: its bounds, and the reason for its end. */
struct check {
    struct arena *scratch;
    struct schema_error *why;
    const struct scope *scope;
    size_t steps, depth;
    int64_t deadline_ms; /* 0: its time does not run yet */
    unsigned quiet;      /* > 0: a failure here does not yet fail the value */
    bool stopped;        /* a bound was hit: everything ends, and *why says so */
};

/* Counts steps; false when there are too many, or time is over. */
bool check_steps(struct check *c, size_t n);
/* Says what is wrong; returns false. */
bool check_fail(struct check *c, const struct keyword *k, const struct instance *at,
                const char *fmt, ...) PRINTF_LIKE(4, 5);
bool check_stop(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Is the instance valid against the schema? */
bool check_node(struct check *c, const struct node *n, const struct instance *at);
bool check_member(struct check *c, const struct node *n, const struct instance *object,
                  const struct json_member *m);
bool check_item(struct check *c, const struct node *n, const struct instance *array, size_t i);
/* The same as check_node, and a failure leaves no trace, neither in *why nor in at->evaluated. */
bool check_quietly(struct check *c, const struct node *n, const struct instance *at);

/* Instance and keyword locations (Core §12.3), as JSON Pointers (RFC 6901), cut to size. */
void instance_location(const struct instance *at, char out[SCHEMA_TEXT_MAX]);
/* Of a keyword of the schema, or NULL: of the schema itself. */
void keyword_location(const struct node *n, const char *keyword, char out[SCHEMA_TEXT_MAX]);

/* Each with its article, in the order of enum type_bit; NULL ends them. */
extern const char *const type_names[];
/* The types of a set in words: "null or a string". */
#define TYPE_NAMES_MAX 96
void name_types(unsigned types, char out[TYPE_NAMES_MAX]);
/* Does pattern i of the keyword match the text, which is at `at`? Takes steps; stops at a limit. */
bool check_match(struct check *c, const struct keyword *k, size_t i, const struct instance *at,
                 struct text text);
/* The first of the names that the object lacks, or NULL. */
const char *missing_property(struct check *c, const struct json *names, const struct json *object);

/* ---- keywords: assertions.c */
check_fn check_type, check_enum, check_const, check_multiple_of, check_bound, check_limit,
    check_pattern, check_unique_items, check_required;
/* applicators.c */
check_fn check_dependencies, check_ref, check_all_of, check_alternatives, check_not, check_if,
    check_properties, check_pattern_properties, check_property_names, check_prefix_items,
    check_items, check_contains;

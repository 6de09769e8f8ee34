/* A compiled schema, as the files of this room see it. */
#ifndef JSONSCHEMA_NODE_H
#define JSONSCHEMA_NODE_H

#include "jsonschema/pattern.h"
#include "jsonschema/schema.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_INDEX SIZE_MAX

enum type_bit {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_OBJECT = 4,
    TYPE_ARRAY = 8,
    TYPE_NUMBER = 16,
    TYPE_STRING = 32,
    TYPE_INTEGER = 64, /* beside TYPE_NUMBER */
    TYPE_ANY = 127
};

enum dialect { DRAFT_7 = 1, DRAFT_2020_12 = 2, EVERY_DRAFT = 3 };

struct keyword;
struct node;
struct check;
struct compile;

/* A part of the document with a base URI of its own: the document, or a schema with $id. */
struct resource {
    struct resource *next;
    const char *uri; /* absolute or not, without a fragment; "" if there is none */
    struct node *root;
    const struct json *value;
    struct anchor *anchors;
};

struct anchor {
    struct anchor *next;
    const char *name;
    struct node *node;
    bool dynamic;
};

/* A schema. Where it stands: in member or item `member`/`index` of its parent's `keyword`. */
struct node {
    const struct node *parent; /* NULL: the document itself */
    const char *keyword, *member;
    size_t index;
    const struct resource *resource;
    bool is_false;            /* the boolean schema; true is a node without keywords */
    struct keyword *keywords; /* in the order of the table */
    size_t count;
    unsigned unevaluated; /* TYPE_OBJECT, TYPE_ARRAY: it has the keyword for these */
};

struct named_node { /* of properties and the like, sorted by name */
    const char *name;
    struct node *node;
};

struct named_strings { /* of dependentRequired */
    const char *name;
    const struct json *strings;
};

struct keyword {
    const struct keyword_kind *kind;
    struct node *owner;
    const struct json *value;   /* as it stands in the document */
    struct node *node;          /* the schema it holds, or refers to */
    struct node **nodes;        /* the schemas it holds, in order */
    struct named_node *members; /* … by name */
    struct named_strings *lists;
    struct pattern **patterns; /* one, or one for each of `nodes` */
    size_t count, list_count;  /* of nodes or members; of lists */
    const char *dynamic;       /* $dynamicRef: the anchor to look for in the dynamic scope */
    struct json_number number;
    uint64_t limit;                  /* of maxLength and the like */
    unsigned types;                  /* type */
    const struct keyword *beside[2]; /* keywords of the same schema that this one depends on */
};

/* Places in the value under check, innermost first. */
struct spot {
    const struct spot *up;
    const char *key; /* NULL: an item */
    size_t index;
    const struct json *v;
    unsigned type; /* enum type_bit; one, but for TYPE_INTEGER */
};

/* Which members or items of the value at hand have been evaluated, for unevaluatedProperties and
 * unevaluatedItems. NULL where nobody asks. */
struct seen {
    uint64_t *bits;
    size_t words;
};

typedef enum rc compile_fn(struct compile *c, struct keyword *k);
typedef bool check_fn(struct check *c, const struct keyword *k, const struct spot *s,
                      struct seen *seen);

struct keyword_kind {
    const char *name;
    enum dialect dialects;
    unsigned types; /* of values that it says something about */
    compile_fn *compile;
    check_fn *check; /* NULL: nothing to do for a value */
};

/* dialect.c: the table, in the order of evaluation; ends with a NULL name. */
extern const struct keyword_kind keyword_kinds[];

struct schema {
    struct node *root;
    struct resource *resources;
};

/* ---- Compiling (compile.c). */

struct pending_ref {
    struct pending_ref *next;
    struct keyword *keyword;
    struct resource *resource;
};

struct compile {
    struct arena *keep, *tmp;
    struct err *e;
    struct schema *schema;
    enum dialect dialect;
    struct resource *resource; /* that the schema at hand belongs to */
    struct pending_ref *refs;
    struct { /* nodes by the JSON value that they were made of: open addressing */
        const struct json *value;
        struct node *node;
    } * made;
    size_t node_count, pattern_count, depth;
};

/* The schema at v, made if it is not yet. */
enum rc compile_node(struct compile *c, const struct json *v, struct node where, struct node **out);
struct node *compile_made(const struct compile *c, const struct json *v); /* or NULL */
enum rc compile_fail(struct compile *c, const struct node *where, const char *keyword,
                     const char *fmt, ...) PRINTF_LIKE(4, 5);
enum rc compile_pattern(struct compile *c, struct keyword *k, const char *text, size_t len,
                        struct pattern **out);

/* resource.c */
enum rc resource_enter(struct compile *c, struct node *node, const struct json *v);
enum rc resource_resolve_all(struct compile *c);
/* uri.c: `reference` relative to `base` (RFC 3986 §5.2), in `out`; false if that is too long. */
bool uri_resolve(const char *base, const char *reference, char out[SCHEMA_URI_MAX]);

/* What keywords may hold (keywords.c; hold_dialect: compile.c). */
compile_fn hold_dialect, hold_nothing, hold_string, hold_boolean, hold_array, hold_object,
    hold_node, hold_nodes, hold_members, hold_patterns, hold_pattern, hold_types, hold_enum,
    hold_number, hold_divisor, hold_limit, hold_strings, hold_string_lists, hold_ref, hold_items,
    hold_dependencies, hold_contains, hold_additional, hold_if, hold_rest, hold_unevaluated;

/* ---- Checking (check.c). */

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

/* Is it what the schema wants? What it evaluates is added to seen, if that is given. */
bool check_node(struct check *c, const struct node *n, const struct spot *s, struct seen *seen);
bool check_member(struct check *c, const struct node *n, const struct spot *s, const char *key,
                  const struct json *v);
bool check_item(struct check *c, const struct node *n, const struct spot *s, size_t i);
/* The same, and a failure leaves no trace, neither in *why nor in seen. */
bool check_quietly(struct check *c, const struct node *n, const struct spot *s, struct seen *seen);
/* Counts steps; false when there are too many, or time is over. */
bool check_steps(struct check *c, size_t n);
/* Says what is wrong; returns false. */
bool check_fail(struct check *c, const struct keyword *k, const struct spot *s, const char *fmt,
                ...) PRINTF_LIKE(4, 5);
bool check_stop(struct check *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline void seen_mark(struct seen *s, size_t i) {
    if (s)
        s->bits[i / 64] |= (uint64_t)1 << i % 64;
}
static inline bool seen_has(const struct seen *s, size_t i) {
    return s->bits[i / 64] >> i % 64 & 1;
}
void seen_mark_all(struct seen *s);

/* place.c: JSON Pointers, cut to size. */
void place_of_spot(const struct spot *s, char out[SCHEMA_TEXT_MAX]);
void place_of_keyword(const struct node *n, const char *keyword, char out[SCHEMA_TEXT_MAX]);
/* Cuts text to whole characters. */
void text_cut(char *text);

/* values.c: each counts its steps; a check that has stopped gives false and 0. */
bool values_equal(struct check *c, const struct json *a, const struct json *b);
uint64_t value_hash(struct check *c, const struct json *v);
unsigned value_type(const struct json *v);

check_fn check_type, check_enum, check_const, check_multiple_of, check_maximum,
    check_exclusive_maximum, check_minimum, check_exclusive_minimum, check_max_length,
    check_min_length, check_pattern, check_max_items, check_min_items, check_unique_items,
    check_max_properties, check_min_properties, check_required, check_dependent_required;
check_fn check_dependencies, check_ref, check_dynamic_ref, check_all_of, check_any_of, check_one_of,
    check_not, check_if, check_dependent_schemas;
check_fn check_properties, check_pattern_properties, check_additional_properties,
    check_property_names;
check_fn check_prefix_items, check_items, check_contains;
check_fn check_unevaluated_properties, check_unevaluated_items;

#endif

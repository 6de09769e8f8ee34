/* A compiled schema: a tree of nodes, which are schemas, with their keywords. Written once, by
 * compile.h, and then only read, by check.h. */
#pragma once

#include "base/json.h"

#define NO_INDEX SIZE_MAX

/* The types of the specification, as sets of bits. */
enum type_bit {
    TYPE_NULL = 1 << JSON_NULL,
    TYPE_BOOLEAN = 1 << JSON_BOOLEAN,
    TYPE_OBJECT = 1 << JSON_OBJECT,
    TYPE_ARRAY = 1 << JSON_ARRAY,
    TYPE_NUMBER = 1 << JSON_NUMBER,
    TYPE_STRING = 1 << JSON_STRING,
    TYPE_INTEGER = 1 << (JSON_STRING + 1), /* beside TYPE_NUMBER */
    TYPE_ANY = 2 * TYPE_INTEGER - 1
};

/* TYPE_INTEGER is never set. */
static inline unsigned value_type(const struct json *v) {
    return 1U << json_kind(v);
}

enum dialect { DRAFT_7 = 1, DRAFT_2020_12 = 2, EVERY_DRAFT = 3 };

struct check;
struct compile;
struct instance;

/* A part of the document with a base URI of its own: the document, or a schema with $id. */
struct resource {
    struct resource *next;
    const char *uri; /* absolute or not, without a fragment; "" if there is none */
    struct node *root;
    struct anchor *anchors;
};

struct anchor {
    struct anchor *next;
    const char *name;
    struct node *node;
    bool dynamic;
};

/* NULL if the resource has none of that name. resource.c. */
struct anchor *anchor_find(const struct resource *r, const char *name);

/* A schema. Its keyword location: member or item `member`/`index` of its parent's `keyword`. */
struct node {
    const struct node *parent; /* NULL: the document itself */
    const char *keyword, *member;
    size_t index;
    const struct resource *resource;
    const struct json *value;
    bool is_false;            /* the boolean schema; true is a node without keywords */
    struct keyword *keywords; /* in the order of the table */
    size_t count;
    unsigned unevaluated; /* TYPE_OBJECT, TYPE_ARRAY: it has the keyword for these */
};

struct named_node { /* of properties and the like, sorted by name */
    const char *name;
    struct node *node;           /* NULL: `required` stands in its place */
    const struct json *required; /* names, of dependentRequired and dependencies */
};
int named_node_compare(const void *a, const void *b); /* by name; keywords.c */

struct keyword {
    const struct keyword_kind *kind;
    struct node *owner;
    const struct json *value;   /* as it stands in the document */
    struct node *node;          /* the schema it holds, or refers to */
    struct node **nodes;        /* the schemas it holds, in order */
    struct named_node *members; /* … by name */
    struct pattern **patterns;  /* one, or one for each of `members` */
    size_t count;               /* of nodes or members */
    const char *dynamic;        /* $dynamicRef: the anchor to look for in the dynamic scope */
    struct json_number number;  /* also of maxLength and the like */
    unsigned types;             /* type */
    const struct keyword *adjacent[2]; /* keywords of the same schema that this one depends on */
};

typedef enum rc parse_fn(struct compile *c, struct keyword *k);
typedef bool check_fn(struct check *c, const struct keyword *k, const struct instance *at);

struct keyword_kind {
    const char *name;
    enum dialect dialects;
    unsigned types; /* of instances that it applies to */
    parse_fn *parse;
    check_fn *check; /* NULL: nothing to check in an instance */
    unsigned value;  /* parse_value: the types that the keyword's own value may have; parse_number:
                        which numbers */
};

struct schema {
    struct node *root;
    struct resource *resources;
};

/* JSON Schema: is a value valid against a schema? Draft 2020-12, and draft-07 for a document that
 * names it in $schema. A schema is compiled once and then only read; nothing is ever fetched.
 *
 *     schema_compile     reads the document, resolves every reference, compiles every pattern
 *     schema_check       checks one value
 *
 *     compile.h      from the document to nodes (node.h): keywords.c, resource.c
 *     check.h        evaluation: assertions.c, applicators.c
 *     pattern.h      patterns, the only user of PCRE2: regex.c
 *
 * `format` and the content keywords are annotations: they are read and never fail a value, as
 * draft 2020-12 has it where no vocabulary says otherwise. */
#pragma once

#include "base/json.h"

/* Bounds of a document. */
#define SCHEMA_DEPTH_MAX 48        /* schemas within schemas */
#define SCHEMA_SUBSCHEMAS_MAX 4096 /* in one document, those included that references add */
#define SCHEMA_URI_MAX 1024        /* bytes of an $id or $ref, resolved */
#define SCHEMA_PATTERN_MAX 4096    /* bytes of a pattern */
#define SCHEMA_PATTERNS_MAX 256    /* in one document */

/* Bounds of one check. */
#define SCHEMA_NESTING_MAX 256   /* schemas under evaluation at once; a $ref to itself ends here */
#define SCHEMA_STEPS_MAX 4000000 /* schemas, members, items, comparisons */
#define SCHEMA_TIME_MS 250       /* even with fewer steps */
#define SCHEMA_BACKTRACKS_MAX 100000 /* of a pattern, from one position in the string */

struct schema;

/* Why a value was refused: "/items/3: must be an integer (#/properties/items/items/type)". Each is
 * UTF-8, cut to SCHEMA_TEXT_MAX bytes; names and values of the instance stand in it as they are. */
#define SCHEMA_TEXT_MAX 256
struct schema_error {
    char instance[SCHEMA_TEXT_MAX]; /* JSON Pointer into the value; "" is all of it */
    char keyword[SCHEMA_TEXT_MAX];  /* JSON Pointer into the document, as a URI fragment */
    char reason[SCHEMA_TEXT_MAX];   /* "must be a string" */
};

/* What outlives the call is in `keep`; the document may go. ERR_INVALID_REQUEST with the keyword
 * location and the reason, also for a dialect that is not supported. */
enum rc schema_compile(struct arena *keep, const struct json *document, struct schema **out,
                       struct err *e) MUST_USE;

/* OK; ERR_INVALID_REQUEST: the value is not valid; ERR_TOO_LARGE: a bound was hit before that was
 * known. *why is filled unless it is OK. A NULL instance is JSON null. */
enum rc schema_check(const struct schema *s, const struct json *instance, struct arena *scratch,
                     struct schema_error *why) MUST_USE;

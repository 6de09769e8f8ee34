/* From the document to nodes. */
#pragma once

#include "jsonschema/node.h"

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
    struct node **nodes; /* all, in the order in which they were made */
    size_t node_count, pattern_count, depth;
};

/* The schema at v, made if it is not yet. `where` has its location. */
enum rc compile_node(struct compile *c, const struct json *v, struct node where, struct node **out);
struct node *compile_find(const struct compile *c, const struct json *v); /* or NULL */
/* Names the keyword of `where` and the reason; returns ERR_INVALID_REQUEST. */
enum rc compile_fail(struct compile *c, const struct node *where, const char *keyword,
                     const char *fmt, ...) PRINTF_LIKE(4, 5);
#define keyword_fail(c, k, ...) compile_fail(c, (k)->owner, (k)->kind->name, __VA_ARGS__)

/* ---- keywords.c: the keywords of both dialects, in the order of evaluation; a NULL name ends them
 */

extern const struct keyword_kind keyword_kinds[];
parse_fn parse_dialect; /* compile.c */

/* ---- resource.c: names within the document, which are $id, $anchor, and what $ref and $dynamicRef
 * mean by them. Nothing outside the document is ever looked for (MCP, "$ref Resolution"). */

/* Reads the names of the schema v. */
enum rc resource_enter(struct compile *c, struct node *n, const struct json *v);
/* When all names are known. */
enum rc resource_resolve_all(struct compile *c);

/* What tools/list, resources/list, resources/templates/list and prompts/list answer: pages of
 * definitions in a fixed order. The first page is made once, so that a call only copies it. */
#ifndef CATALOG_LIST_H
#define CATALOG_LIST_H

#include "catalog/entry.h"

/* Bytes of the definitions on a page, if it has more than one: clients that read the first page
 * only are common, so that it has all there is unless that is absurd. */
#define LIST_PAGE_BYTES_MAX ((size_t)4 << 20)

struct list {
    const char *member;           /* "tools" */
    const struct entry **entries; /* in the order of their keys */
    size_t count;
    struct text first[PROTOCOL_KINDS];
    bool has_scopes; /* some entry has */
};

/* Makes the first pages, when the entries are there. Everything is in `keep`. */
void list_prepare(struct list *l, struct arena *keep);

/* Which page, for whom. */
struct list_query {
    enum mcp_protocol protocol;
    const struct json *cursor; /* of the page, as the client sent it; NULL: the first */
    const char *scopes;        /* entries that need others are left out; NULL: none is */
};

/* *out is the page as the text of a result. False: the cursor is none of this list. */
bool list_page(const struct list *l, const struct list_query *q, struct arena *a,
               struct text *out) MUST_USE;

#endif

/* The answers to tools/list, resources/list, resources/templates/list and prompts/list: pages of
 * definitions in a fixed order. The first page is made once and then copied. */
#pragma once

#include "catalog/entry.h"

/* Bytes of the definitions on a page. Many clients read only the first page, so the limit is high
 * enough to have usually one. */
#define LIST_PAGE_BYTES_MAX ((size_t)4 << 20)

struct list {
    const char *member;           /* "tools" */
    const struct entry **entries; /* in the order of their keys */
    size_t count;
    struct text first[PROTOCOL_KINDS];
    bool has_scopes; /* some entry needs scopes */
};

/* Makes the first pages from the entries, with memory of `keep`. */
void list_prepare(struct list *l, struct arena *keep);

/* Which page, for whom. */
struct list_query {
    enum mcp_protocol protocol;
    const struct json *cursor; /* of the page, as the client sent it; NULL: the first */
    const char *scopes; /* entries that need other scopes are left out; NULL: all are listed */
};

/* *out is the page as the text of a result. False: an invalid cursor. */
bool list_page(const struct list *l, const struct list_query *q, struct arena *a,
               struct text *out) MUST_USE;

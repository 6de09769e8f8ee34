/* Private part of catalog.h: the lists of entries, and their pages. */
#include "catalog/catalog.h"

#include "base/encode.h"

#define CURSOR_PREFIX "after:"
#define PAGE_ENDS_MAX ((size_t)1 << 20) /* bytes of what is before and behind the entries */

/* ---- entries ---- */

static const char *key_of(const void *array, size_t i) {
    return ((const struct entry *const *)array)[i]->key;
}

static size_t find_place(const struct list *l, const char *key) {
    return text_find_place(l->entries, l->count, key_of, key);
}

static void drop_first_pages(struct list *l) {
    for (size_t i = 0; i < PROTOCOL_KINDS; i++) {
        free((void *)(uintptr_t)l->first_page[i].p);
        l->first_page[i] = (struct text){NULL, 0};
    }
}

struct entry *list_find(const struct list *l, const char *key) {
    size_t i = find_place(l, key);

    return i < l->count && !strcmp(l->entries[i]->key, key) ? l->entries[i] : NULL;
}

void list_add(struct list *l, struct entry *entry) {
    size_t i = find_place(l, entry->key);

    l->entries = xrealloc(l->entries, (l->count + 1) * sizeof *l->entries);
    memmove(l->entries + i + 1, l->entries + i, (l->count++ - i) * sizeof *l->entries);
    l->entries[i] = entry;
    l->restricted += access_is_restricted(&entry->access);
    l->apps += entry->is_app;
    drop_first_pages(l);
}

void list_remove(struct list *l, const struct entry *entry) {
    size_t i = find_place(l, entry->key);

    memmove(l->entries + i, l->entries + i + 1, (--l->count - i) * sizeof *l->entries);
    l->restricted -= access_is_restricted(&entry->access);
    l->apps -= entry->is_app;
    drop_first_pages(l);
}

void list_clear(struct list *l) {
    drop_first_pages(l);
    free(l->entries);
    *l = (struct list){.member = l->member, .server_info = l->server_info};
}

/* ---- pages ---- */

/* What is between the entries of a page and its ends. */
struct page {
    const struct list *list;
    enum mcp_protocol protocol;
    struct caller *caller; /* NULL: all entries are listed */
    size_t from, to;       /* index of the first entry, and behind the last */
    const char *last;      /* key of the last one that is listed; NULL: there is none */
    bool more;             /* there are entries for another page */
    size_t bytes;          /* of the definitions, with a comma behind each */
};

static const struct text *listed_definition(const struct page *p, size_t i) {
    const struct entry *entry = p->list->entries[i];

    return p->caller && !access_is_allowed(&entry->access, p->caller)
               ? NULL
               : &entry->definition[protocol_index(p->protocol)];
}

/* Takes as many entries as have room. */
static void fill(struct page *p) {
    for (p->to = p->from; p->to < p->list->count; p->to++) {
        const struct text *t = listed_definition(p, p->to);

        if (!t)
            continue;
        p->more = p->last && p->bytes + t->len + 1 > LIST_PAGE_BYTES_MAX;
        if (p->more)
            return;
        p->bytes += t->len + 1;
        p->last = p->list->entries[p->to]->key;
    }
}

/* What a result has before its own members. */
static const char *result_begin(enum mcp_protocol protocol) {
    return protocol == PROTOCOL_STATELESS ? "\"resultType\":\"complete\"," : "";
}

/* And behind them. It is private, since it depends on the token. */
static const char *result_end(const struct list *l, enum mcp_protocol protocol, struct arena *a) {
    return protocol == PROTOCOL_STATELESS
               ? arena_printf(a,
                              ",\"ttlMs\":" LIST_TTL_MS
                              ",\"cacheScope\":\"private\",\"_meta\":{\"" META_SERVER_INFO
                              "\":%s}}",
                              l->server_info)
               : "}";
}

static char *copy(char *to, struct text t) {
    memcpy(to, t.p, t.len);
    return to + t.len;
}

/* The text has the exact size, and a NUL behind it. `kept`: it is allocated by malloc, otherwise in
 * the arena. */
static struct text make_page(struct page *p, struct arena *a, bool kept) {
    struct text begin, end;
    const char *cursor;
    char *text, *at;
    size_t size;

    fill(p);
    /* The cursor of the next page is the last key of this one, so that it stays valid when the list
     * changes. */
    cursor = p->more ? arena_printf(a, CURSOR_PREFIX "%s", p->last) : NULL;
    begin = text_of(arena_printf(a, "{%s\"%s\":[", result_begin(p->protocol), p->list->member));
    end = text_of(arena_printf(a, "]%s%s%s%s", cursor ? ",\"nextCursor\":\"" : "",
                               cursor ? base64url_encode(a, cursor, strlen(cursor)) : "",
                               cursor ? "\"" : "", result_end(p->list, p->protocol, a)));
    size = begin.len + p->bytes + end.len + 1;
    text = kept ? xmalloc(size) : arena_alloc(a, size);
    at = copy(text, begin);
    for (size_t i = p->from; i < p->to; i++) {
        const struct text *t = listed_definition(p, i);

        if (!t)
            continue;
        at = copy(at, *t);
        *at++ = ',';
    }
    at = copy(p->last ? at - 1 : at, end);
    *at = 0;
    return (struct text){text, (size_t)(at - text)};
}

static struct text first_page(struct list *l, enum mcp_protocol protocol) {
    struct text *t = &l->first_page[protocol_index(protocol)];

    if (!t->p) {
        struct arena *scratch = arena_new(PAGE_ENDS_MAX);

        *t = make_page(&(struct page){.list = l, .protocol = protocol}, scratch, true);
        arena_free(scratch);
    }
    return *t;
}

bool list_make_first_pages(struct list *l) {
    bool missing = !l->first_page[0].p || !l->first_page[1].p;

    (void)first_page(l, PROTOCOL_HANDSHAKE);
    (void)first_page(l, PROTOCOL_STATELESS);
    return missing;
}

/* The index of the first entry after the cursor. False: an invalid cursor ("Pagination"). */
static bool find_start(const struct list *l, const struct json *cursor, struct arena *a,
                       size_t *from) {
    size_t len, key_len;
    const char *text = json_strn(cursor, &len);
    const char *key = text ? (const char *)base64url_decode(a, text, len, &key_len) : NULL;

    if (!key || memchr(key, 0, key_len))
        return false;
    key = arena_strndup(a, key, key_len);
    if (strncmp(key, CURSOR_PREFIX, sizeof CURSOR_PREFIX - 1) != 0)
        return false;
    key += sizeof CURSOR_PREFIX - 1;
    *from = find_place(l, key);
    *from += *from < l->count && !strcmp(l->entries[*from]->key, key);
    return true;
}

bool list_page(struct list *l, const struct list_query *q, struct arena *a, struct text *out) {
    struct page p = {
        .list = l, .protocol = q->protocol, .caller = l->restricted ? q->caller : NULL};

    if (!p.caller && !q->cursor) {
        *out = first_page(l, q->protocol);
        return true;
    }
    if (q->cursor && !find_start(l, q->cursor, a, &p.from))
        return false;
    *out = make_page(&p, a, false);
    return true;
}

struct text list_one(const struct list *l, const struct entry *entry, const char *member,
                     enum mcp_protocol protocol, struct arena *a) {
    const struct text parts[] = {
        text_of(arena_printf(a, "{%s\"%s\":", result_begin(protocol), member)),
        entry->definition[protocol_index(protocol)], text_of(result_end(l, protocol, a))};

    return text_join(a, parts, sizeof parts / sizeof *parts);
}

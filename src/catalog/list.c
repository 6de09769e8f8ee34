#include "catalog/list.h"

#include "base/base.h"
#include "base/encode.h"
#include "base/text.h"
#include "base/url.h"

#define PAGE_BUFFER_MAX (LIST_PAGE_BYTES_MAX + ((size_t)2 << 20)) /* with a last, long entry */
#define SCRATCH_BYTES_MAX ((size_t)64 << 20)                      /* to make a first page */
#define CURSOR_PREFIX "after:"
#define LIST_TTL_MS "60000" /* how long a client may cache it, since files may change */

/* The first entry from i on that these scopes allow; with NULL all are allowed. */
static size_t next_shown(const struct list *l, size_t i, const char *scopes) {
    while (i < l->count && scopes && !list_covers(scopes, l->entries[i]->scopes))
        i++;
    return i;
}

/* The list is private, since it depends on the token. The cursor of the next page is the last key
 * of this one, so that it stays valid when the list changes. */
static struct text make_page(const struct list *l, size_t from, enum mcp_protocol protocol,
                             const char *scopes, struct arena *a) {
    const char *last = NULL;
    size_t i = next_shown(l, from, scopes), bytes = 0;
    struct buf b;

    buf_init(&b, a, PAGE_BUFFER_MAX);
    buf_addf(&b, "{%s\"%s\":[",
             protocol == PROTOCOL_STATELESS ? "\"resultType\":\"complete\"," : "", l->member);
    while (i < l->count) {
        const struct text *t = &l->entries[i]->definition[protocol_index(protocol)];

        bytes += t->len + 1;
        if (last && bytes > LIST_PAGE_BYTES_MAX)
            break;
        if (last)
            buf_addc(&b, ',');
        buf_add(&b, t->p, t->len);
        last = l->entries[i]->key;
        i = next_shown(l, i + 1, scopes);
    }
    buf_addc(&b, ']');
    if (i < l->count) {
        last = arena_printf(a, CURSOR_PREFIX "%s", last);
        buf_addf(&b, ",\"nextCursor\":\"%s\"", base64url_encode(a, last, strlen(last)));
    }
    if (protocol == PROTOCOL_STATELESS)
        buf_adds(&b, ",\"ttlMs\":" LIST_TTL_MS
                     ",\"cacheScope\":\"private\",\"_meta\":{\"" META_SERVER_INFO
                     "\":" MCP_SERVER_INFO "}");
    buf_addc(&b, '}');
    return (struct text){b.p, b.len};
}

void list_prepare(struct list *l, struct arena *keep) {
    static const enum mcp_protocol protocols[] = {PROTOCOL_HANDSHAKE, PROTOCOL_STATELESS};

    for (size_t i = 0; i < l->count; i++)
        l->has_scopes = l->has_scopes || *l->entries[i]->scopes;
    for (size_t i = 0; i < PROTOCOL_KINDS; i++) {
        struct arena *scratch = arena_new(SCRATCH_BYTES_MAX); /* a buffer grows by copies */
        struct text t = make_page(l, 0, protocols[i], NULL, scratch);

        l->first[protocol_index(protocols[i])] =
            (struct text){arena_strndup(keep, t.p, t.len), t.len};
        arena_free(scratch);
    }
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
    for (*from = 0; *from < l->count && strcmp(l->entries[*from]->key, key) <= 0; (*from)++)
        ;
    return true;
}

bool list_page(const struct list *l, const struct list_query *q, struct arena *a,
               struct text *out) {
    const char *scopes = l->has_scopes ? q->scopes : NULL;
    size_t from = 0;

    if (!scopes && !q->cursor) {
        *out = l->first[protocol_index(q->protocol)];
        return true;
    }
    if (q->cursor && !find_start(l, q->cursor, a, &from))
        return false;
    *out = make_page(l, from, q->protocol, scopes, a);
    return true;
}

/* Private part of compile.h: names within the document. */
#include <ctype.h>

#include "base/url.h"
#include "jsonschema/compile.h"
#include "jsonschema/schema.h"

/* ---- references against a base (RFC 3986 §5.2). Nothing is fetched: the result is only compared.
 * ---- */

struct uri {
    struct text scheme, authority, path, query, fragment; /* p is NULL: it is not there */
};

static struct text take_part(const char **s, size_t len) {
    const char *start = *s;

    *s += len;
    return (struct text){start, len};
}

/* Appendix B. */
static struct uri split_uri(const char *s) {
    struct uri u = {0};
    size_t n = strcspn(s, ":/?#");

    if (n && s[n] == ':') {
        u.scheme = take_part(&s, n);
        s++;
    }
    if (!strncmp(s, "//", 2)) {
        s += 2;
        u.authority = take_part(&s, strcspn(s, "/?#"));
    }
    u.path = take_part(&s, strcspn(s, "?#"));
    if (*s == '?') {
        s++;
        u.query = take_part(&s, strcspn(s, "#"));
    }
    if (*s == '#')
        u.fragment = text_of(s + 1);
    return u;
}

static void add_part(struct buf *b, const char *before, struct text part, const char *after) {
    if (!part.p)
        return;
    buf_adds(b, before);
    buf_add(b, part.p, part.len);
    buf_adds(b, after);
}

/* §5.2.3: the base's path up to its last slash. */
static void add_base_folder(struct buf *b, const struct uri *base) {
    size_t len = base->path.len;

    while (len && base->path.p[len - 1] != '/')
        len--;
    if (base->authority.p && !base->path.len)
        buf_addc(b, '/');
    buf_add(b, base->path.p, len);
}

/* The path of §5.2.2. */
static void add_path(struct buf *b, const struct uri *base, const struct uri *ref, bool merges) {
    size_t start = b->len;

    if (merges && ref->path.len && *ref->path.p != '/')
        add_base_folder(b, base);
    buf_add(b, ref->path.p, ref->path.len);
    if (!b->overflow && (base->scheme.p || ref->scheme.p)) {
        url_remove_dots(b->p + start);
        b->len = start + strlen(b->p + start);
    }
}

/* NULL: it is too long. */
static char *resolve_uri(struct arena *a, const char *base_text, const char *reference) {
    struct uri base = split_uri(base_text), ref = split_uri(reference);
    bool absolute = ref.scheme.p, same_authority = !absolute && !ref.authority.p;
    struct buf b;

    buf_init(&b, a, SCHEMA_URI_MAX - 1);
    add_part(&b, "", absolute ? ref.scheme : base.scheme, ":");
    add_part(&b, "//", same_authority ? base.authority : ref.authority, "");
    if (same_authority && !ref.path.len) {
        buf_add(&b, base.path.p, base.path.len);
        add_part(&b, "?", ref.query.p ? ref.query : base.query, "");
    } else {
        add_path(&b, &base, &ref, same_authority);
        add_part(&b, "?", ref.query, "");
    }
    add_part(&b, "#", ref.fragment, "");
    return b.overflow ? NULL : b.p;
}

/* ---- names ---- */

static struct resource *resource_find(const struct compile *c, const char *uri, size_t len) {
    for (struct resource *r = c->schema->resources; r; r = r->next)
        if (!strncmp(r->uri, uri, len) && !r->uri[len])
            return r;
    return NULL;
}

struct anchor *anchor_find(const struct resource *r, const char *name) {
    for (struct anchor *a = r->anchors; a; a = a->next)
        if (!strcmp(a->name, name))
            return a;
    return NULL;
}

/* ^[A-Za-z_][-A-Za-z0-9._]*$, and letters, digits, - _ : . in draft-07 */
static bool is_anchor(const char *s, bool colons) {
    if (!s || !(isalpha((unsigned char)*s) || *s == '_'))
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("-._", *s) && !(colons && *s == ':'))
            return false;
    return true;
}

static enum rc anchor_add(struct compile *c, struct node *n, const char *keyword, const char *name,
                          bool dynamic) {
    struct anchor *a;

    if (!is_anchor(name, c->dialect == DRAFT_7))
        return compile_fail(c, n, keyword, "must be a name of letters, digits, - _ .");
    a = anchor_find(c->resource, name);
    if (a && a->node == n) { /* $anchor and $dynamicAnchor alike */
        a->dynamic |= dynamic;
        return OK;
    }
    if (a)
        return compile_fail(c, n, keyword, "is the name of another schema too");
    a = arena_alloc(c->keep, sizeof *a);
    *a = (struct anchor){c->resource->anchors, arena_strdup(c->keep, name), n, dynamic};
    c->resource->anchors = a;
    return OK;
}

static void resource_add(struct compile *c, struct node *n, const char *uri) {
    struct resource *r = arena_alloc(c->keep, sizeof *r);

    *r = (struct resource){.next = c->schema->resources, .uri = uri, .root = n};
    c->schema->resources = r;
    c->resource = r;
    n->resource = r;
}

static enum rc read_id(struct compile *c, struct node *n, const struct json *v) {
    const char *id = json_get_str(v, "$id");
    char *uri, *hash;

    if (!id)
        return compile_fail(c, n, "$id", "must be a string");
    if (*id == '#' && id[1] && c->dialect == DRAFT_7)
        return anchor_add(c, n, "$id", id + 1, false);
    uri = resolve_uri(c->keep, c->resource ? c->resource->uri : "", id);
    if (!uri)
        return compile_fail(c, n, "$id", "is longer than %d bytes", SCHEMA_URI_MAX - 1);
    hash = strchrnul(uri, '#');
    if (*hash && hash[1])
        return compile_fail(c, n, "$id", "must have no fragment");
    *hash = 0;
    if (c->resource && c->resource->root == n) { /* the document itself */
        c->resource->uri = uri;
        return OK;
    }
    if (resource_find(c, uri, strlen(uri)))
        return compile_fail(c, n, "$id", "is the name of another schema too");
    resource_add(c, n, uri);
    return OK;
}

enum rc resource_enter(struct compile *c, struct node *n, const struct json *v) {
    static const char *const anchors[] = {"$anchor", "$dynamicAnchor"};
    enum rc rc = OK;

    if (!c->resource)
        resource_add(c, n, "");
    if (json_has(v, "$id") && !(c->dialect == DRAFT_7 && json_has(v, "$ref")))
        rc = read_id(c, n, v);
    for (size_t i = 0; !rc && c->dialect == DRAFT_2020_12 && i < 2; i++)
        if (json_has(v, anchors[i]))
            rc = anchor_add(c, n, anchors[i], json_get_str(v, anchors[i]), i == 1);
    return rc;
}

/* RFC 6901 §4: the index that a reference token is; SIZE_MAX: it is none. */
static size_t array_index(const char *token) {
    size_t len = strlen(token);

    if (!len || len > 9 || strspn(token, "0123456789") != len || (*token == '0' && len > 1))
        return SIZE_MAX;
    return strtoul(token, NULL, 10);
}

/* ~1 and ~0 are decoded in place. */
static bool unescape_token(char *token) {
    char *out = token;

    for (const char *in = token; *in; in++) {
        if (*in != '~') {
            *out++ = *in;
            continue;
        }
        in++;
        if (*in != '0' && *in != '1')
            return false;
        *out++ = *in == '1' ? '/' : '~';
    }
    *out = 0;
    return true;
}

/* The schema that a JSON Pointer leads to, also where no keyword makes a schema of it. */
static enum rc resolve_pointer(struct compile *c, const struct resource *r, const char *pointer,
                               const struct keyword *k, struct node **out) {
    const struct json *v = r->root->value;
    char *tokens = arena_strdup(c->tmp, pointer), *token, *rest = tokens;
    const char *from = pointer;
    struct node where = {.parent = r->root, .index = NO_INDEX};

    while (rest && v) {
        token = rest + 1;
        rest = strchr(token, '/');
        if (rest)
            *rest = 0;
        from += 1 + strlen(token);
        v = json_is_array(v)        ? json_at(v, array_index(token))
            : unescape_token(token) ? json_get(v, token)
                                    : NULL;
        if (rest)
            *rest = '/';
        if (v && rest && compile_find(c, v)) {
            where.parent = compile_find(c, v);
            pointer = from;
        }
    }
    if (!v)
        return keyword_fail(c, k, "leads nowhere in this document");
    where.keyword = arena_strdup(c->keep, pointer + (*pointer == '/'));
    c->resource = (struct resource *)(uintptr_t)where.parent->resource;
    return compile_node(c, v, where, out);
}

static enum rc resolve_ref(struct compile *c, const struct pending_ref *ref) {
    struct keyword *k = ref->keyword;
    const char *uri, *fragment;
    const struct resource *r;
    const struct anchor *a;
    size_t len;

    uri = resolve_uri(c->tmp, ref->resource->uri, json_str(k->value));
    if (!uri)
        return keyword_fail(c, k, "is longer than %d bytes", SCHEMA_URI_MAX - 1);
    len = strcspn(uri, "#");
    r = resource_find(c, uri, len);
    if (!r)
        return keyword_fail(c, k, "refers to what is not in this document; nothing else is read");
    fragment = uri[len] ? url_decode(c->tmp, uri + len + 1, strlen(uri + len + 1), false) : "";
    if (!fragment)
        return keyword_fail(c, k, "is not a URI reference");
    if (*fragment == '/')
        return resolve_pointer(c, r, fragment, k, &k->node);
    if (!*fragment) {
        k->node = r->root;
        return OK;
    }
    a = anchor_find(r, fragment);
    if (!a)
        return keyword_fail(c, k, "leads nowhere in this document");
    k->node = a->node;
    if (a->dynamic && !strcmp(k->kind->name, "$dynamicRef"))
        k->dynamic = a->name;
    return OK;
}

enum rc resource_resolve_all(struct compile *c) {
    enum rc rc = OK;

    while (!rc && c->refs) {
        const struct pending_ref *ref = c->refs;

        c->refs = ref->next;
        rc = resolve_ref(c, ref);
    }
    return rc;
}

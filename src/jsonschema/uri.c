#include "jsonschema/uri.h"

#include <string.h>

#include "base/url.h"

struct part {
    const char *p;
    size_t len;
    bool there;
};

struct uri {
    struct part scheme, authority, path, query, fragment;
};

static struct part take(const char **s, size_t len) {
    struct part part = {*s, len, true};

    *s += len;
    return part;
}

/* Appendix B. */
static struct uri split(const char *s) {
    struct uri u = {0};
    size_t n = strcspn(s, ":/?#");

    if (n && s[n] == ':') {
        u.scheme = take(&s, n);
        s++;
    }
    if (!strncmp(s, "//", 2)) {
        s += 2;
        u.authority = take(&s, strcspn(s, "/?#"));
    }
    u.path = take(&s, strcspn(s, "?#"));
    if (*s == '?') {
        s++;
        u.query = take(&s, strcspn(s, "#"));
    }
    if (*s == '#') {
        s++;
        u.fragment = take(&s, strlen(s));
    }
    return u;
}

struct text_out {
    char *p;
    size_t len;
    bool fits;
};

static void add(struct text_out *t, const char *s, size_t len) {
    if (!t->fits || t->len + len >= SCHEMA_URI_MAX) {
        t->fits = false;
        return;
    }
    if (len)
        memcpy(t->p + t->len, s, len);
    t->len += len;
    t->p[t->len] = 0;
}

static void add_part(struct text_out *t, const char *before, struct part part, const char *after) {
    if (!part.there)
        return;
    add(t, before, strlen(before));
    add(t, part.p, part.len);
    add(t, after, strlen(after));
}

/* §5.2.3: the base's path up to its last slash. */
static void add_base_folder(struct text_out *t, const struct uri *base) {
    size_t len = base->path.len;

    while (len && base->path.p[len - 1] != '/')
        len--;
    if (base->authority.there && !base->path.len)
        add(t, "/", 1);
    add(t, base->path.p, len);
}

/* The path of §5.2.2. */
static void add_path(struct text_out *t, const struct uri *base, const struct uri *ref,
                     bool merges) {
    size_t start = t->len;

    if (merges && ref->path.len && *ref->path.p != '/')
        add_base_folder(t, base);
    add(t, ref->path.p, ref->path.len);
    if (t->fits && (base->scheme.there || ref->scheme.there)) {
        url_remove_dots(t->p + start);
        t->len = start + strlen(t->p + start);
    }
}

bool uri_resolve(const char *base_text, const char *reference, char out[SCHEMA_URI_MAX]) {
    struct uri base = split(base_text), ref = split(reference);
    struct text_out t = {out, 0, true};
    bool absolute = ref.scheme.there, same_authority = !absolute && !ref.authority.there;

    *out = 0;
    add_part(&t, "", absolute ? ref.scheme : base.scheme, ":");
    add_part(&t, "//", same_authority ? base.authority : ref.authority, "");
    if (same_authority && !ref.path.len) {
        add(&t, base.path.p, base.path.len);
        add_part(&t, "?", ref.query.there ? ref.query : base.query, "");
    } else {
        add_path(&t, &base, &ref, same_authority);
        add_part(&t, "?", ref.query, "");
    }
    add_part(&t, "#", ref.fragment, "");
    return t.fits;
}

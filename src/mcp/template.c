#include "mcp/template.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/url.h"
#include "base/utf8.h"

#define NAME_MAX_LEN 64

/* The next {{name}} at or behind p: its start, and the name. NULL: there is none. */
static const char *next_slot(struct arena *a, const char *p, const char *end, const char **name,
                             const char **behind) {
    while (p && p < end && (p = memmem(p, (size_t)(end - p), "{{", 2))) {
        const char *close = memmem(p, (size_t)(end - p), "}}", 2);
        size_t len = close ? (size_t)(close - p) - 2 : 0;

        if (!close)
            return NULL;
        if (len && len <= NAME_MAX_LEN && !memchr(p + 2, '{', len)) {
            *name = arena_strndup(a, p + 2, len);
            *behind = close + 2;
            return p;
        }
        p += 2;
    }
    return NULL;
}

struct expansion {
    struct arena *arena;
    const struct json *values;
    size_t left; /* bytes that all strings together may still have */
};

static struct json *expand(struct expansion *x, struct json *v);

static struct json *expand_string(struct expansion *x, const struct json *v) {
    const char *name, *behind, *slot, *p, *end;
    struct buf b;
    size_t len;

    p = json_strn(v, &len);
    end = p + len;
    buf_init(&b, x->arena, x->left);
    while ((slot = next_slot(x->arena, p, end, &name, &behind))) {
        const char *value = json_strn(json_get(x->values, name), &len);

        buf_add(&b, p, (size_t)(slot - p));
        if (value)
            buf_add(&b, value, len);
        p = behind;
    }
    buf_add(&b, p, (size_t)(end - p));
    x->left -= b.len;
    return b.overflow ? NULL : json_new_stringn(x->arena, b.p, b.len);
}

static struct json *expand_object(struct expansion *x, const struct json *v) {
    struct json *out = json_new_object(x->arena);
    struct json_member m;

    for (bool more = json_first(v, &m); more; more = json_next(&m)) {
        struct json *part = expand(x, m.value);

        if (!part && m.value)
            return NULL;
        json_put(out, m.key, part);
    }
    return out;
}

static struct json *expand_array(struct expansion *x, const struct json *v) {
    struct json *out = json_new_array(x->arena);

    for (size_t i = 0; i < json_len(v); i++) {
        struct json *part = expand(x, json_at(v, i));

        if (!part && json_at(v, i))
            return NULL;
        json_add(out, part);
    }
    return out;
}

static struct json *expand(struct expansion *x, struct json *v) {
    if (json_is_string(v))
        return expand_string(x, v);
    if (json_is_object(v))
        return expand_object(x, v);
    return json_is_array(v) ? expand_array(x, v) : v;
}

struct json *template_expand(struct arena *a, struct json *v, const struct json *values) {
    struct expansion x = {a, values, TEMPLATE_BYTES_MAX};
    struct json *out = expand(&x, v);

    return json_text_len(out) <= TEMPLATE_BYTES_MAX ? out : NULL;
}

const char *template_unknown(struct arena *a, const struct json *v, const struct json *names) {
    const char *name = NULL, *behind, *p, *end;
    struct json_member m;
    size_t len;

    if (json_is_string(v)) {
        p = json_strn(v, &len);
        for (end = p + len; (p = next_slot(a, p, end, &name, &behind)); p = behind)
            if (!json_has(names, name))
                return name;
        return NULL;
    }
    name = NULL;
    if (json_is_object(v))
        for (bool more = json_first(v, &m); !name && more; more = json_next(&m))
            name = template_unknown(a, m.value, names);
    for (size_t i = 0; !name && i < json_len(v); i++)
        name = template_unknown(a, json_at(v, i), names);
    return name;
}

/* ---- URI templates ---- */

/* At '{': the name and whether it takes slashes. Returns what is behind '}', or NULL. */
static const char *read_variable(struct arena *a, const char *p, const char **name, bool *slashes) {
    size_t len;

    *slashes = p[1] == '+';
    p += 1 + *slashes;
    for (len = 0; isalnum((unsigned char)p[len]) || p[len] == '_'; len++)
        ;
    if (!len || len > NAME_MAX_LEN || p[len] != '}')
        return NULL;
    *name = arena_strndup(a, p, len);
    return p + len + 1;
}

enum rc uri_template_check(struct arena *a, const char *uri_template, struct json *names,
                           struct err *e) {
    const char *p = uri_template, *name;
    bool slashes;

    while (*p) {
        if (*p == '}' || (*p != '{' && (*p <= ' ' || *p > '~')))
            return err_set(e, ERR_INVALID_REQUEST,
                           "uriTemplate has a character that is not allowed");
        if (*p != '{') {
            p++;
            continue;
        }
        p = read_variable(a, p, &name, &slashes);
        if (!p || *p == '{')
            return err_set(e, ERR_INVALID_REQUEST,
                           "uriTemplate may have {name} and {+name} only, with something between");
        if (json_has(names, name))
            return err_set(e, ERR_INVALID_REQUEST, "uriTemplate has {%s} twice", name);
        json_put_str(names, name, "");
    }
    return json_size(names) ? OK
                            : err_set(e, ERR_INVALID_REQUEST,
                                      "uriTemplate has no variable: a "
                                      "resource has a uri");
}

/* "Servers MUST sanitize file paths to prevent directory traversal attacks": programs make paths of
 * these values. None goes up, stays, or begins anew behind a slash of the template. */
static bool is_safe(const char *value, char before) {
    const char *p = value;

    if (utf8_valid_length(value, strlen(value)) != strlen(value) ||
        (*value == '/' && before == '/'))
        return false;
    for (;;) {
        size_t len = strcspn(p, "/");

        if ((len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (!p[len])
            return true;
        p += len + 1;
    }
}

/* A variable takes as little as it can, since what follows it in the template is fixed text. */
bool uri_template_match(struct arena *a, const char *t, const char *uri, struct json **out) {
    char before = 0;

    *out = json_new_object(a);
    while (*t) {
        const char *name, *rest, *stop;
        size_t fixed, len;
        bool slashes;
        char *value;

        if (*t != '{') {
            before = *t;
            if (*t++ != *uri++)
                return false;
            continue;
        }
        rest = read_variable(a, t, &name, &slashes);
        if (!rest)
            return false;
        fixed = strcspn(rest, "{");
        stop = fixed ? strstr(uri, arena_strndup(a, rest, fixed)) : uri + strlen(uri);
        if (fixed && !rest[fixed]) { /* the end of the template is the end of the URI */
            len = strlen(uri);
            stop = len >= fixed ? uri + len - fixed : NULL;
        }
        len = stop ? (size_t)(stop - uri) : 0;
        value = len ? url_decode(a, uri, len, false) : NULL;
        if (!value || !is_safe(value, before) ||
            (!slashes && (memchr(uri, '/', len) || strchr(value, '/'))))
            return false;
        json_put_str(*out, name, value);
        uri = stop;
        t = rest;
        before = 0;
    }
    return !*uri;
}

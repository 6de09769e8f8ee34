#include "catalog/template.h"

#include <ctype.h>
#include <string.h>

#include "base/base.h"
#include "base/text.h"
#include "base/url.h"
#include "base/utf8.h"

/* ---- {{name}} ---- */

#define TEMPLATE_NAME_MAX 64 /* bytes */

/* The next {{name}} from p on. Braces with anything else between them are text. */
static bool next_name(const char *p, const char *end, struct placeholder *out) {
    while (p < end && placeholder_next(p, end, out) && out->end) {
        if (out->inner.len && out->inner.len <= TEMPLATE_NAME_MAX &&
            !memchr(out->inner.p, '{', out->inner.len))
            return true;
        p = out->start + 2;
    }
    return false;
}

struct expansion {
    struct arena *arena;
    const struct json *values;
    size_t left; /* bytes left for all strings together */
};

static struct json *expand(struct expansion *x, struct json *v);

static struct json *expand_string(struct expansion *x, const struct json *v) {
    const char *p, *end, *value;
    struct placeholder found;
    struct buf b;
    size_t len;

    p = json_strn(v, &len);
    end = p + len;
    buf_init(&b, x->arena, x->left);
    for (; next_name(p, end, &found); p = found.end) {
        value = arena_strndup(x->arena, found.inner.p, found.inner.len);
        value = json_strn(json_get(x->values, value), &len);
        buf_add(&b, p, (size_t)(found.start - p));
        if (value)
            buf_add(&b, value, len);
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

static const char *unknown_in_string(struct arena *a, const struct json *v,
                                     const struct json *names) {
    struct placeholder found;
    size_t len;
    const char *p = json_strn(v, &len), *end = p + len;

    for (; next_name(p, end, &found); p = found.end) {
        const char *name = arena_strndup(a, found.inner.p, found.inner.len);

        if (!json_has(names, name))
            return name;
    }
    return NULL;
}

const char *template_unknown(struct arena *a, const struct json *v, const struct json *names) {
    const char *name = NULL;
    struct json_member m;

    if (json_is_string(v))
        return unknown_in_string(a, v, names);
    if (json_is_object(v))
        for (bool more = json_first(v, &m); !name && more; more = json_next(&m))
            name = template_unknown(a, m.value, names);
    for (size_t i = 0; !name && i < json_len(v); i++)
        name = template_unknown(a, json_at(v, i), names);
    return name;
}

/* ---- URI templates ---- */

#define VARIABLE_NAME_MAX 64 /* bytes */

struct variable {
    const char *name; /* in the template */
    size_t len;
    const char *rest; /* the text after it */
    bool slashes;     /* it may contain slashes */
};

static bool is_name_char(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* Reads the variable whose '{' is at p. A dot in its name must be between other characters
 * (RFC 6570 §2.3). */
static bool read_variable(const char *p, struct variable *out) {
    size_t len = 0;

    out->slashes = p[1] == '+';
    p += 1 + out->slashes;
    while (is_name_char(p[len]) || (p[len] == '.' && len && p[len - 1] != '.' && p[len + 1] != '}'))
        len++;
    if (!len || len > VARIABLE_NAME_MAX || p[len] != '}')
        return false;
    out->name = p;
    out->len = len;
    out->rest = p + len + 1;
    return true;
}

static enum rc add_variable(struct arena *a, const struct variable *v, struct json *names,
                            struct err *e) {
    const char *name = arena_strndup(a, v->name, v->len);

    if (json_has(names, name))
        return err_set(e, ERR_INVALID_REQUEST, "uriTemplate has {%s} twice", name);
    if (json_size(names) == URI_VARIABLES_MAX)
        return err_set(e, ERR_INVALID_REQUEST, "uriTemplate has more than %d variables",
                       URI_VARIABLES_MAX);
    json_put_str(names, name, "");
    return OK;
}

enum rc uri_template_check(struct arena *a, const char *uri_template, struct json *names,
                           struct err *e) {
    struct variable v;

    for (const char *p = uri_template; *p;) {
        if (*p == '}' || *p <= ' ' || *p > '~')
            return err_set(e, ERR_INVALID_REQUEST,
                           "uriTemplate has a character that is not allowed");
        if (*p != '{') {
            p++;
            continue;
        }
        if (!read_variable(p, &v) || *v.rest == '{')
            return err_set(e, ERR_INVALID_REQUEST,
                           "uriTemplate may have {name} and {+name} only, with something between");
        if (add_variable(a, &v, names, e))
            return e->code;
        p = v.rest;
    }
    return json_size(names) ? OK
                            : err_set(e, ERR_INVALID_REQUEST,
                                      "uriTemplate has no variable: a "
                                      "resource has a uri");
}

static bool is_dot_segment(const char *p, size_t len) {
    return (len == 1 || len == 2) && !strncmp(p, "..", len);
}

/* "Servers MUST sanitize file paths to prevent directory traversal attacks": programs make paths of
 * these values. Refuses the segments ".." and ".", and a value that begins with a slash if the
 * character `before` it in the template is a slash. */
static bool is_safe(const char *value, char before) {
    size_t len = strlen(value);

    if (utf8_valid_length(value, len) != len || (*value == '/' && before == '/'))
        return false;
    for (const char *p = value;; p += len + 1) {
        len = strcspn(p, "/");
        if (is_dot_segment(p, len))
            return false;
        if (!p[len])
            return true;
    }
}

struct match {
    struct arena *scratch; /* of one attempt */
    size_t *steps;
    struct {
        struct variable v;
        const char *at;
        size_t len;
    } found[URI_VARIABLES_MAX];
    size_t count;
};

static bool match_from(struct match *m, const char *t, const char *uri, char before);

static bool is_value(struct match *m, const struct variable *v, const char *at, size_t len,
                     char before) {
    const char *value = url_decode(m->scratch, at, len, false);
    bool good = value && is_safe(value, before) && (v->slashes || !strchr(value, '/'));

    arena_reset(m->scratch);
    return good;
}

/* Does the variable match the first len bytes, and the rest of the template the rest of the URI? */
static bool match_value(struct match *m, const struct variable *v, const char *uri, size_t len,
                        char before) {
    if (*m->steps < len || m->count == URI_VARIABLES_MAX)
        return false;
    *m->steps -= len;
    if (!is_value(m, v, uri, len, before))
        return false;
    m->found[m->count].v = *v;
    m->found[m->count].at = uri;
    m->found[m->count++].len = len;
    if (match_from(m, v->rest, uri + len, 0))
        return true;
    m->count--;
    return false;
}

/* A variable matches as few bytes as possible, and more if the rest does not match. */
static bool match_variable(struct match *m, const struct variable *v, const char *uri,
                           char before) {
    size_t next = strcspn(v->rest, "{"), most = v->slashes ? strlen(uri) : strcspn(uri, "/");

    for (size_t len = *v->rest ? 1 : most; len && len <= most && *m->steps; len++) {
        --*m->steps;
        if (!strncmp(v->rest, uri + len, next) && match_value(m, v, uri, len, before))
            return true;
    }
    return false;
}

static bool match_from(struct match *m, const char *t, const char *uri, char before) {
    size_t fixed = strcspn(t, "{");
    struct variable v;

    if (strncmp(t, uri, fixed) != 0)
        return false;
    if (!t[fixed])
        return !uri[fixed];
    return read_variable(t + fixed, &v) &&
           match_variable(m, &v, uri + fixed, fixed ? t[fixed - 1] : before);
}

bool uri_template_match(struct arena *a, const char *uri_template, const char *uri, size_t *steps,
                        struct json **out) {
    struct match m = {.steps = steps};
    bool found;

    *out = NULL;
    if (strlen(uri) > RESOURCE_URI_MAX)
        return false;
    m.scratch = arena_new(2 * RESOURCE_URI_MAX);
    found = match_from(&m, uri_template, uri, 0);
    if (found)
        *out = json_new_object(a);
    for (size_t i = 0; found && i < m.count; i++)
        json_put_str(*out, arena_strndup(a, m.found[i].v.name, m.found[i].v.len),
                     url_decode(a, m.found[i].at, m.found[i].len, false));
    arena_free(m.scratch);
    return found;
}

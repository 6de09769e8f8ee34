#include "catalog/template.h"

#include <ctype.h>

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

static struct json *expand_container(struct expansion *x, const struct json *v) {
    struct json *out = json_is_object(v) ? json_new_object(x->arena) : json_new_array(x->arena);
    struct json *part = out;

    for (struct json_member m = json_first(v); part && m.key; json_next(&m)) {
        part = m.value ? expand(x, m.value) : out;
        json_put(out, m.key, m.value ? part : NULL);
    }
    for (size_t i = 0; part && i < json_len(v); i++) {
        part = json_at(v, i) ? expand(x, json_at(v, i)) : out;
        json_add(out, json_at(v, i) ? part : NULL);
    }
    return part ? out : NULL;
}

static struct json *expand(struct expansion *x, struct json *v) {
    if (json_is_string(v))
        return expand_string(x, v);
    return json_is_object(v) || json_is_array(v) ? expand_container(x, v) : v;
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

const char *template_unknown_name(struct arena *a, const struct json *v, const struct json *names) {
    const char *name = NULL;

    if (json_is_string(v))
        return unknown_in_string(a, v, names);
    if (json_is_object(v))
        for (struct json_member m = json_first(v); !name && m.key; json_next(&m))
            name = template_unknown_name(a, m.value, names);
    for (size_t i = 0; !name && i < json_len(v); i++)
        name = template_unknown_name(a, json_at(v, i), names);
    return name;
}

/* ---- URI templates ---- */

#define VARIABLE_NAME_MAX 64 /* bytes */

struct variable {
    const char *name; /* in the template */
    size_t len;
    const char *rest; /* the template after it */
    bool has_plus;    /* {+name}: its value may contain slashes */
};

/* Reads the variable whose '{' is at p. A dot in its name must be between other characters
 * (RFC 6570 §2.3). */
static bool read_variable(const char *p, struct variable *out) {
    size_t len = 0;

    out->has_plus = p[1] == '+';
    p += 1 + out->has_plus;
    while (isalnum((unsigned char)p[len]) || p[len] == '_' ||
           (p[len] == '.' && len && p[len - 1] != '.' && p[len + 1] != '}'))
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
                           "uriTemplate may only have {name} and {+name}, with text between them");
        if (add_variable(a, &v, names, e))
            return e->code;
        p = v.rest;
    }
    return json_size(names)
               ? OK
               : err_set(e, ERR_INVALID_REQUEST, "uriTemplate has no variable; use uri instead");
}

/* What stands for the expression between braces: RFC 6570 §3.2. `n`: of variables so far. */
static void add_expression(struct buf *b, const char *p, size_t len, size_t n) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    const bool follows = b->len && b->p[b->len - 1] == '}';

    if (*p == '/' || *p == '.')
        buf_addc(b, *p);
    else if (follows) /* one variable for both */
        return;
    buf_addf(b, strspn(p, plain) == len ? "{v%zu}" : "{+v%zu}", n);
}

const char *uri_template_simplify(struct arena *a, const char *uri_template, bool *has_query) {
    const size_t begin = strcspn(uri_template, "{");
    const char *p = uri_template;
    size_t n = 0;
    struct buf b;

    *has_query = false;
    buf_init(&b, a, RESOURCE_URI_MAX);
    if (!memchr(p, ':', begin) || !p[begin] || begin == 0)
        return NULL;
    while (*p) {
        const size_t len = *p == '{' ? strcspn(p, "}") : strcspn(p, "{");

        if (*p == '{' && (len < 2 || !p[len] || n == URI_VARIABLES_MAX))
            return NULL;
        *has_query = *p == '{' && strchr("?&#", p[1]);
        if (*has_query)
            break;
        if (*p == '{')
            add_expression(&b, p + 1, len - 1, n++);
        else
            buf_add(&b, p, len);
        p += len + (*p == '{');
    }
    return b.overflow ? NULL : b.p;
}

/* "Servers MUST sanitize file paths to prevent directory traversal attacks": programs make paths of
 * these values. Refuses the segments ".." and ".", and a value that begins with a slash if the
 * character before it in the template is a slash. */
static bool is_safe(const char *value, char previous) {
    size_t len = strlen(value);

    if (utf8_valid_length(value, len) != len || (*value == '/' && previous == '/'))
        return false;
    for (const char *p = value;; p += len + 1) {
        len = strcspn(p, "/");
        if ((len == 1 || len == 2) && !strncmp(p, "..", len))
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

static bool match_from(struct match *m, const char *t, const char *uri);

static bool is_value(struct match *m, const struct variable *v, const char *at, size_t len,
                     char previous) {
    const char *value = url_decode(m->scratch, at, len, false);
    bool ok = value && is_safe(value, previous) && (v->has_plus || !strchr(value, '/'));

    arena_reset(m->scratch);
    return ok;
}

/* Does the variable match the first len bytes, and the rest of the template the rest of the URI? */
static bool match_value(struct match *m, const struct variable *v, const char *uri, size_t len,
                        char previous) {
    if (*m->steps < len || m->count == URI_VARIABLES_MAX)
        return false;
    *m->steps -= len;
    if (!is_value(m, v, uri, len, previous))
        return false;
    m->found[m->count].v = *v;
    m->found[m->count].at = uri;
    m->found[m->count++].len = len;
    if (match_from(m, v->rest, uri + len))
        return true;
    m->count--;
    return false;
}

/* A variable matches as few bytes as possible, and more if the rest does not match. */
static bool match_variable(struct match *m, const struct variable *v, const char *uri,
                           char previous) {
    size_t next = strcspn(v->rest, "{"), most = v->has_plus ? strlen(uri) : strcspn(uri, "/");

    for (size_t len = *v->rest ? 1 : most; len && len <= most && *m->steps; len++) {
        --*m->steps;
        if (!strncmp(v->rest, uri + len, next) && match_value(m, v, uri, len, previous))
            return true;
    }
    return false;
}

static bool match_from(struct match *m, const char *t, const char *uri) {
    size_t fixed = strcspn(t, "{");
    struct variable v;

    if (strncmp(t, uri, fixed) != 0)
        return false;
    if (!t[fixed])
        return !uri[fixed];
    return read_variable(t + fixed, &v) &&
           match_variable(m, &v, uri + fixed, fixed ? t[fixed - 1] : 0);
}

bool uri_template_match(struct arena *a, const char *uri_template, const char *uri, size_t *steps,
                        struct json **out) {
    struct match m = {.steps = steps};
    bool found;

    *out = NULL;
    if (strlen(uri) > RESOURCE_URI_MAX)
        return false;
    m.scratch = arena_new(2 * RESOURCE_URI_MAX);
    found = match_from(&m, uri_template, uri);
    if (found)
        *out = json_new_object(a);
    for (size_t i = 0; found && i < m.count; i++)
        json_put_str(*out, arena_strndup(a, m.found[i].v.name, m.found[i].v.len),
                     url_decode(a, m.found[i].at, m.found[i].len, false));
    arena_free(m.scratch);
    return found;
}

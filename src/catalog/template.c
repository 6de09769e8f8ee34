#include "catalog/template.h"

#include "base/base.h"
#include "base/text.h"

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

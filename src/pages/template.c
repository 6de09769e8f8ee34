#include "pages/template.h"

#include <string.h>

#include "pages/html.h"

#define TEXT_PREFIX "text."
#define TAG_SHOWN 20 /* bytes of a wrong tag in a message */

struct walk {
    struct buf *b;
    const char *source; /* the whole of it, for line numbers */
    struct err *e;
    bool checking;
    bool failed;
    bool in_list; /* in itself the list would be written a number of times that has no limit */
};

/* One {{…}}. */
struct tag {
    char kind; /* '#', '^', '/', '!', or 0 for a value */
    char name[TEMPLATE_NAME_MAX + 1];
    const char *end; /* behind it */
};

struct found {
    const char *value;                /* NULL: there is none */
    const char *text;                 /* of ours */
    const struct template_list *list; /* the name is that of a list */
};

static const char *walk(struct walk *w, const char *p, const char *closes,
                        const struct template_scope *s, bool emit, unsigned depth);

static const char *fail(struct walk *w, const char *at, const char *what, const char *name) {
    int line = 1;

    for (const char *p = w->source; p < at; p++)
        line += *p == '\n';
    if (!w->failed && w->e)
        (void)err_set(w->e, ERR_MISCONFIGURED, "line %d: %s%s%s", line, what, *name ? " " : "",
                      name);
    w->failed = true;
    return NULL;
}

static bool read_tag(struct walk *w, const char *p, struct tag *tag) {
    const char *end = strstr(p, "}}"), *name = p + 2;
    size_t len;

    if (!end) {
        (void)fail(w, p, "{{ is not closed by }}", "");
        return false;
    }
    tag->kind = strchr("#^/!", *name) ? *name++ : 0;
    tag->end = end + 2;
    if (tag->kind == '!')
        return true;
    name += strspn(name, " \t");
    len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    if (!len || len > TEMPLATE_NAME_MAX || name + len + strspn(name + len, " \t") != end) {
        char shown[TAG_SHOWN + 1] = "";

        /* It goes to a terminal or a log. */
        for (size_t i = 0; i < TAG_SHOWN && p[i]; i++)
            shown[i] = (char)(p[i] < ' ' || p[i] > '~' ? '?' : p[i]);
        (void)fail(w, p, "this is no placeholder:", shown);
        return false;
    }
    memcpy(tag->name, name, len);
    tag->name[len] = 0;
    return true;
}

static struct found find(const struct template_scope *s, const char *name) {
    const size_t prefix = sizeof TEXT_PREFIX - 1;

    for (; s; s = s->outer) {
        if (s->text && !strncmp(name, TEXT_PREFIX, prefix)) {
            const char *text = s->text(s->language, name + prefix);

            if (text)
                return (struct found){.text = text};
        }
        if (s->list && !strcmp(s->list->name, name))
            return (struct found){.list = s->list};
        for (const struct template_value *v = s->values; v && v->name; v++)
            if (!strcmp(v->name, name))
                return (struct found){.value = v->value};
    }
    return (struct found){0};
}

/* The body once for each item; without items it is still read to its end. */
static const char *walk_list(struct walk *w, const char *body, const struct tag *tag,
                             const struct template_list *list, const struct template_scope *s,
                             bool emit, unsigned depth) {
    const char *end = NULL;

    for (const struct template_value *const *item = list->items; *item; item++) {
        const struct template_scope inner = {.values = *item, .outer = s};

        end = walk(w, body, tag->name, &inner, emit, depth + 1);
        if (!end)
            return NULL;
    }
    return end ? end : walk(w, body, tag->name, s, false, depth + 1);
}

static const char *walk_section(struct walk *w, const char *at, const struct tag *tag,
                                const struct template_scope *s, bool emit, unsigned depth) {
    struct found f = find(s, tag->name);
    bool full;

    if (!f.value && !f.list && !f.text && w->checking)
        return fail(w, at, "there is no value of the name", tag->name);
    if (depth == TEMPLATE_DEPTH_MAX)
        return fail(w, at, "too many sections in each other at", tag->name);
    if (f.list && tag->kind == '#') {
        const char *end;

        if (w->in_list)
            return fail(w, at, "a list cannot stand in itself:", tag->name);
        w->in_list = true;
        end = walk_list(w, tag->end, tag, f.list, s, emit, depth);
        w->in_list = false;
        return end;
    }
    full = f.list ? *f.list->items != NULL : (f.value && *f.value) || (f.text && *f.text);
    return walk(w, tag->end, tag->name, s, emit && full == (tag->kind == '#'), depth + 1);
}

/* A text may be used where there are the values that it names. */
static bool add_text(struct walk *w, const char *at, const struct tag *tag, const char *text,
                     const struct template_scope *s, bool emit, unsigned depth) {
    struct walk inner = {.b = w->b, .source = text, .checking = w->checking};

    if (depth == TEMPLATE_DEPTH_MAX || !walk(&inner, text, NULL, s, emit, depth + 1))
        return fail(w, at, "this text cannot be used on this page:", tag->name) != NULL;
    return true;
}

static bool add_value(struct walk *w, const char *at, const struct tag *tag,
                      const struct template_scope *s, bool emit, unsigned depth) {
    struct found f = find(s, tag->name);

    if (f.list)
        return fail(w, at, "a list is written as a section:", tag->name) != NULL;
    if (!f.value && !f.text)
        return !w->checking || fail(w, at, "there is no value of the name", tag->name) != NULL;
    if (f.value && emit)
        html_text(w->b, f.value);
    return !f.text || add_text(w, at, tag, f.text, s, emit, depth);
}

/* From p to the tag that closes the section `closes`, or to the end. NULL after a mistake. */
static const char *walk(struct walk *w, const char *p, const char *closes,
                        const struct template_scope *s, bool emit, unsigned depth) {
    struct tag tag;

    for (;;) {
        const char *next = strstr(p, "{{");

        if (emit)
            buf_add(w->b, p, next ? (size_t)(next - p) : strlen(p));
        if (!next)
            return closes ? fail(w, p, "a section is not closed:", closes) : p + strlen(p);
        if (!read_tag(w, next, &tag))
            return NULL;
        p = tag.end;
        if (tag.kind == '/') {
            if (closes && !strcmp(closes, tag.name))
                return p;
            return fail(w, next, "this closes what was not opened last:", tag.name);
        }
        if (tag.kind == '#' || tag.kind == '^')
            p = walk_section(w, next, &tag, s, emit, depth);
        else if (!tag.kind && !add_value(w, next, &tag, s, emit, depth))
            p = NULL;
        if (!p)
            return NULL;
    }
}

void template_render(struct buf *b, const char *source, const struct template_scope *scope) {
    struct walk w = {.b = b, .source = source};

    (void)walk(&w, source, NULL, scope, true, 0);
}

enum rc template_check(struct arena *a, const char *source, const struct template_scope *sample,
                       struct err *e) {
    struct buf nowhere;
    struct walk w = {.b = &nowhere, .source = source, .e = e, .checking = true};

    buf_init(&nowhere, a, 1);
    return walk(&w, source, NULL, sample, false, 0) ? OK : e->code;
}

#include "pages/template.h"

#include "base/text.h"

#define TEXT_PREFIX "text."
#define TAG_SHOWN 20 /* bytes of a wrong tag in a message */

void html_text(struct buf *b, const char *s) {
    static const char special[] = "&<>\"'";
    static const char *const escapes[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    for (;;) {
        const size_t plain = strcspn(s, special);

        buf_add(b, s, plain);
        s += plain;
        if (!*s)
            return;
        buf_adds(b, escapes[strchr(special, *s++) - special]);
    }
}

/* ---- one template ---- */

struct walk {
    struct buf *b;
    const char *source, *end; /* the whole of it, also for line numbers */
    struct err *e;
    bool checking;
    bool failed;
    bool in_list; /* a list in itself could be written without limit */
};

/* One {{…}}. */
struct tag {
    char kind; /* '#', '^', '/', '!', or 0 for a value */
    char name[TEMPLATE_NAME_MAX + 1];
    const char *begin, *end; /* its braces; behind them */
};

struct found {
    const char *value;                /* NULL: there is none */
    const char *text;                 /* of ours */
    const struct template_list *list; /* the name is that of a list */
};

/* How a section is read. */
struct view {
    const struct template_scope *scope;
    bool emit;      /* its contents are written; otherwise they are only read to their end */
    unsigned depth; /* how many sections and texts it is in */
};

static const char *walk(struct walk *w, const char *p, const char *closes, struct view v);

static const char *fail(struct walk *w, const char *at, const char *what, const char *name) {
    int line = 1;

    for (const char *p = w->source; p < at; p++)
        line += *p == '\n';
    if (!w->failed && w->e)
        (void)misconfigured(w->e, "line %d: %s%s%s", line, what, *name ? " " : "", name);
    w->failed = true;
    return NULL;
}

/* For a message, which goes to a terminal or a log. */
static const char *no_tag(struct walk *w, const char *p) {
    char shown[TAG_SHOWN + 1] = "";

    for (size_t i = 0; i < TAG_SHOWN && p[i]; i++)
        shown[i] = (char)(p[i] < ' ' || p[i] > '~' ? '?' : p[i]);
    return fail(w, p, "this is no placeholder:", shown);
}

/* strspn would make a table of the characters each time. */
static size_t name_len(const char *s) {
    size_t n = 0;

    while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9') || s[n] == '_' ||
           s[n] == '.')
        n++;
    return n;
}

static bool read_tag(struct walk *w, const struct placeholder *p, struct tag *tag) {
    const char *name = p->inner.p, *end = name + p->inner.len;
    size_t len;

    if (!p->end)
        return fail(w, p->start, "{{ is not closed by }}", "") != NULL;
    tag->kind = name < end && strchr("#^/!", *name) ? *name++ : 0;
    tag->begin = p->start;
    tag->end = p->end;
    if (tag->kind == '!')
        return true;
    if (*name <= ' ')
        name += strspn(name, " \t");
    len = name_len(name);
    if (!len || len > TEMPLATE_NAME_MAX || name + len + strspn(name + len, " \t") != end)
        return no_tag(w, p->start) != NULL;
    memcpy(tag->name, name, len);
    tag->name[len] = 0;
    return true;
}

static struct found find(const struct walk *w, const char *name, struct view v) {
    const size_t prefix = sizeof TEXT_PREFIX - 1;

    if (!v.emit && !w->checking) /* what is only read to its end needs no values */
        return (struct found){0};
    for (const struct template_scope *s = v.scope; s; s = s->outer) {
        if (s->text && !strncmp(name, TEXT_PREFIX, prefix)) {
            const char *text = s->text(s->language, name + prefix);

            if (text)
                return (struct found){.text = text};
        }
        if (s->list && !strcmp(s->list->name, name))
            return (struct found){.list = s->list};
        for (const struct template_value *value = s->values; value && value->name; value++)
            if (*value->name == *name && !strcmp(value->name, name)) /* most differ at once */
                return (struct found){.value = value->value};
        if (s->sample && list_has(s->sample, name))
            return (struct found){.value = "x"};
    }
    return (struct found){0};
}

static struct view inner_view(struct view v, const struct template_scope *scope, bool emit) {
    return (struct view){scope, emit, v.depth + 1};
}

/* The body once for each item; without items it is still read to its end. */
static const char *walk_items(struct walk *w, const struct tag *tag,
                              const struct template_list *list, struct view v) {
    const char *end = NULL;

    for (const struct template_value *const *item = list->items; *item; item++) {
        const struct template_scope scope = {.values = *item, .outer = v.scope};

        end = walk(w, tag->end, tag->name, inner_view(v, &scope, v.emit));
        if (!end)
            return NULL;
    }
    return end ? end : walk(w, tag->end, tag->name, inner_view(v, v.scope, false));
}

static const char *walk_list(struct walk *w, const struct tag *tag,
                             const struct template_list *list, struct view v) {
    const char *end;

    if (w->in_list)
        return fail(w, tag->begin, "a list cannot stand in itself:", tag->name);
    w->in_list = true;
    end = walk_items(w, tag, list, v);
    w->in_list = false;
    return end;
}

static bool is_full(const struct found *f) {
    if (f->list)
        return *f->list->items != NULL;
    return (f->value && *f->value) || (f->text && *f->text);
}

static const char *walk_section(struct walk *w, const struct tag *tag, struct view v) {
    struct found f = find(w, tag->name, v);

    if (!f.value && !f.list && !f.text && w->checking)
        return fail(w, tag->begin, "there is no value of the name", tag->name);
    if (v.depth == TEMPLATE_DEPTH_MAX)
        return fail(w, tag->begin, "too many sections in each other at", tag->name);
    if (f.list && tag->kind == '#')
        return walk_list(w, tag, f.list, v);
    v.emit = v.emit && is_full(&f) == (tag->kind == '#');
    return walk(w, tag->end, tag->name, inner_view(v, v.scope, v.emit));
}

/* A text may be used where there are the values that it names. */
static const char *add_text(struct walk *w, const struct tag *tag, const char *text,
                            struct view v) {
    struct walk inner = {
        .b = w->b, .source = text, .end = text + strlen(text), .checking = w->checking};

    if (v.depth == TEMPLATE_DEPTH_MAX || !walk(&inner, text, NULL, inner_view(v, v.scope, v.emit)))
        return fail(w, tag->begin, "this text cannot be used on this page:", tag->name);
    return tag->end;
}

static const char *add_value(struct walk *w, const struct tag *tag, struct view v) {
    struct found f = find(w, tag->name, v);

    if (f.list)
        return fail(w, tag->begin, "a list is written as a section:", tag->name);
    if (f.text)
        return add_text(w, tag, f.text, v);
    if (!f.value && w->checking)
        return fail(w, tag->begin, "there is no value of the name", tag->name);
    if (f.value && v.emit)
        html_text(w->b, f.value);
    return tag->end;
}

/* What follows on a tag that closes nothing. */
static const char *follow(struct walk *w, const struct tag *tag, struct view v) {
    switch (tag->kind) {
    case '#':
    case '^':
        return walk_section(w, tag, v);
    case '!':
        return tag->end;
    default:
        return add_value(w, tag, v);
    }
}

/* From p to the tag that closes the section `closes`, or to the end. NULL after a mistake. */
static const char *walk(struct walk *w, const char *p, const char *closes, struct view v) {
    struct placeholder next;
    struct tag tag;

    while (p) {
        bool more = placeholder_next(p, w->end, &next);

        if (v.emit)
            buf_add(w->b, p, (size_t)((more ? next.start : w->end) - p));
        if (!more)
            return closes ? fail(w, p, "a section is not closed:", closes) : w->end;
        if (!read_tag(w, &next, &tag))
            return NULL;
        if (tag.kind != '/')
            p = follow(w, &tag, v);
        else if (closes && !strcmp(closes, tag.name))
            return tag.end;
        else
            return fail(w, tag.begin, "this closes what was not opened last:", tag.name);
    }
    return NULL;
}

void template_render(struct buf *b, const char *source, const struct template_scope *scope) {
    struct walk w = {.b = b, .source = source, .end = source + strlen(source)};

    (void)walk(&w, source, NULL, (struct view){scope, true, 0});
}

enum rc template_check(struct arena *a, const char *source, const struct template_scope *sample,
                       struct err *e) {
    struct buf nowhere;
    struct walk w = {
        .b = &nowhere, .source = source, .end = source + strlen(source), .e = e, .checking = true};

    buf_init(&nowhere, a, 1);
    return walk(&w, source, NULL, (struct view){sample, false, 0}) ? OK : e->code;
}

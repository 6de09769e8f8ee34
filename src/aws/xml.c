/* Elements, attributes (which are skipped), text with the predefined entities, a declaration at the
 * start. Anything else is refused. */
#include "aws/xml.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

#define DEPTH_MAX 16
#define SPACES " \t\r\n"

struct name {
    const char *p;
    size_t len;
};

struct xml {
    const char *p, *end;
    struct name open[DEPTH_MAX]; /* the elements we stand in, outermost first */
    unsigned depth;
};

static size_t name_length(const struct xml *x) {
    size_t len = 0;

    while (x->p + len < x->end && (unsigned char)x->p[len] > ' ' &&
           !strchr("<>/=&\"'!?", x->p[len]))
        len++;
    return len;
}

static void skip_spaces(struct xml *x) {
    while (x->p < x->end && *x->p && strchr(SPACES, *x->p))
        x->p++;
}

static bool skip_char(struct xml *x, char c) {
    if (x->p >= x->end || *x->p != c)
        return false;
    x->p++;
    return true;
}

/* name="value", after white space */
static bool skip_attribute(struct xml *x) {
    const char *close;
    char quote;
    size_t len = name_length(x);

    x->p += len;
    if (!len || !skip_char(x, '=') || x->p >= x->end)
        return false;
    quote = *x->p++;
    if (quote != '"' && quote != '\'')
        return false;
    close = memchr(x->p, quote, (size_t)(x->end - x->p));
    if (!close || memchr(x->p, '<', (size_t)(close - x->p)))
        return false;
    x->p = close + 1;
    return true;
}

/* The part of an opening tag after <. *empty: it closes itself. */
static bool open_element(struct xml *x, bool *empty) {
    size_t len = name_length(x);
    const char *before;

    if (!len || x->depth == DEPTH_MAX)
        return false;
    x->open[x->depth++] = (struct name){x->p, len};
    x->p += len;
    for (before = x->p, skip_spaces(x); x->p < x->end && *x->p != '>' && *x->p != '/';
         before = x->p, skip_spaces(x))
        if (x->p == before || !skip_attribute(x))
            return false;
    *empty = skip_char(x, '/');
    return skip_char(x, '>');
}

/* The part of a closing tag after </ */
static bool close_element(struct xml *x) {
    size_t len = name_length(x);

    if (!x->depth || x->open[x->depth - 1].len != len ||
        memcmp(x->open[x->depth - 1].p, x->p, len) != 0)
        return false;
    x->depth--;
    x->p += len;
    skip_spaces(x);
    return skip_char(x, '>');
}

/* The text up to the next tag, entities decoded; NULL for an entity that is not predefined. */
static const char *read_text(struct arena *a, struct xml *x) {
    static const struct {
        const char *name;
        char c;
    } entities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    struct buf b;

    buf_init(&b, a, (size_t)(x->end - x->p)); /* entities are longer than what they stand for */
    while (x->p < x->end && *x->p != '<') {
        unsigned i = 0;

        if (*x->p != '&') {
            buf_addc(&b, *x->p++);
            continue;
        }
        while (i < 5 && ((size_t)(x->end - x->p) < strlen(entities[i].name) ||
                         memcmp(x->p, entities[i].name, strlen(entities[i].name)) != 0))
            i++;
        if (i == 5)
            return NULL;
        buf_addc(&b, entities[i].c);
        x->p += strlen(entities[i].name);
    }
    return b.p;
}

/* Do the open elements spell the path? */
static bool is_at(const struct xml *x, const char *path) {
    for (unsigned i = 0; i < x->depth; i++) {
        size_t len = strcspn(path, "/");

        if (len != x->open[i].len || memcmp(path, x->open[i].p, len) != 0)
            return false;
        path += len;
        if (*path == '/')
            path++;
        else if (i + 1 < x->depth)
            return false;
    }
    return !*path;
}

static bool skip_declaration(struct xml *x) {
    const char *close;

    if (x->end - x->p < 5 || memcmp(x->p, "<?xml", 5) != 0)
        return true;
    close = memmem(x->p, (size_t)(x->end - x->p), "?>", 2);
    if (!close)
        return false;
    x->p = close + 2;
    skip_spaces(x);
    return true;
}

/* What has been read of a document. */
struct search {
    const char *path, *found;
    bool just_opened; /* the last tag opened an element: text that follows is its first */
};

/* Text and the tag behind it. False: this is not well-formed. */
static bool read_on(struct arena *a, struct xml *x, struct search *s) {
    const bool wanted = s->just_opened && !s->found && is_at(x, s->path);
    const char *text = read_text(a, x);
    bool closed_itself = false;

    if (!text || !skip_char(x, '<'))
        return false;
    s->just_opened = !skip_char(x, '/');
    if (!s->just_opened) {
        if (wanted)
            s->found = text;
        return close_element(x);
    }
    if (!open_element(x, &closed_itself))
        return false;
    if (closed_itself) {
        s->just_opened = false;
        x->depth--;
    }
    return true;
}

const char *aws_xml_text(struct arena *a, const char *xml, size_t len, const char *path) {
    struct xml x = {.p = xml, .end = xml + len};
    struct search s = {.path = path, .just_opened = true};
    bool closed_itself = false;

    if (memchr(xml, 0, len) || !skip_declaration(&x) || !skip_char(&x, '<') ||
        !open_element(&x, &closed_itself))
        return NULL;
    while (!closed_itself && x.depth)
        if (!read_on(a, &x, &s))
            return NULL;
    skip_spaces(&x);
    return x.p == x.end ? s.found : NULL;
}

/* Elements, attributes (which are skipped), text with the predefined entities, a declaration at the
 * start. Anything else is refused. */
#include "aws/xml.h"

#define PATH_MAX_LEN 512 /* bytes of the names of all open elements; STS's need 86 */
#define SPACES " \t\r\n"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"

struct xml {
    struct arena *arena;
    const char *p;               /* what is still to be read */
    char path[PATH_MAX_LEN + 1]; /* the open elements: "/outermost/inner" */
};

enum tag { TAG_MALFORMED, TAG_OPENS, TAG_CLOSES, TAG_EMPTY };

static bool skip(struct xml *x, const char *text) {
    size_t len = strlen(text);

    if (strncmp(x->p, text, len) != 0)
        return false;
    x->p += len;
    return true;
}

/* name="value", each after white space, and the white space behind them. */
static bool skip_attributes(struct xml *x) {
    size_t space, len;

    while ((space = strspn(x->p, SPACES)) && (len = strspn(x->p + space, NAME_CHARS))) {
        const char *end;

        x->p += space + len;
        if (!skip(x, "=") || (*x->p != '"' && *x->p != '\''))
            return false;
        end = strchr(x->p + 1, *x->p);
        if (!end || memchr(x->p, '<', (size_t)(end - x->p)))
            return false;
        x->p = end + 1;
    }
    x->p += space;
    return true;
}

/* Takes the element that a closing tag names off the path. */
static bool leave(struct xml *x, const char *name, size_t len) {
    char *last = strrchr(x->path, '/');

    if (!last || strlen(last + 1) != len || strncmp(last + 1, name, len) != 0)
        return false;
    *last = 0;
    return true;
}

static enum tag open_element(struct xml *x, const char *name, size_t len) {
    size_t path_len = strlen(x->path);

    if (!len || path_len + 1 + len > PATH_MAX_LEN || !skip_attributes(x))
        return TAG_MALFORMED;
    if (skip(x, "/>"))
        return TAG_EMPTY;
    x->path[path_len] = '/';
    memcpy(x->path + path_len + 1, name, len);
    x->path[path_len + 1 + len] = 0;
    return skip(x, ">") ? TAG_OPENS : TAG_MALFORMED;
}

static enum tag read_tag(struct xml *x) {
    const bool closes = skip(x, "</");
    const char *name;
    size_t len;

    if (!closes && !skip(x, "<"))
        return TAG_MALFORMED;
    name = x->p;
    len = strspn(name, NAME_CHARS);
    x->p += len;
    if (closes) {
        x->p += strspn(x->p, SPACES);
        return leave(x, name, len) && skip(x, ">") ? TAG_CLOSES : TAG_MALFORMED;
    }
    return open_element(x, name, len);
}

/* The text up to the next tag, entities decoded; NULL for an entity that is not predefined. */
static const char *read_text(struct xml *x) {
    static const char *const entities[] = {"<&lt;", ">&gt;", "&&amp;", "\"&quot;", "'&apos;"};
    struct buf b;

    buf_init(&b, x->arena, strlen(x->p)); /* entities are longer than what they stand for */
    while (*x->p && *x->p != '<') {
        size_t len = strcspn(x->p, "<&"), i = 0;

        buf_add(&b, x->p, len);
        x->p += len;
        if (*x->p != '&')
            break;
        while (!skip(x, entities[i] + 1))
            if (++i == sizeof entities / sizeof *entities)
                return NULL;
        buf_addc(&b, *entities[i]);
    }
    return b.p;
}

static bool skip_declaration(struct xml *x) {
    const char *end;

    if (!skip(x, "<?xml"))
        return true;
    if (!(end = strstr(x->p, "?>")))
        return false;
    x->p = end + 2 + strspn(end + 2, SPACES);
    return true;
}

const char *aws_xml_text(struct arena *a, const char *xml, size_t len, const char *path) {
    struct xml x = {.arena = a, .p = arena_strndup(a, xml, len)};
    enum tag tag, before = TAG_CLOSES;
    const char *found = NULL;

    if (strlen(x.p) != len || !skip_declaration(&x))
        return NULL;
    do {
        const bool is_wanted = before == TAG_OPENS && !found && !strcmp(x.path + 1, path);
        const char *text = *x.path ? read_text(&x) : "";

        tag = text ? read_tag(&x) : TAG_MALFORMED;
        if (tag == TAG_MALFORMED)
            return NULL;
        if (is_wanted && tag == TAG_CLOSES)
            found = text;
        before = tag;
    } while (*x.path);
    return x.p[strspn(x.p, SPACES)] ? NULL : found;
}

#include "catalog/front_matter.h"

#include <yaml.h>

#include "base/utf8.h"

#define FENCE "---"
#define FIRST_LINE 2 /* of the file: the first of the YAML text */

struct reader {
    yaml_parser_t parser;
    struct arena *keep;
    unsigned depth;
    struct err *e;
};

/* Completes an error that has been set. */
static enum rc set_position(const struct reader *r, yaml_mark_t mark) {
    r->e->position.line = (unsigned)mark.line + FIRST_LINE;
    r->e->position.column = (unsigned)mark.column + 1;
    return r->e->code;
}

static enum rc fault(const struct reader *r, yaml_mark_t mark, const char *what) {
    (void)err_set(r->e, ERR_INVALID_REQUEST, "%s", what);
    return set_position(r, mark);
}

/* ---- scalars ---- */

/* Has it the form of a number in YAML 1.2 §10.3.2, or in YAML 1.1? */
static bool looks_like_number(const char *s) {
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    size_t digits;

    s += *s == '-' || *s == '+';
    if (text_is_one_of(s, words))
        return true;
    if (*s == '0' && (s[1] == 'x' || s[1] == 'o'))
        return s[2] && !s[2 + strspn(s + 2, "0123456789abcdefABCDEF")];
    digits = strspn(s, "0123456789.");
    if (!strpbrk(s, "0123456789") || !digits || strchr(s, '.') != strrchr(s, '.'))
        return false;
    s += digits;
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '-' || s[1] == '+');
        return *s && !s[strspn(s, "0123456789")];
    }
    return !*s;
}

/* A scalar without quotes. */
static enum rc read_plain(struct reader *r, const yaml_event_t *ev, struct json **out) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const booleans[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    const char *s = (const char *)ev->data.scalar.value;
    const size_t len = ev->data.scalar.length;

    *out = NULL;
    if (text_is_one_of(s, nulls))
        return OK;
    if (text_is_one_of(s, booleans)) {
        const char *lower = text_lower(r->keep, s, len);

        *out = json_of_text(r->keep, lower, len);
    } else if (looks_like_number(s)) {
        *out = json_of_text(r->keep, s, len);
    } else {
        *out = json_new_stringn(r->keep, s, len);
    }
    return *out ? OK
                : fault(r, ev->start_mark,
                        "a number that JSON writes otherwise: write it so, or in quotes");
}

static enum rc read_scalar(struct reader *r, const yaml_event_t *ev, struct json **out) {
    if (ev->data.scalar.anchor || ev->data.scalar.tag)
        return fault(r, ev->start_mark, "anchors (&) and tags (!) are not supported");
    if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return read_plain(r, ev, out);
    *out = json_new_stringn(r->keep, (const char *)ev->data.scalar.value, ev->data.scalar.length);
    return OK;
}

/* ---- the tree ---- */

/* The caller deletes the event. */
static enum rc next(struct reader *r, yaml_event_t *ev) {
    if (yaml_parser_parse(&r->parser, ev))
        return OK;
    memset(ev, 0, sizeof *ev);
    (void)err_set(r->e, ERR_INVALID_REQUEST, "not valid YAML: %s",
                  r->parser.problem ? r->parser.problem : "it cannot be read");
    return set_position(r, r->parser.problem_mark);
}

static enum rc read_value(struct reader *r, const yaml_event_t *ev, struct json **out);

/* A name as it is written: no other parser has to know what 1, yes or null means there. */
static enum rc read_key(struct reader *r, const struct json *object, const yaml_event_t *ev,
                        const char **out) {
    const char *key = (const char *)ev->data.scalar.value;

    if (ev->type == YAML_ALIAS_EVENT)
        return fault(r, ev->start_mark, "aliases (*) are not supported");
    if (ev->type != YAML_SCALAR_EVENT || ev->data.scalar.anchor || ev->data.scalar.tag ||
        strlen(key) != ev->data.scalar.length)
        return fault(r, ev->start_mark, "a key must be a plain text");
    if (json_has(object, key))
        return fault(r, ev->start_mark, "the key is there twice");
    *out = arena_strdup(r->keep, key);
    return OK;
}

/* Reads a value, in a mapping after its key. *is_end: it was the end of the collection. */
static enum rc read_member(struct reader *r, bool is_mapping, struct json *out, bool *is_end) {
    yaml_event_t ev;
    struct json *value = NULL;
    const char *key = NULL;
    enum rc rc = next(r, &ev);

    *is_end = ev.type == YAML_MAPPING_END_EVENT || ev.type == YAML_SEQUENCE_END_EVENT;
    if (!rc && !*is_end && is_mapping) {
        rc = read_key(r, out, &ev, &key);
        yaml_event_delete(&ev);
        if (!rc)
            rc = next(r, &ev);
    }
    if (!rc && !*is_end)
        rc = read_value(r, &ev, &value);
    yaml_event_delete(&ev);
    if (rc || *is_end)
        return rc;
    if (is_mapping)
        json_put(out, key, value);
    else
        json_add(out, value);
    return OK;
}

static enum rc read_collection(struct reader *r, const yaml_event_t *ev, struct json **out) {
    const bool is_mapping = ev->type == YAML_MAPPING_START_EVENT;
    enum rc rc = OK;

    if (is_mapping ? ev->data.mapping_start.anchor || ev->data.mapping_start.tag
                   : ev->data.sequence_start.anchor || ev->data.sequence_start.tag)
        return fault(r, ev->start_mark, "anchors (&) and tags (!) are not supported");
    if (r->depth == FRONT_MATTER_DEPTH_MAX)
        return fault(r, ev->start_mark,
                     arena_printf(r->keep, "nested deeper than %d levels", FRONT_MATTER_DEPTH_MAX));
    *out = is_mapping ? json_new_object(r->keep) : json_new_array(r->keep);
    r->depth++;
    for (bool is_end = false; !rc && !is_end;)
        rc = read_member(r, is_mapping, *out, &is_end);
    r->depth--;
    return rc;
}

static enum rc read_value(struct reader *r, const yaml_event_t *ev, struct json **out) {
    if (ev->type == YAML_SCALAR_EVENT)
        return read_scalar(r, ev, out);
    if (ev->type == YAML_MAPPING_START_EVENT || ev->type == YAML_SEQUENCE_START_EVENT)
        return read_collection(r, ev, out);
    return fault(r, ev->start_mark, "aliases (*) are not supported");
}

/* The one document: its value must be a mapping, and nothing may follow it. */
static enum rc read_document(struct reader *r, struct json **out) {
    static const yaml_event_type_t order[] = {YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT,
                                              YAML_MAPPING_START_EVENT, YAML_DOCUMENT_END_EVENT,
                                              YAML_STREAM_END_EVENT};
    enum rc rc = OK;

    for (size_t i = 0; !rc && i < sizeof order / sizeof *order; i++) {
        yaml_event_t ev;

        rc = next(r, &ev);
        if (!rc && ev.type != order[i])
            rc = fault(r, ev.start_mark, "the front matter must be one YAML mapping");
        else if (!rc && ev.type == YAML_MAPPING_START_EVENT)
            rc = read_value(r, &ev, out);
        yaml_event_delete(&ev);
    }
    return rc;
}

/* ---- where it is ---- */

/* The length of a line end at p; 0: there is none. */
static size_t line_end(const char *p, const char *end) {
    if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
        return 2;
    return end > p && *p == '\n';
}

static bool is_fence(const char *line, const char *end) {
    if ((size_t)(end - line) < strlen(FENCE) || memcmp(line, FENCE, strlen(FENCE)) != 0)
        return false;
    line += strlen(FENCE);
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    return line == end || line_end(line, end);
}

/* The text between the fences. p is NULL: there is none. */
static struct text find(struct text file) {
    const char *end = file.p + file.len, *p = file.p + utf8_bom_length(file.p, file.len), *line;
    size_t skip;

    if ((size_t)(end - p) < strlen(FENCE) || memcmp(p, FENCE, strlen(FENCE)) != 0)
        return (struct text){0};
    p += strlen(FENCE);
    skip = line_end(p, end);
    p += skip;
    for (line = p; skip && line < end && !is_fence(line, end); line++)
        if (!(line = memchr(line, '\n', (size_t)(end - line))))
            return (struct text){0};
    return skip && line < end ? (struct text){p, (size_t)(line - p)} : (struct text){0};
}

enum rc front_matter_read(struct arena *keep, struct text file, struct json **out, struct err *e) {
    struct reader r = {.keep = keep, .e = e};
    struct text yaml = find(file);
    enum rc rc;

    if (!yaml.p) {
        (void)err_set(e, ERR_INVALID_REQUEST,
                      "must begin with front matter: a line ---, YAML, and a line ---");
        e->position.line = e->position.column = 1;
        return e->code;
    }
    if (yaml.len > FRONT_MATTER_BYTES_MAX)
        return err_set(e, ERR_INVALID_REQUEST, "the front matter has more than %zu bytes",
                       FRONT_MATTER_BYTES_MAX);
    if (!yaml_parser_initialize(&r.parser))
        out_of_memory("yaml", 0);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)yaml.p, yaml.len);
    rc = read_document(&r, out);
    yaml_parser_delete(&r.parser);
    return rc;
}

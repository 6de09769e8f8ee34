/* Private part of json.h: texts and files with faults; those of a file, which somebody wrote, by
 * line and column. */
#include <ctype.h>

#include "base/file.h"
#include "base/json.h"
#include "base/json_value.h"
#include "base/text.h"
#include "base/utf8.h"

/* Lines and characters are counted from 1, as editors do. */
static void set_position(const char *text, size_t at, struct err *e) {
    e->position.line = e->position.column = 1;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            e->position.line++;
            e->position.column = 1;
        } else if ((text[i] & 0xc0) != 0x80) {
            e->position.column++;
        }
    }
}

static bool follows_comma(struct text t, size_t at) {
    while (at && strchr(" \t\r\n", t.p[at - 1]))
        at--;
    return at && t.p[at - 1] == ',';
}

/* A text that is no JSON at this byte. */
static enum rc explain_byte(struct text t, size_t at, struct err *e) {
    static const struct {
        const char *bytes, *why;
    } known[] = {{"/#", "it has no comments"},
                 {"'", "strings stand in double quotes"},
                 {"\n\r", "a string ends in its line (write \\n)"}};
    const char c = at < t.len ? t.p[at] : 0;

    if (at == t.len)
        return invalid_request(e, "not valid JSON: it ends too early");
    if ((c == '}' || c == ']') && follows_comma(t, at))
        return invalid_request(e, "not valid JSON: there is a comma before the %c", c);
    for (size_t i = 0; c && i < sizeof known / sizeof *known; i++)
        if (strchr(known[i].bytes, c))
            return invalid_request(e, "not valid JSON: %s", known[i].why);
    if (isprint((unsigned char)c))
        return invalid_request(e, "not valid JSON: %c is not expected here", c);
    return invalid_request(e, "not valid JSON: the byte 0x%02x is not expected here",
                           (unsigned)(unsigned char)c);
}

/* Sets the error of a text with a fault. with_byte: and says where it is. */
static enum rc explain(const struct json_verdict *v, bool with_byte, struct err *e) {
    static const char *const why[] = {
        [JSON_MALFORMED] = "not valid JSON",
        [JSON_NOT_UTF8] = "not valid UTF-8",
        [JSON_BAD_NAME] = "not valid JSON: a name has \\u0000 or half a surrogate pair in it",
        [JSON_NAME_TWICE] = "not valid JSON: an object has a name twice",
        [JSON_TOO_LONG] = "the JSON text is too long"};

    if (v->fault == JSON_TOO_DEEP)
        return invalid_request(e, "the JSON text is nested deeper than %d levels", JSON_DEPTH_MAX);
    if (v->fault == JSON_TOO_MANY_VALUES)
        return invalid_request(
            e,
            "the JSON text has too many values: they would take more than the %zu bytes "
            "of memory that a text of this length may",
            v->memory_max);
    if (!with_byte || v->fault == JSON_NAME_TWICE || v->fault == JSON_TOO_LONG)
        return invalid_request(e, "%s", why[v->fault]);
    return invalid_request(e, "%s at byte %zu", why[v->fault], v->at);
}

enum rc json_parse(struct arena *a, const char *text, size_t len, struct json **out,
                   struct err *e) {
    struct json_verdict v = json_read(a, text, len, out);

    return v.fault ? explain(&v, true, e) : OK;
}

enum rc json_parse_file(struct arena *a, const char *path, size_t max_len, struct json **out,
                        struct err *e) {
    struct json_verdict v;
    struct text t = {0};
    size_t bom;

    *out = NULL;
    if (file_read(a, path, max_len, &t, e))
        return e->code = ERR_INVALID_REQUEST;
    bom = utf8_bom_length(t.p, t.len); /* RFC 8259 §8.1: a parser may pass over it */
    t = (struct text){t.p + bom, t.len - bom};
    v = json_read(a, t.p, t.len, out);
    if (!v.fault)
        return OK;
    (void)explain(&v, false, e);
    if (v.fault == JSON_TOO_LONG || v.fault == JSON_TOO_MANY_VALUES)
        return e->code; /* it is the whole file */
    if (v.fault == JSON_MALFORMED)
        (void)explain_byte(t, v.at, e);
    else if (v.fault == JSON_NOT_UTF8)
        (void)err_set(e, e->code, "not valid UTF-8: save the file as UTF-8");
    set_position(t.p, v.at, e);
    return e->code;
}

/* A file with JSON, which somebody wrote: faults by line and column. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_check.h"
#include "base/read_open.h"
#include "base/utf8.h"

/* Lines and characters are counted from 1, as editors do. */
static void place_of(const char *text, size_t at, struct err *e) {
    e->place.line = e->place.column = 1;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            e->place.line++;
            e->place.column = 1;
        } else if ((text[i] & 0xc0) != 0x80) {
            e->place.column++;
        }
    }
}

/* A text that is no JSON at this byte. */
static enum rc explain_byte(const char *text, size_t len, size_t at, struct err *e) {
    static const char what[] = "not valid JSON";
    const char c = at < len ? text[at] : 0;
    size_t before = at;

    while (before && strchr(" \t\r\n", text[before - 1]))
        before--;
    if (at == len)
        return err_set(e, ERR_INVALID_REQUEST, "%s: it ends too early", what);
    if ((c == '}' || c == ']') && before && text[before - 1] == ',')
        return err_set(e, ERR_INVALID_REQUEST, "%s: there is a comma before the %c", what, c);
    if (c == '/' || c == '#')
        return err_set(e, ERR_INVALID_REQUEST, "%s: it has no comments", what);
    if (c == '\'')
        return err_set(e, ERR_INVALID_REQUEST, "%s: strings stand in double quotes", what);
    if (c == '\n' || c == '\r')
        return err_set(e, ERR_INVALID_REQUEST, "%s: a string ends in its line (write \\n)", what);
    if (isprint((unsigned char)c))
        return err_set(e, ERR_INVALID_REQUEST, "%s: %c is not expected here", what, c);
    return err_set(e, ERR_INVALID_REQUEST, "%s: the byte 0x%02x is not expected here", what,
                   (unsigned)(unsigned char)c);
}

static enum rc explain(const char *text, size_t len, const struct json_place *place,
                       struct err *e) {
    if (place->fault == JSON_GOOD)
        return e->code;
    if (place->fault == JSON_MALFORMED)
        (void)explain_byte(text, len, place->at, e);
    else if (place->fault == JSON_NOT_UTF8)
        (void)err_set(e, ERR_INVALID_REQUEST, "not valid UTF-8: save the file as UTF-8");
    else if (place->fault == JSON_BAD_NAME)
        (void)err_set(e, ERR_INVALID_REQUEST,
                      "not valid JSON: a name has \\u0000 or half a surrogate pair in it");
    place_of(text, place->at, e);
    return e->code;
}

static enum rc read_all(int fd, char *text, size_t max_len, size_t *len, struct err *e) {
    ssize_t n = 0;
    struct stat st;

    *len = 0;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID_REQUEST, "is not a regular file");
    while (*len <= max_len && (n = read(fd, text + *len, max_len + 1 - *len)) > 0)
        *len += (size_t)n;
    if (n < 0)
        return err_set(e, ERR_INVALID_REQUEST, "cannot be read: %s", strerror(errno));
    if (*len > max_len)
        return err_set(e, ERR_INVALID_REQUEST, "is longer than %zu bytes", max_len);
    return OK;
}

enum rc json_parse_file(struct arena *a, const char *path, size_t max_len, struct json **out,
                        struct err *e) {
    const char *why;
    int fd = read_open(path, &why);
    struct json_place place;
    char *text;
    size_t len, bom;
    enum rc rc;

    *out = NULL;
    if (fd < 0)
        return err_set(e, ERR_INVALID_REQUEST, "cannot be opened: %s", why);
    text = arena_alloc(a, max_len + 1);
    rc = read_all(fd, text, max_len, &len, e);
    (void)close(fd);
    if (rc)
        return rc;
    bom = utf8_bom_length(text, len); /* RFC 8259 §8.1: a parser may pass over it */
    text += bom;
    len -= bom;
    return json_parse_at(a, text, len, out, &place, e) ? explain(text, len, &place, e) : OK;
}

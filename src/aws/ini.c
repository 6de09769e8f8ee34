/* Private part of profile.h: the format of AWS's shared files: [section], key = value, comments,
 * lines that go on, and keys nested in a key without a value. */
#include <ctype.h>
#include <string.h>

#include "aws/profile.h"
#include "base/buf.h"
#include "base/utf8.h"

#define KEY_MAX 128 /* bytes; AWS's longest has about 40 */

struct reader {
    struct arena *arena;
    const char *file;
    unsigned line_number;
    const char *section, *key; /* those that the next line belongs to; NULL: none yet */
    struct aws_ini_line *last;
    struct aws_ini *out;
};

static char *trim(char *s) {
    char *end = s + strlen(s);

    while (isspace((unsigned char)*s))
        s++;
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = 0;
    return s;
}

static void add(struct reader *r, const char *key, const char *value) {
    struct aws_ini_line *line = arena_alloc(r->arena, sizeof *line);

    *line = (struct aws_ini_line){r->section, key, value, NULL};
    if (r->last)
        r->last->next = line;
    else
        r->out->first = line;
    r->last = line;
}

static enum rc wrong(const struct reader *r, const char *why, struct err *e) {
    return err_set(e, ERR_MISCONFIGURED, "%s, line %u: %s", r->file, r->line_number, why);
}

/* [profile  "my work"] and [profile my work] are one. */
static enum rc open_section(struct reader *r, char *line, struct err *e) {
    char *end = strchr(line, ']');
    struct buf name;

    if (!end)
        return wrong(r, "a section begins with [ but has no ]", e);
    *end = 0;
    buf_init(&name, r->arena, AWS_FILE_MAX);
    for (const char *p = trim(line + 1); *p; p++) {
        if (*p == '"' || *p == '\'')
            continue;
        if (!isspace((unsigned char)*p))
            buf_addc(&name, *p);
        else if (name.len && name.p[name.len - 1] != ' ')
            buf_addc(&name, ' ');
    }
    r->section = name.p;
    r->key = NULL;
    add(r, "", "");
    return OK;
}

/* A comment at the end of a line has white space before it; a # within a secret has none. */
static void cut_comment(char *value) {
    for (char *p = value; *p; p++)
        if ((*p == '#' || *p == ';') && (p == value || isspace((unsigned char)p[-1]))) {
            *p = 0;
            return;
        }
}

static enum rc read_property(struct reader *r, char *line, const char *parent, struct err *e) {
    char *equals = strchr(line, '='), *key;

    if (!equals)
        return wrong(r, "neither [section] nor key = value", e);
    *equals = 0;
    key = trim(line);
    for (char *p = key; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (strlen(key) > KEY_MAX)
        return wrong(r, "a key is too long", e);
    if (!*key)
        return wrong(r, "a value without a key", e);
    cut_comment(equals + 1);
    if (parent)
        key = arena_printf(r->arena, "%s.%s", parent, key);
    else
        r->key = key;
    add(r, key, trim(equals + 1));
    return OK;
}

/* An indented line is nested in a key that has no value, or goes on with the value above. Nothing
 * that is read here has more than one line, so what goes on is left out. */
static enum rc read_indented(struct reader *r, char *line, struct err *e) {
    const struct aws_ini_line *above = r->last;

    if (!r->key)
        return wrong(r, "indented, but not below a key", e);
    if (above->key != r->key || !*above->value)
        return read_property(r, line, r->key, e);
    return OK;
}

static enum rc read_line(struct reader *r, char *line, struct err *e) {
    bool indented = isspace((unsigned char)*line);
    char *text = trim(line);

    if (!*text || *text == '#' || *text == ';')
        return OK;
    if (*text == '[' && !indented)
        return open_section(r, text, e);
    if (!r->section)
        return wrong(r, "before the first [section]", e);
    return indented ? read_indented(r, text, e) : read_property(r, text, NULL, e);
}

enum rc aws_ini_parse(struct arena *a, const char *file, char *text, struct aws_ini *out,
                      struct err *e) {
    struct reader r = {.arena = a, .file = file, .out = out};
    char *line;

    out->first = NULL;
    text += utf8_bom_length(text, strlen(text));
    while ((line = strsep(&text, "\n"))) {
        r.line_number++;
        if (read_line(&r, line, e))
            return e->code;
    }
    return OK;
}

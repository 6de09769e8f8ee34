#include "web/form.h"

#include "base/url.h"
#include "base/utf8.h"

static bool is_utf8(const char *s) {
    size_t len = strlen(s);

    return utf8_valid_length(s, len) == len;
}

static enum rc form_add(struct arena *a, const char *pair, size_t len, struct form *out,
                        struct err *e) {
    const char *eq = memchr(pair, '=', len);
    size_t name_len = eq ? (size_t)(eq - pair) : len;
    const char *name = url_decode(a, pair, name_len, true);
    const char *value = eq ? url_decode(a, eq + 1, len - name_len - 1, true) : "";
    bool repeated = false;

    if (!name || !value)
        return err_set(e, ERR_INVALID_REQUEST, "a parameter is not properly percent-encoded");
    if (!is_utf8(name) || !is_utf8(value)) /* RFC 6749 appendix B */
        return err_set(e, ERR_INVALID_REQUEST, "a parameter is not UTF-8");

    for (size_t i = 0; i < out->count && !repeated; i++)
        repeated = !strcmp(out->fields[i].name, name);
    if (out->count == FORM_FIELDS_MAX)
        return err_set(e, ERR_INVALID_REQUEST, "there are more than %d parameters",
                       FORM_FIELDS_MAX);
    out->fields[out->count++] = (struct form_field){name, value, repeated};
    return OK;
}

enum rc form_check_repeated(const struct form *f, const char *name, struct err *e) {
    for (size_t i = 0; i < f->count; i++)
        if (f->fields[i].repeated && (!name || !strcmp(f->fields[i].name, name)))
            return err_set(e, ERR_INVALID_REQUEST, "a parameter is given more than once");
    return OK;
}

enum rc form_check_repeated_but(const struct form *f, const char *except, struct err *e) {
    for (size_t i = 0; i < f->count; i++)
        if (f->fields[i].repeated && strcmp(f->fields[i].name, except) != 0)
            return err_set(e, ERR_INVALID_REQUEST, "a parameter is given more than once");
    return OK;
}

enum rc form_read(struct arena *a, const char *text, size_t len, struct form *out, struct err *e) {
    out->count = 0;
    while (len) {
        const char *amp = memchr(text, '&', len);
        size_t n = amp ? (size_t)(amp - text) : len;

        if (n && form_add(a, text, n, out, e))
            return e->code;
        text += n;
        len -= n;
        if (amp) {
            text++;
            len--;
        }
    }
    return OK;
}

enum rc form_parse(struct arena *a, const char *text, size_t len, struct form *out, struct err *e) {
    return form_read(a, text, len, out, e) ? e->code : form_check_repeated(out, NULL, e);
}

const char *form_get(const struct form *f, const char *name) {
    for (size_t i = 0; i < f->count; i++)
        if (!strcmp(f->fields[i].name, name))
            return *f->fields[i].value ? f->fields[i].value : NULL;
    return NULL;
}

/* Private part of json.h: from values to text, in one allocation of the right size: answers can be
 * large. */
#include <inttypes.h>

#include "base/base.h"
#include "base/json.h"
#include "base/json_lib.h"

/* Counts first, then writes. */
struct writer {
    char *p; /* NULL: only counting */
    size_t len;
};

static void put(struct writer *w, const char *s, size_t len) {
    if (w->p)
        memcpy(w->p + w->len, s, len);
    w->len += len;
}

/* What has to be escaped at s (RFC 8259 §7), and what some readers take for the end of a line:
 * Python's str.splitlines does, and clients split events by it. Returns its length, or 0. */
static size_t special(const unsigned char *s, size_t len) {
    if (*s < ' ' || *s == '"' || *s == '\\')
        return 1;
    if (*s < 0xc2)
        return 0;
    if (len >= 2 && !memcmp(s, "\xc2\x85", 2)) /* U+0085 */
        return 2;
    if (len >= 3 && !memcmp(s, "\xe2\x80", 2) && (s[2] | 1) == 0xa9) /* U+2028, U+2029 */
        return 3;
    return 0;
}

static void put_special(struct writer *w, const unsigned char *s, size_t n) {
    static const char hex[] = "0123456789abcdef", plain[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
    const char *at = n == 1 && *s ? strchr(meant, (char)*s) : NULL;
    char escape[6] = {'\\', 'u', '0', '0', hex[*s >> 4], hex[*s & 15]};

    if (at) {
        escape[1] = plain[at - meant];
        put(w, escape, 2);
        return;
    }
    if (n == 3)
        memcpy(escape + 2, s[2] == 0xa8 ? "2028" : "2029", 4);
    else if (n == 2)
        memcpy(escape + 2, "0085", 4);
    put(w, escape, 6);
}

static void put_string(struct writer *w, const char *string, size_t len) {
    const unsigned char *s = (const unsigned char *)string;
    size_t from = 0, n;

    put(w, "\"", 1);
    for (size_t i = 0; i < len;) {
        n = special(s + i, len - i);
        if (!n) {
            i++;
            continue;
        }
        put(w, string + from, i - from);
        put_special(w, s + i, n);
        from = i += n;
    }
    put(w, string + from, len - from);
    put(w, "\"", 1);
}

/* What is no plain integer has its text with it (json_parse.c). json-c's own text of a number would
 * stay with each of them. */
static void put_number(struct writer *w, const struct json *v) {
    const char *text = json_object_is_type(json_unwrap(v), json_type_double)
                           ? json_object_get_userdata(json_unwrap(v))
                           : NULL;
    char digits[sizeof "-18446744073709551615"];
    struct json_number n;

    if (!text && json_number(v, &n)) {
        (void)snprintf(digits, sizeof digits, "%s%" PRIu64, n.negative ? "-" : "", n.magnitude);
        text = digits;
    }
    put(w, text, strlen(text));
}

static void put_value(struct writer *w, const struct json *v);

static void put_object(struct writer *w, const struct json *v) {
    struct json_member m;

    put(w, "{", 1);
    for (bool more = json_first(v, &m); more;) {
        put_string(w, m.key, strlen(m.key));
        put(w, ":", 1);
        put_value(w, m.value);
        more = json_next(&m);
        if (more)
            put(w, ",", 1);
    }
    put(w, "}", 1);
}

static void put_array(struct writer *w, const struct json *v) {
    put(w, "[", 1);
    for (size_t i = 0; i < json_len(v); i++) {
        if (i)
            put(w, ",", 1);
        put_value(w, json_at(v, i));
    }
    put(w, "]", 1);
}

static void put_value(struct writer *w, const struct json *v) {
    const char *s;
    size_t len;

    switch (json_kind(v)) {
    case JSON_NULL:
        put(w, "null", 4);
        break;
    case JSON_BOOLEAN:
        put(w, json_is_true(v) ? "true" : "false", json_is_true(v) ? 4 : 5);
        break;
    case JSON_OBJECT:
        put_object(w, v);
        break;
    case JSON_ARRAY:
        put_array(w, v);
        break;
    case JSON_NUMBER:
        put_number(w, v);
        break;
    case JSON_STRING:
        s = json_strn(v, &len);
        put_string(w, s, len);
        break;
    }
}

size_t json_text_len(const struct json *v) {
    struct writer w = {0};

    put_value(&w, v);
    return w.len;
}

const char *json_text(struct arena *a, const struct json *v, size_t *len) {
    size_t n = json_text_len(v);
    struct writer w = {.p = arena_alloc(a, n + 1)};

    put_value(&w, v);
    if (len)
        *len = n;
    return w.p;
}

/* Private part of json.h: from values to text, in one allocation of the right size: answers can be
 * large. */
#include "base/decimal.h"
#include "base/json.h"
#include "base/json_value.h"

/* Counts first, then writes. */
struct writer {
    char *p; /* NULL: only counting */
    size_t len;
    bool has_escapes;    /* as far as it was counted */
    struct arena *arena; /* of the canonical form: where members are sorted; or NULL */
};

static void put(struct writer *w, const char *s, size_t len) {
    if (w->p)
        memcpy(w->p + w->len, s, len);
    w->len += len;
}

/* What ASCII is escaped to (RFC 8259 §7): how many bytes, and the letter if it is two. */
static const struct {
    unsigned char len;
    char letter;
} escapes[128] = {
    [0 ... 7] = {6, 0}, ['\b'] = {2, 'b'},  ['\t'] = {2, 't'}, ['\n'] = {2, 'n'},
    [11] = {6, 0},      ['\f'] = {2, 'f'},  ['\r'] = {2, 'r'}, [14 ... 31] = {6, 0},
    ['"'] = {2, '"'},   ['\\'] = {2, '\\'},
};

#define IS_ASCII(c) ((unsigned char)(c) < sizeof escapes / sizeof *escapes)
#define UNICODE_ESCAPE_LEN 6U

/* The length of what is at s if some readers take it for the end of a line: Python's str.splitlines
 * does, and clients split events by it. 0: it is none. */
static size_t line_end_len(const char *s, size_t len) {
    if (len >= 2 && !memcmp(s, "\xc2\x85", 2)) /* U+0085 */
        return 2;
    if (len >= 3 && !memcmp(s, "\xe2\x80", 2) && (s[2] | 1) == '\xa9') /* U+2028, U+2029 */
        return 3;
    return 0;
}

static void count_string(struct writer *w, const char *s, size_t len) {
    size_t n = len + 2;

    for (size_t i = 0; (i += json_plain(s + i, len - i, true)) < len; i++) {
        if (IS_ASCII(s[i]))
            n += escapes[(unsigned char)s[i]].len - 1U;
        else if (line_end_len(s + i, len - i))
            n += UNICODE_ESCAPE_LEN - line_end_len(s + i, len - i);
    }
    w->has_escapes = w->has_escapes || n > len + 2;
    w->len += n;
}

/* Writes what begins at s, which is not plain, as an escape if it has to be one. Returns how many
 * bytes that was, and moves *out behind what was written. */
static size_t put_escape(char **out, const char *s, size_t len, bool canonical) {
    static const char hex[] = "0123456789abcdef";
    const unsigned char c = (unsigned char)*s;
    const size_t line_end = IS_ASCII(c) || canonical ? 0 : line_end_len(s, len);

    if (line_end) {
        memcpy(*out,
               line_end == 2    ? "\\u0085"
               : s[2] == '\xa8' ? "\\u2028"
                                : "\\u2029",
               UNICODE_ESCAPE_LEN);
        *out += UNICODE_ESCAPE_LEN;
        return line_end;
    }
    if (!IS_ASCII(c)) {
        *(*out)++ = *s;
    } else if (escapes[c].letter) {
        *(*out)++ = '\\';
        *(*out)++ = escapes[c].letter;
    } else {
        memcpy(*out, "\\u00", 4);
        (*out)[4] = hex[c >> 4];
        (*out)[5] = hex[c & 15];
        *out += UNICODE_ESCAPE_LEN;
    }
    return 1;
}

static void put_string(struct writer *w, const char *s, size_t len) {
    char *out;

    if (!w->p) {
        count_string(w, s, len);
        return;
    }
    out = w->p + w->len;
    *out++ = '"';
    while (len) {
        size_t n = w->has_escapes ? json_plain(s, len, !w->arena) : len;

        if (n)
            out = (char *)memcpy(out, s, n) + n;
        if (n < len)
            n += put_escape(&out, s + n, len - n, w->arena != NULL);
        s += n;
        len -= n;
    }
    *out++ = '"';
    w->len = (size_t)(out - w->p);
}

static void put_number(struct writer *w, const struct json *v) {
    char text[DECIMAL_BYTES];
    const char *digits;

    if (!v->is_plain) { /* as it came in */
        put(w, v->text, v->len);
        return;
    }
    digits = decimal(v->magnitude, text);
    put(w, "-", v->flag);
    put(w, digits, (size_t)(text + sizeof text - 1 - digits));
}

static void put_value(struct writer *w, const struct json *v);

static void put_member(struct writer *w, const struct json_entry *m) {
    put_string(w, m->key, m->key_len);
    put(w, ":", 1);
    put_value(w, m->value);
}

/* The order of RFC 8785 §3.2.3, by units of UTF-16. It is the order of the bytes of UTF-8, but that
 * surrogate pairs (lead bytes from 0xf0) come before U+E000 to U+FFFF (0xee, 0xef). */
static int compare_names(const void *a, const void *b) {
    const struct json_entry *l = *(struct json_entry *const *)a,
                            *r = *(struct json_entry *const *)b;
    const size_t len = l->key_len < r->key_len ? l->key_len : r->key_len;
    size_t i = 0;
    unsigned char x, y;

    while (i < len && l->key[i] == r->key[i])
        i++;
    if (i == len)
        return l->key_len < r->key_len ? -1 : l->key_len > r->key_len;
    x = (unsigned char)l->key[i];
    y = (unsigned char)r->key[i];
    if (x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0))
        return x >= 0xf0 ? -1 : 1;
    return x < y ? -1 : 1;
}

static void put_sorted(struct writer *w, const struct json *v) {
    const uint32_t count = v->members->count;
    struct json_entry **sorted = arena_alloc(w->arena, count * sizeof *sorted);
    uint32_t n = 0;

    for (struct json_entry *m = v->members->first; m; m = m->next)
        sorted[n++] = m;
    qsort(sorted, n, sizeof *sorted, compare_names);
    for (uint32_t i = 0; i < n; i++) {
        put(w, ",", i > 0);
        put_member(w, sorted[i]);
    }
}

static void put_object(struct writer *w, const struct json *v) {
    put(w, "{", 1);
    if (w->arena)
        put_sorted(w, v);
    else
        for (const struct json_entry *m = v->members->first; m; m = m->next) {
            put_member(w, m);
            put(w, ",", m->next != NULL);
        }
    put(w, "}", 1);
}

static void put_array(struct writer *w, const struct json *v) {
    put(w, "[", 1);
    for (uint32_t i = 0; i < v->items->count; i++) {
        put(w, ",", i > 0);
        put_value(w, v->items->values[i]);
    }
    put(w, "]", 1);
}

static void put_value(struct writer *w, const struct json *v) {
    switch (json_kind(v)) {
    case JSON_STRING:
        put_string(w, v->text, v->len);
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
    case JSON_BOOLEAN:
        put(w, v->flag ? "true" : "false", v->flag ? 4 : 5);
        break;
    case JSON_NULL:
        put(w, "null", 4);
    }
}

size_t json_text_len(const struct json *v) {
    struct writer w = {0};

    put_value(&w, v);
    return w.len;
}

static const char *write_text(struct arena *a, const struct json *v, bool canonical, size_t *len) {
    struct writer w = {0};

    put_value(&w, v);
    w.p = arena_alloc(a, w.len + 1); /* the canonical form has fewer escapes, and is no longer */
    w.len = 0;
    w.arena = canonical ? a : NULL;
    put_value(&w, v);
    if (len)
        *len = w.len;
    return w.p;
}

const char *json_canonical(struct arena *a, const struct json *v, size_t *len) {
    return write_text(a, v, true, len);
}

const char *json_text(struct arena *a, const struct json *v, size_t *len) {
    return write_text(a, v, false, len);
}

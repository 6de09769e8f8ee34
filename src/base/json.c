#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"

#define INTEGER_DIGITS_ALWAYS_FIT 18 /* in 64 bits, with a sign */

/* `struct json` is json-c's object under our name; only these two functions know. */
static struct json *wrap(struct json_object *o) {
    return (struct json *)(void *)o;
}

static struct json_object *unwrap(const struct json *v) {
    return (struct json_object *)(void *)(uintptr_t)v;
}

static void release(void *p) {
    (void)json_object_put(p);
}

/* Gives the reference we hold to the arena. json-c returns NULL only when out of memory. */
static struct json *own(struct arena *a, struct json_object *o) {
    if (o)
        arena_defer(a, release, o);
    else
        (void)arena_alloc(a, (size_t)-1 / 2); /* ends the process as the arena does */
    return wrap(o);
}

static void release_tokener(void *p) {
    json_tokener_free(p);
}

static bool only_space(const char *s, size_t len) {
    while (len && (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')) {
        s++;
        len--;
    }
    return len == 0;
}

static size_t digits(const char *s, size_t len) {
    size_t n = 0;

    while (n < len && s[n] >= '0' && s[n] <= '9')
        n++;
    return n;
}

/* The length of the number that s begins with (RFC 8259 §6), or 0. */
static size_t number_length(const char *s, size_t len) {
    size_t i = len && *s == '-', n = digits(s + i, len - i);

    if (!n || (n > 1 && s[i] == '0'))
        return 0;
    i += n;
    if (i < len && s[i] == '.') {
        n = digits(s + i + 1, len - i - 1);
        if (!n)
            return 0;
        i += n + 1;
    }
    if (i < len && (s[i] == 'e' || s[i] == 'E')) {
        size_t sign = i + 1 < len && (s[i + 1] == '+' || s[i + 1] == '-');

        n = digits(s + i + 1 + sign, len - i - 1 - sign);
        if (!n)
            return 0;
        i += n + 1 + sign;
    }
    return i;
}

/* json-c makes an integer beyond 64 bits the nearest one that fits, and says nothing. */
static bool is_too_long_for_json_c(const char *s, size_t len) {
    bool negative = *s == '-';
    uint64_t n = 0, max = negative ? (uint64_t)1 << 63 : UINT64_MAX;

    if (negative + digits(s + negative, len - negative) < len)
        return false; /* a double anyway */
    for (size_t i = negative; i < len; i++) {
        uint64_t digit = (uint64_t)(s[i] - '0');

        if (n > (max - digit) / 10)
            return true;
        n = n * 10 + digit;
    }
    return false;
}

/* The same text, but each such integer with ".0" behind it, which json-c reads as a double and
 * writes as it stands. Only for texts that first_bad_byte has passed. */
static const char *with_long_integers_as_doubles(struct arena *a, const char *s, size_t *len) {
    char *out = arena_alloc(a, *len + *len / 8 + 1), *p = out;
    bool in_string = false;

    for (size_t i = 0; i < *len; i++) {
        size_t n;

        *p++ = s[i];
        if (in_string && s[i] == '\\' && i + 1 < *len)
            *p++ = s[++i];
        else if (s[i] == '"')
            in_string = !in_string;
        else if (!in_string && (n = number_length(s + i, *len - i)) > 0) {
            memcpy(p, s + i + 1, n - 1);
            p += n - 1;
            if (is_too_long_for_json_c(s + i, n)) {
                memcpy(p, ".0", 2);
                p += 2;
            }
            i += n - 1;
        }
    }
    *len = (size_t)(p - out);
    return out;
}

/* json-c is more lenient than RFC 8259 even in strict mode, by version: white space of C, numbers
 * such as 1. or 01, NaN, Infinity, comments. One pass over the text rules all of that out. Returns
 * the offset of the first bad byte, or len. *long_integers: see is_too_long_for_json_c. */
static size_t first_bad_byte(const char *s, size_t len, bool *long_integers) {
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            else if (c < ' ')
                return i;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            size_t n = number_length(s + i, len - i);

            if (!n || (i + n < len && memchr("+-.eE0123456789", s[i + n], 15)))
                return i;
            if (n > INTEGER_DIGITS_ALWAYS_FIT && is_too_long_for_json_c(s + i, n))
                *long_integers = true;
            i += n - 1;
        } else if (!c || !strchr("{}[]:,trufalsen \t\r\n", c)) {
            return i;
        }
    }
    return len;
}

enum rc json_parse(struct arena *a, const char *text, size_t len, struct json **out,
                   struct err *e) {
    struct json_tokener *tok;
    struct json_object *o;
    bool long_integers = false;
    size_t bad = first_bad_byte(text, len, &long_integers), utf8 = utf8_valid_length(text, len),
           end;

    *out = NULL;
    if (bad < len)
        return err_set(e, ERR_INVALID_REQUEST, "not valid JSON at byte %zu", bad);
    if (utf8 < len)
        return err_set(e, ERR_INVALID_REQUEST, "not valid UTF-8 at byte %zu", utf8);
    if (len > INT32_MAX / 2)
        return err_set(e, ERR_INVALID_REQUEST, "the JSON text is too long");
    if (long_integers)
        text = with_long_integers_as_doubles(a, text, &len);
    tok = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (!tok)
        (void)arena_alloc(a, (size_t)-1 / 2);
    arena_defer(a, release_tokener, tok);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
    o = json_tokener_parse_ex(tok, text, (int)len);
    end = json_tokener_get_parse_end(tok);
    if (json_tokener_get_error(tok) == json_tokener_continue) /* a bare number ends with the text */
        o = json_tokener_parse_ex(tok, "", 1);
    if (json_tokener_get_error(tok) == json_tokener_error_depth)
        return err_set(e, ERR_INVALID_REQUEST, "the JSON text is nested deeper than %d levels",
                       JSON_DEPTH_MAX);
    if (json_tokener_get_error(tok) != json_tokener_success || !only_space(text + end, len - end)) {
        if (o)
            (void)json_object_put(o);
        return err_set(e, ERR_INVALID_REQUEST, "not valid JSON at byte %zu", end);
    }
    if (o)
        arena_defer(a, release, o);
    *out = wrap(o);
    return OK;
}

enum rc json_parse_file(struct arena *a, const char *path, size_t max_len, struct json **out,
                        struct err *e) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text;
    size_t len = 0;
    ssize_t n = 0;
    struct stat st;

    *out = NULL;
    if (fd < 0)
        return err_set(e, ERR_INVALID_REQUEST, "cannot be opened: %s", strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return err_set(e, ERR_INVALID_REQUEST, "is not a regular file");
    }
    text = arena_alloc(a, max_len + 1);
    while (len <= max_len && (n = read(fd, text + len, max_len + 1 - len)) > 0)
        len += (size_t)n;
    (void)close(fd);
    if (n < 0)
        return err_set(e, ERR_INVALID_REQUEST, "cannot be read: %s", strerror(errno));
    if (len > max_len)
        return err_set(e, ERR_INVALID_REQUEST, "is longer than %zu bytes", max_len);
    return json_parse(a, text, len, out, e);
}

bool json_is_object(const struct json *v) {
    return json_object_is_type(unwrap(v), json_type_object);
}

bool json_is_array(const struct json *v) {
    return json_object_is_type(unwrap(v), json_type_array);
}

bool json_is_string(const struct json *v) {
    return json_object_is_type(unwrap(v), json_type_string);
}

bool json_is_number(const struct json *v) {
    return json_object_is_type(unwrap(v), json_type_int) ||
           json_object_is_type(unwrap(v), json_type_double);
}

bool json_is_bool(const struct json *v) {
    return json_object_is_type(unwrap(v), json_type_boolean);
}

enum json_kind json_kind(const struct json *v) {
    switch (json_object_get_type(unwrap(v))) {
    case json_type_null:
        break;
    case json_type_boolean:
        return JSON_BOOLEAN;
    case json_type_double:
    case json_type_int:
        return JSON_NUMBER;
    case json_type_object:
        return JSON_OBJECT;
    case json_type_array:
        return JSON_ARRAY;
    case json_type_string:
        return JSON_STRING;
    }
    return JSON_NULL;
}

bool json_number(const struct json *v, struct json_number *out) {
    double whole;

    *out = (struct json_number){0};
    if (json_object_is_type(unwrap(v), json_type_int)) {
        int64_t n = json_object_get_int64(unwrap(v));

        out->is_integer = true;
        out->negative = n < 0;
        out->magnitude = n < 0 ? 0 - (uint64_t)n : json_object_get_uint64(unwrap(v));
        out->d = out->negative ? -(double)out->magnitude : (double)out->magnitude;
        return true;
    }
    if (!json_object_is_type(unwrap(v), json_type_double))
        return false;
    out->d = json_object_get_double(unwrap(v));
    out->is_integer =
        fabs(out->d) < 0x1p64 && !(modf(out->d, &whole) > 0 || modf(out->d, &whole) < 0);
    if (out->is_integer) {
        out->negative = out->d < 0;
        out->magnitude = (uint64_t)fabs(out->d);
    }
    return true;
}

int json_number_compare(const struct json_number *a, const struct json_number *b) {
    if (a->is_integer && b->is_integer) {
        int by_magnitude = (a->magnitude > b->magnitude) - (a->magnitude < b->magnitude);

        if (a->negative != b->negative)
            return a->negative ? -1 : 1;
        return a->negative ? -by_magnitude : by_magnitude;
    }
    if (a->d > b->d || a->d < b->d)
        return a->d > b->d ? 1 : -1;
    if (a->is_integer == b->is_integer)
        return 0;
    /* Only an integer just below 2^64 is rounded to what is none of 64 bits. */
    return (a->is_integer ? -1 : 1) * (a->d < 0 ? -1 : 1);
}

size_t json_size(const struct json *object) {
    return json_is_object(object) ? (size_t)json_object_object_length(unwrap(object)) : 0;
}

static bool at_member(struct json_member *m, struct lh_entry *entry) {
    *m = (struct json_member){.entry = entry};
    if (!entry)
        return false;
    m->key = lh_entry_k(entry);
    m->value = wrap(lh_entry_v(entry));
    return true;
}

bool json_first(const struct json *object, struct json_member *m) {
    return at_member(
        m, json_is_object(object) ? lh_table_head(json_object_get_object(unwrap(object))) : NULL);
}

bool json_next(struct json_member *m) {
    return at_member(m, lh_entry_next((struct lh_entry *)m->entry));
}

bool json_has(const struct json *object, const char *key) {
    return json_is_object(object) && json_object_object_get_ex(unwrap(object), key, NULL);
}

struct json *json_get(const struct json *object, const char *key) {
    struct json_object *v = NULL;

    if (json_is_object(object))
        (void)json_object_object_get_ex(unwrap(object), key, &v);
    return wrap(v);
}

const char *json_strn(const struct json *v, size_t *len) {
    if (!json_is_string(v))
        return NULL;
    *len = (size_t)json_object_get_string_len(unwrap(v));
    return json_object_get_string(unwrap(v));
}

const char *json_str(const struct json *v) {
    size_t len;
    const char *s = json_strn(v, &len);

    return s && strlen(s) == len ? s : NULL;
}

const char *json_get_str(const struct json *object, const char *key) {
    return json_str(json_get(object, key));
}

bool json_int(const struct json *v, int64_t *out) {
    double d;

    if (json_object_is_type(unwrap(v), json_type_int)) {
        *out = json_object_get_int64(unwrap(v));
        return true;
    }
    if (!json_object_is_type(unwrap(v), json_type_double))
        return false;
    d = json_object_get_double(unwrap(v));
    if (!(d >= -9007199254740991.0 && d <= 9007199254740991.0) || (double)(int64_t)d < d ||
        (double)(int64_t)d > d)
        return false;
    *out = (int64_t)d;
    return true;
}

bool json_get_int(const struct json *object, const char *key, int64_t *out) {
    return json_int(json_get(object, key), out);
}

bool json_is_true(const struct json *v) {
    return json_is_bool(v) && json_object_get_boolean(unwrap(v));
}

bool json_get_bool(const struct json *object, const char *key) {
    return json_is_true(json_get(object, key));
}

size_t json_len(const struct json *array) {
    return json_is_array(array) ? json_object_array_length(unwrap(array)) : 0;
}

struct json *json_at(const struct json *array, size_t i) {
    return i < json_len(array) ? wrap(json_object_array_get_idx(unwrap(array), i)) : NULL;
}

void json_each(const struct json *object, bool (*fn)(const char *key, struct json *v, void *arg),
               void *arg) {
    if (!json_is_object(object))
        return;
    json_object_object_foreach(unwrap(object), key, v) {
        if (!fn(key, wrap(v), arg))
            return;
    }
}

struct json *json_new_object(struct arena *a) {
    return own(a, json_object_new_object());
}

struct json *json_new_array(struct arena *a) {
    return own(a, json_object_new_array());
}

struct json *json_new_stringn(struct arena *a, const char *s, size_t len) {
    return own(a, json_object_new_string_len(s, (int)len));
}

struct json *json_new_string(struct arena *a, const char *s) {
    return json_new_stringn(a, s, strlen(s));
}

void json_put(struct json *object, const char *key, struct json *v) {
    (void)json_object_object_add(unwrap(object), key, json_object_get(unwrap(v)));
}

void json_put_str(struct json *object, const char *key, const char *s) {
    if (s)
        (void)json_object_object_add(unwrap(object), key, json_object_new_string(s));
}

void json_put_int(struct json *object, const char *key, int64_t n) {
    (void)json_object_object_add(unwrap(object), key, json_object_new_int64(n));
}

void json_put_bool(struct json *object, const char *key, bool b) {
    (void)json_object_object_add(unwrap(object), key, json_object_new_boolean(b));
}

void json_del(struct json *object, const char *key) {
    json_object_object_del(unwrap(object), key);
}

void json_add(struct json *array, struct json *v) {
    (void)json_object_array_add(unwrap(array), json_object_get(unwrap(v)));
}

void json_add_str(struct json *array, const char *s) {
    (void)json_object_array_add(unwrap(array), json_object_new_string(s));
}

struct json *json_clone(struct arena *a, const struct json *v) {
    struct json_object *copy = NULL;

    if (v && json_object_deep_copy(unwrap(v), &copy, NULL))
        (void)arena_alloc(a, (size_t)-1 / 2);
    return v ? own(a, copy) : NULL;
}

const char *json_text(struct arena *a, const struct json *v, size_t *len) {
    size_t n;
    const char *s = json_object_to_json_string_length(
        unwrap(v), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);

    if (!s)
        (void)arena_alloc(a, (size_t)-1 / 2);
    if (len)
        *len = n;
    return arena_strndup(a, s, n);
}

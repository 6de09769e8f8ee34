#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_check.h"

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

static enum rc explain(enum json_fault fault, size_t at, struct err *e) {
    switch (fault) {
    case JSON_TOO_DEEP:
        return err_set(e, ERR_INVALID_REQUEST, "the JSON text is nested deeper than %d levels",
                       JSON_DEPTH_MAX);
    case JSON_NOT_UTF8:
        return err_set(e, ERR_INVALID_REQUEST, "not valid UTF-8 at byte %zu", at);
    default:
        return err_set(e, ERR_INVALID_REQUEST, "not valid JSON at byte %zu", at);
    }
}

/* Of all objects in it; the depth is limited. */
static size_t count_members(struct json_object *o) {
    size_t n = 0;

    if (json_object_is_type(o, json_type_object)) {
        n = (size_t)json_object_object_length(o);
        json_object_object_foreach(o, key, v) {
            (void)key;
            n += count_members(v);
        }
    } else if (json_object_is_type(o, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(o); i++)
            n += count_members(json_object_array_get_idx(o, i));
    }
    return n;
}

/* The text is checked before: json-c only builds. Its own strict mode is not used, because that of
 * 0.18 refuses every byte above 127. */
enum rc json_parse(struct arena *a, const char *text, size_t len, struct json **out,
                   struct err *e) {
    struct json_tokener *tok;
    struct json_object *o;
    struct json_census census;
    enum json_fault fault;

    *out = NULL;
    if (len > INT32_MAX / 2)
        return err_set(e, ERR_INVALID_REQUEST, "the JSON text is too long");
    fault = json_check(text, len, &census);
    if (fault)
        return explain(fault, census.at, e);
    if (census.long_integers)
        text = json_widen(a, text, &len);
    tok = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
    if (!tok)
        (void)arena_alloc(a, (size_t)-1 / 2);
    arena_defer(a, release_tokener, tok);
    o = json_tokener_parse_ex(tok, text, (int)len);
    if (json_tokener_get_error(tok) == json_tokener_continue) /* a bare number ends with the text */
        o = json_tokener_parse_ex(tok, "", 1);
    if (json_tokener_get_error(tok) != json_tokener_success)
        return err_set(e, ERR_INVALID_REQUEST, "not valid JSON: %s",
                       json_tokener_error_desc(json_tokener_get_error(tok)));
    if (o)
        arena_defer(a, release, o);
    /* The library keeps the last of two members of one name, others the first: whoever looks into
     * a message before us must not see another one (RFC 8259 §4: names SHOULD be unique). */
    if (count_members(o) != census.members)
        return err_set(e, ERR_INVALID_REQUEST, "not valid JSON: an object has a name twice");
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

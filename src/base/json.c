#include "base/json.h"

#include <math.h>

#include "base/json_lib.h"

enum json_kind json_kind(const struct json *v) {
    static const enum json_kind kinds[] = {
        [json_type_null] = JSON_NULL,     [json_type_boolean] = JSON_BOOLEAN,
        [json_type_double] = JSON_NUMBER, [json_type_int] = JSON_NUMBER,
        [json_type_object] = JSON_OBJECT, [json_type_array] = JSON_ARRAY,
        [json_type_string] = JSON_STRING};

    return kinds[json_object_get_type(json_unwrap(v))];
}

bool json_number(const struct json *v, struct json_number *out) {
    double whole;

    *out = (struct json_number){0};
    if (json_object_is_type(json_unwrap(v), json_type_int)) {
        int64_t n = json_object_get_int64(json_unwrap(v));

        out->is_integer = true;
        out->negative = n < 0;
        out->magnitude = n < 0 ? 0 - (uint64_t)n : json_object_get_uint64(json_unwrap(v));
        out->d = out->negative ? -(double)out->magnitude : (double)out->magnitude;
        return true;
    }
    if (!json_object_is_type(json_unwrap(v), json_type_double))
        return false;
    out->d = json_object_get_double(json_unwrap(v));
    out->is_integer =
        fabs(out->d) < 0x1p64 && !(modf(out->d, &whole) > 0 || modf(out->d, &whole) < 0);
    if (out->is_integer) {
        out->negative = out->d < 0;
        out->magnitude = (uint64_t)fabs(out->d);
    }
    return true;
}

static int compare_integers(const struct json_number *a, const struct json_number *b) {
    int by_magnitude = (a->magnitude > b->magnitude) - (a->magnitude < b->magnitude);

    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? -by_magnitude : by_magnitude;
}

int json_number_compare(const struct json_number *a, const struct json_number *b) {
    if (a->is_integer && b->is_integer)
        return compare_integers(a, b);
    if (a->d > b->d || a->d < b->d)
        return a->d > b->d ? 1 : -1;
    if (a->is_integer == b->is_integer)
        return 0;
    /* Only an integer just below 2^64 is rounded to what is none of 64 bits. */
    return (a->is_integer ? -1 : 1) * (a->d < 0 ? -1 : 1);
}

size_t json_size(const struct json *object) {
    return json_is_object(object) ? (size_t)json_object_object_length(json_unwrap(object)) : 0;
}

static bool at_member(struct json_member *m, struct lh_entry *entry) {
    *m = (struct json_member){.entry = entry};
    if (!entry)
        return false;
    m->key = lh_entry_k(entry);
    m->value = json_wrap(lh_entry_v(entry));
    return true;
}

bool json_first(const struct json *object, struct json_member *m) {
    return at_member(m, json_is_object(object)
                            ? lh_table_head(json_object_get_object(json_unwrap(object)))
                            : NULL);
}

bool json_next(struct json_member *m) {
    return at_member(m, lh_entry_next((struct lh_entry *)m->entry));
}

bool json_has(const struct json *object, const char *key) {
    return json_is_object(object) && json_object_object_get_ex(json_unwrap(object), key, NULL);
}

struct json *json_get(const struct json *object, const char *key) {
    struct json_object *v = NULL;

    if (json_is_object(object))
        (void)json_object_object_get_ex(json_unwrap(object), key, &v);
    return json_wrap(v);
}

const char *json_strn(const struct json *v, size_t *len) {
    if (!json_is_string(v))
        return NULL;
    *len = (size_t)json_object_get_string_len(json_unwrap(v));
    return json_object_get_string(json_unwrap(v));
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
    struct json_number n;

    if (json_object_is_type(json_unwrap(v), json_type_int)) {
        *out = json_object_get_int64(json_unwrap(v));
        return true;
    }
    if (!json_number(v, &n) || !n.is_integer || n.magnitude >= (uint64_t)1 << 53)
        return false;
    *out = n.negative ? -(int64_t)n.magnitude : (int64_t)n.magnitude;
    return true;
}

bool json_get_int(const struct json *object, const char *key, int64_t *out) {
    return json_int(json_get(object, key), out);
}

bool json_is_true(const struct json *v) {
    return json_is_bool(v) && json_object_get_boolean(json_unwrap(v));
}

bool json_get_bool(const struct json *object, const char *key) {
    return json_is_true(json_get(object, key));
}

size_t json_len(const struct json *array) {
    return json_is_array(array) ? json_object_array_length(json_unwrap(array)) : 0;
}

struct json *json_at(const struct json *array, size_t i) {
    return i < json_len(array) ? json_wrap(json_object_array_get_idx(json_unwrap(array), i)) : NULL;
}

struct json *json_new_object(struct arena *a) {
    return json_own(a, json_object_new_object());
}

struct json *json_new_array(struct arena *a) {
    return json_own(a, json_object_new_array());
}

struct json *json_new_stringn(struct arena *a, const char *s, size_t len) {
    return json_own(a, json_object_new_string_len(s, (int)len));
}

struct json *json_new_string(struct arena *a, const char *s) {
    return json_new_stringn(a, s, strlen(s));
}

void json_put(struct json *object, const char *key, struct json *v) {
    (void)json_object_object_add(json_unwrap(object), key, json_object_get(json_unwrap(v)));
}

void json_put_str(struct json *object, const char *key, const char *s) {
    if (s)
        (void)json_object_object_add(json_unwrap(object), key, json_object_new_string(s));
}

void json_put_int(struct json *object, const char *key, int64_t n) {
    (void)json_object_object_add(json_unwrap(object), key, json_object_new_int64(n));
}

void json_put_bool(struct json *object, const char *key, bool b) {
    (void)json_object_object_add(json_unwrap(object), key, json_object_new_boolean(b));
}

void json_del(struct json *object, const char *key) {
    json_object_object_del(json_unwrap(object), key);
}

void json_add(struct json *array, struct json *v) {
    (void)json_object_array_add(json_unwrap(array), json_object_get(json_unwrap(v)));
}

void json_add_str(struct json *array, const char *s) {
    (void)json_object_array_add(json_unwrap(array), json_object_new_string(s));
}

void json_put_words(struct arena *a, struct json *object, const char *key, const char *words) {
    struct json *array = json_new_array(a);
    char *copy = arena_strdup(a, words), *save = NULL;

    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        json_add_str(array, w);
    json_put(object, key, array);
}

struct json *json_clone(struct arena *a, const struct json *v) {
    struct json_object *copy = NULL;

    if (v && json_object_deep_copy(json_unwrap(v), &copy, NULL))
        out_of_memory("json", 0);
    return v ? json_own(a, copy) : NULL;
}

/* Private part of check.h: types, equality and hashes of JSON values. */
#include <string.h>

#include "jsonschema/check.h"

#define BYTES_PER_STEP 64

unsigned value_type(const struct json *v) {
    static const unsigned types[] = {
        [JSON_NULL] = TYPE_NULL,   [JSON_BOOLEAN] = TYPE_BOOLEAN, [JSON_OBJECT] = TYPE_OBJECT,
        [JSON_ARRAY] = TYPE_ARRAY, [JSON_NUMBER] = TYPE_NUMBER,   [JSON_STRING] = TYPE_STRING};

    return types[json_kind(v)];
}

static bool strings_equal(struct check *c, const struct json *a, const struct json *b) {
    size_t len, other_len;
    const char *s = json_strn(a, &len), *other = json_strn(b, &other_len);

    return len == other_len && check_steps(c, len / BYTES_PER_STEP) && !memcmp(s, other, len);
}

static bool numbers_equal(const struct json *a, const struct json *b) {
    struct json_number m, n;

    return json_number(a, &m) && json_number(b, &n) && json_number_compare(&m, &n) == 0;
}

static bool arrays_equal(struct check *c, const struct json *a, const struct json *b) {
    size_t n = json_len(a);

    if (n != json_len(b))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!values_equal(c, json_at(a, i), json_at(b, i)))
            return false;
    return true;
}

static bool objects_equal(struct check *c, const struct json *a, const struct json *b) {
    struct json_member m;

    if (json_size(a) != json_size(b))
        return false;
    for (bool more = json_first(a, &m); more; more = json_next(&m))
        if (!json_has(b, m.key) || !values_equal(c, m.value, json_get(b, m.key)))
            return false;
    return true;
}

bool values_equal(struct check *c, const struct json *a, const struct json *b) {
    enum json_kind kind = json_kind(a);

    if (!check_steps(c, 1) || kind != json_kind(b))
        return false;
    switch (kind) {
    case JSON_NULL:
        break;
    case JSON_BOOLEAN:
        return json_is_true(a) == json_is_true(b);
    case JSON_OBJECT:
        return objects_equal(c, a, b);
    case JSON_ARRAY:
        return arrays_equal(c, a, b);
    case JSON_NUMBER:
        return numbers_equal(a, b);
    case JSON_STRING:
        return strings_equal(c, a, b);
    }
    return true;
}

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9e3779b97f4a7c15U;
    return h ^ h >> 29;
}

static uint64_t bytes_hash(struct check *c, uint64_t h, const char *s, size_t len) {
    if (!check_steps(c, len / BYTES_PER_STEP))
        return 0;
    for (; len >= 8; s += 8, len -= 8) {
        uint64_t eight;

        memcpy(&eight, s, sizeof eight);
        h = mix(h, eight);
    }
    for (; len; len--)
        h = mix(h, (unsigned char)*s++);
    return h;
}

static uint64_t number_hash(const struct json *v) {
    struct json_number n;
    uint64_t bits;

    (void)json_number(v, &n);
    if (n.is_integer)
        return mix(3, n.negative ? ~n.magnitude : n.magnitude);
    memcpy(&bits, &n.d, sizeof bits);
    return mix(4, bits);
}

uint64_t value_hash(struct check *c, const struct json *v) {
    struct json_member m;
    uint64_t h = 0;
    size_t len;
    const char *s;

    if (!check_steps(c, 1))
        return 0;
    switch (json_kind(v)) {
    case JSON_NULL:
        break;
    case JSON_BOOLEAN:
        return json_is_true(v) ? mix(1, 1) : mix(1, 2);
    case JSON_OBJECT:
        for (bool more = json_first(v, &m); more; more = json_next(&m))
            h += mix(bytes_hash(c, 5, m.key, strlen(m.key)), value_hash(c, m.value));
        return mix(6, h);
    case JSON_ARRAY:
        for (size_t i = 0; i < json_len(v); i++)
            h = mix(h, value_hash(c, json_at(v, i)));
        return mix(7, h);
    case JSON_NUMBER:
        return number_hash(v);
    case JSON_STRING:
        s = json_strn(v, &len);
        return bytes_hash(c, mix(8, len), s, len);
    }
    return mix(9, 0);
}

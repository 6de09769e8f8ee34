/* Private part of check.h: keywords that assert something of one value (Validation §6). */
#include <math.h>

#include "jsonschema/check.h"
#include "jsonschema/pattern.h"

#define SHOWN_MAX 160 /* bytes of the values that an error lists */
#define BYTES_PER_STEP 64

/* ---- equality and hashes of JSON values (Core §4.2.2): numbers by what they are worth, objects
 * whatever the order of their members. Each takes steps; a check that has stopped gives false and
 * 0. ---- */

static bool values_equal(struct check *c, const struct json *a, const struct json *b);

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
    if (json_size(a) != json_size(b))
        return false;
    for (struct json_member m = json_first(a); m.key; json_next(&m))
        if (!json_has(b, m.key) || !values_equal(c, m.value, json_get(b, m.key)))
            return false;
    return true;
}

static bool values_equal(struct check *c, const struct json *a, const struct json *b) {
    enum json_kind kind = json_kind(a);
    struct json_number m, n;
    struct text s, other;

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
        return json_number(a, &m) && json_number(b, &n) && json_number_compare(&m, &n) == 0;
    case JSON_STRING:
        s.p = json_strn(a, &s.len);
        other.p = json_strn(b, &other.len);
        return s.len == other.len && check_steps(c, s.len / BYTES_PER_STEP) &&
               !memcmp(s.p, other.p, s.len);
    }
    return true;
}

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9e3779b97f4a7c15U;
    return h ^ h >> 29;
}

static uint64_t bytes_hash(struct check *c, uint64_t h, const char *s, size_t len) {
    return check_steps(c, len / BYTES_PER_STEP) ? fnv_add(h, s, len) : 0;
}

static uint64_t value_hash(struct check *c, const struct json *v) {
    struct json_number n;
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
        for (struct json_member m = json_first(v); m.key; json_next(&m))
            h += mix(bytes_hash(c, 5, m.key, strlen(m.key)), value_hash(c, m.value));
        return mix(6, h);
    case JSON_ARRAY:
        for (size_t i = 0; i < json_len(v); i++)
            h = mix(h, value_hash(c, json_at(v, i)));
        return mix(7, h);
    case JSON_NUMBER:
        (void)json_number(v, &n);
        memcpy(&h, &n.d, sizeof h);
        return n.is_integer ? mix(3, n.negative ? ~n.magnitude : n.magnitude) : mix(4, h);
    case JSON_STRING:
        s = json_strn(v, &len);
        return bytes_hash(c, mix(8, len), s, len);
    }
    return mix(9, 0);
}

/* ---- the keywords ---- */

const char *const type_names[] = {"null",     "a boolean", "an object",  "an array",
                                  "a number", "a string",  "an integer", NULL};

void name_types(unsigned types, char out[TYPE_NAMES_MAX]) {
    size_t len = 0;

    *out = 0;
    for (size_t i = 0; type_names[i]; i++)
        if (types & 1U << i)
            len += (size_t)snprintf(out + len, TYPE_NAMES_MAX - len, "%s%s", len ? " or " : "",
                                    type_names[i]);
}

bool check_type(struct check *c, const struct keyword *k, const struct instance *at) {
    struct json_number n;
    unsigned type = at->type;
    char names[TYPE_NAMES_MAX];

    if (json_number(at->value, &n)) {
        if (n.is_integer || floor(n.d) >= n.d)
            type |= TYPE_INTEGER;
        if (isinf(n.d))
            type = 0; /* 1e400: no number that anybody could compute with */
    }
    if (k->types & type)
        return true;
    name_types(k->types, names);
    return check_fail(c, k, at, "must be %s", names);
}

/* The value or the values of the schema are shown if their text is short enough. */
static bool fail_value(struct check *c, const struct keyword *k, const struct instance *at,
                       const char *before, const char *otherwise) {
    const char *text;
    size_t len;

    if (c->quiet || c->stopped)
        return false;
    text = json_text(c->scratch, k->value, &len);
    return len <= SHOWN_MAX ? check_fail(c, k, at, "must be %s%s", before, text)
                            : check_fail(c, k, at, "must be %s", otherwise);
}

bool check_const(struct check *c, const struct keyword *k, const struct instance *at) {
    return values_equal(c, k->value, at->value) ||
           fail_value(c, k, at, "", "the one value that the schema names");
}

bool check_enum(struct check *c, const struct keyword *k, const struct instance *at) {
    for (size_t i = 0; i < json_len(k->value); i++)
        if (values_equal(c, json_at(k->value, i), at->value))
            return true;
    return fail_value(c, k, at, "one of ", "one of the values that the schema lists");
}

/* Integers exactly; others as doubles divide, which is what JavaScript does with them. */
static bool is_multiple(const struct json_number *n, const struct json_number *of) {
    double quotient;

    if (n->is_integer && of->is_integer)
        return n->magnitude % of->magnitude == 0;
    quotient = n->d / of->d;
    if (isinf(n->d) || isnan(quotient))
        return false;
    if (isinf(quotient))
        return !(fabs(fmod(n->d, of->d)) > 0);
    return !(fabs(quotient - trunc(quotient)) > 0);
}

bool check_multiple_of(struct check *c, const struct keyword *k, const struct instance *at) {
    struct json_number n;

    if (json_number(at->value, &n) && is_multiple(&n, &k->number))
        return true;
    return check_fail(c, k, at, "must be a multiple of %.17g", k->number.d);
}

bool check_bound(struct check *c, const struct keyword *k, const struct instance *at) {
    struct json_number n;
    int order;

    (void)json_number(at->value, &n);
    order = json_number_compare(&n, &k->number);
    const struct {
        const char *keyword;
        bool holds;
        const char *text;
    } bounds[] = {{"maximum", order <= 0, "at most"},
                  {"exclusiveMaximum", order < 0, "less than"},
                  {"minimum", order >= 0, "at least"},
                  {"exclusiveMinimum", order > 0, "more than"}};
    size_t i = 0;

    while (strcmp(bounds[i].keyword, k->kind->name) != 0)
        i++;
    return bounds[i].holds || check_fail(c, k, at, "must be %s %.17g", bounds[i].text, k->number.d);
}

/* RFC 8259 §7 characters, not bytes: what does not continue one begins one. */
static uint64_t character_count(struct check *c, const struct json *string) {
    uint64_t n = 0;
    size_t len;
    const char *text = json_strn(string, &len);

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    (void)check_steps(c, len / BYTES_PER_STEP);
    return n;
}

/* maxLength, minItems and the like. */
bool check_limit(struct check *c, const struct keyword *k, const struct instance *at) {
    bool is_max = !strncmp(k->kind->name, "max", 3), is_one = k->number.magnitude == 1;
    uint64_t n;
    const char *what;

    if (at->type == TYPE_STRING) {
        n = character_count(c, at->value);
        what = is_one ? "character" : "characters";
    } else if (at->type == TYPE_ARRAY) {
        n = json_len(at->value);
        what = is_one ? "item" : "items";
    } else {
        n = json_size(at->value);
        what = is_one ? "property" : "properties";
    }
    if (!c->stopped && (is_max ? n <= k->number.magnitude : n >= k->number.magnitude))
        return true;
    return check_fail(c, k, at, "must have at %s %llu %s", is_max ? "most" : "least",
                      (unsigned long long)k->number.magnitude, what);
}

bool check_match(struct check *c, const struct keyword *k, size_t i, const struct instance *at,
                 struct text text) {
    enum pattern_result result = PATTERN_DOES_NOT_MATCH;

    if (check_steps(c, 1 + text.len / BYTES_PER_STEP))
        result = pattern_match(k->patterns[i], text.p, text.len,
                               clock_until_ms(&c->deadline_ms, SCHEMA_TIME_MS));
    if (result != PATTERN_LIMIT_REACHED)
        return result == PATTERN_MATCHES;
    (void)check_stop(c, "%stakes too long to match against the pattern %.100s",
                     k->members ? "has a property name that " : "",
                     k->members ? k->members[i].name : json_str(k->value));
    instance_location(at, c->why->instance);
    keyword_location(k->owner, k->kind->name, c->why->keyword);
    return false;
}

bool check_pattern(struct check *c, const struct keyword *k, const struct instance *at) {
    struct text text;

    text.p = json_strn(at->value, &text.len);
    return check_match(c, k, 0, at, text) ||
           check_fail(c, k, at, "must match the pattern %.160s", json_str(k->value));
}

struct hashed_item {
    uint64_t hash;
    size_t index;
};

static int by_hash(const void *a, const void *b) {
    const struct hashed_item *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Two equal items: their indexes in pair[]. Only items of the same hash are compared; hashes that
 * collide cost steps. */
static bool find_equal_items(struct check *c, const struct json *array,
                             const struct hashed_item *items, size_t pair[2]) {
    size_t n = json_len(array);

    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n && items[j].hash == items[i].hash; j++) {
            pair[0] = items[i].index;
            pair[1] = items[j].index;
            if (values_equal(c, json_at(array, pair[0]), json_at(array, pair[1])))
                return true;
            if (c->stopped)
                return false;
        }
    }
    return false;
}

bool check_unique_items(struct check *c, const struct keyword *k, const struct instance *at) {
    size_t n = json_len(at->value), pair[2] = {0};
    struct hashed_item *items;
    bool found;

    if (!json_is_true(k->value) || n < 2)
        return true;
    items = xcalloc(n, sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct hashed_item){value_hash(c, json_at(at->value, i)), i};
    if (!c->stopped)
        qsort(items, n, sizeof *items, by_hash);
    found = !c->stopped && find_equal_items(c, at->value, items, pair);
    free(items);
    if (found)
        return check_fail(c, k, at, "must have no equal items, but has at %zu and %zu", pair[0],
                          pair[1]);
    return !c->stopped;
}

const char *missing_property(struct check *c, const struct json *names, const struct json *object) {
    size_t n = json_len(names);

    if (!check_steps(c, n))
        return "";
    for (size_t i = 0; i < n; i++) {
        const char *name = json_str(json_at(names, i));

        if (!name || !json_has(object, name))
            return name ? name : "";
    }
    return NULL;
}

bool check_required(struct check *c, const struct keyword *k, const struct instance *at) {
    const char *name = missing_property(c, k->value, at->value);

    return !name || check_fail(c, k, at, "must have the property \"%.160s\"", name);
}

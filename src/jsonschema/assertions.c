/* Private part of check.h: keywords that look at one value alone (Validation §6). */
#include <math.h>

#include "base/base.h"
#include "jsonschema/check.h"
#include "jsonschema/pattern.h"

#define SHOWN_MAX 160 /* bytes of the values that an error lists */

static void name_types(unsigned types, char *out, size_t size) {
    static const char *const names[] = {"null",     "a boolean", "an object", "an array",
                                        "a number", "a string",  "an integer"};
    size_t len = 0;

    *out = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(types & 1U << i))
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s%s", len ? " or " : "", names[i]);
    }
}

bool check_type(struct check *c, const struct keyword *k, const struct instance *at) {
    struct json_number n;
    unsigned type = at->type;
    char names[96];

    if (json_number(at->value, &n)) {
        if (n.is_integer || floor(n.d) >= n.d)
            type |= TYPE_INTEGER;
        if (isinf(n.d))
            type = 0; /* 1e400: no number that anybody could compute with */
    }
    if (k->types & type)
        return true;
    name_types(k->types, names, sizeof names);
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
static uint64_t length_of(struct check *c, const struct json *string) {
    uint64_t n = 0;
    size_t len;
    const char *text = json_strn(string, &len);

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    (void)check_steps(c, len / 64);
    return n;
}

/* maxLength, minItems and the like. */
bool check_limit(struct check *c, const struct keyword *k, const struct instance *at) {
    bool is_max = !strncmp(k->kind->name, "max", 3), is_one = k->limit == 1;
    uint64_t n;
    const char *what;

    if (at->type == TYPE_STRING) {
        n = length_of(c, at->value);
        what = is_one ? "character" : "characters";
    } else if (at->type == TYPE_ARRAY) {
        n = json_len(at->value);
        what = is_one ? "item" : "items";
    } else {
        n = json_size(at->value);
        what = is_one ? "property" : "properties";
    }
    if (!c->stopped && (is_max ? n <= k->limit : n >= k->limit))
        return true;
    return check_fail(c, k, at, "must have at %s %llu %s", is_max ? "most" : "least",
                      (unsigned long long)k->limit, what);
}

bool check_pattern(struct check *c, const struct keyword *k, const struct instance *at) {
    size_t len;
    const char *text = json_strn(at->value, &len);

    if (!check_steps(c, 1 + len / 64))
        return false;
    switch (pattern_match(k->patterns[0], text, len, c->deadline_ms)) {
    case PATTERN_YES:
        return true;
    case PATTERN_NO:
        return check_fail(c, k, at, "must match the pattern %.160s", json_str(k->value));
    case PATTERN_GAVE_UP:
        break;
    }
    (void)check_stop(c, "takes too long to match against the pattern %.100s", json_str(k->value));
    instance_location(at, c->why->instance);
    keyword_location(k->owner, k->kind->name, c->why->keyword);
    return false;
}

struct hashed {
    uint64_t hash;
    size_t index;
};

static int by_hash(const void *a, const void *b) {
    const struct hashed *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Two equal items: their indexes in pair[]. Only items of the same hash are compared; who makes
 * hashes collide runs out of steps. */
static bool find_equal(struct check *c, const struct json *array, const struct hashed *items,
                       size_t pair[2]) {
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
    struct hashed *items;
    bool found;

    if (!json_is_true(k->value) || n < 2)
        return true;
    items = xcalloc(n, sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct hashed){value_hash(c, json_at(at->value, i)), i};
    if (!c->stopped)
        qsort(items, n, sizeof *items, by_hash);
    found = !c->stopped && find_equal(c, at->value, items, pair);
    free(items);
    if (found)
        return check_fail(c, k, at, "must have no equal items, but has at %zu and %zu", pair[0],
                          pair[1]);
    return !c->stopped;
}

/* The first of the names that the object lacks. */
static const char *lacking(struct check *c, const struct json *names, const struct json *object) {
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
    const char *name = lacking(c, k->value, at->value);

    return !name || check_fail(c, k, at, "must have the property \"%.160s\"", name);
}

bool check_dependent_required(struct check *c, const struct keyword *k, const struct instance *at) {
    if (!check_steps(c, k->list_count))
        return false;
    for (size_t i = 0; i < k->list_count; i++) {
        const char *name = json_has(at->value, k->lists[i].name)
                               ? lacking(c, k->lists[i].strings, at->value)
                               : NULL;

        if (name)
            return check_fail(c, k, at, "must have the property \"%.80s\" if it has \"%.80s\"",
                              name, k->lists[i].name);
    }
    return true;
}

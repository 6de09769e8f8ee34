/* Keywords that look at one value alone (Validation §6). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonschema/node.h"

#define SHOWN_MAX 160 /* bytes of the values that an error lists */

static const char *plural(uint64_t n) {
    return n == 1 ? "" : "s";
}

/* The JSON text of a value of the schema, if it is short enough to be shown. */
static const char *shown(struct check *c, const struct json *v) {
    size_t len;
    const char *text = json_text(c->scratch, v, &len);

    return len <= SHOWN_MAX ? text : NULL;
}

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

bool check_type(struct check *c, const struct keyword *k, const struct spot *s, struct seen *seen) {
    struct json_number n;
    unsigned type = s->type;
    char names[96];

    (void)seen;
    if (json_number(s->v, &n)) {
        if (n.is_integer || floor(n.d) >= n.d)
            type |= TYPE_INTEGER;
        if (isinf(n.d))
            type = 0; /* 1e400: no number that anybody could compute with */
    }
    if (k->types & type)
        return true;
    name_types(k->types, names, sizeof names);
    return check_fail(c, k, s, "must be %s", names);
}

bool check_const(struct check *c, const struct keyword *k, const struct spot *s,
                 struct seen *seen) {
    const char *text;

    (void)seen;
    if (values_equal(c, k->value, s->v))
        return true;
    if (c->quiet || c->stopped)
        return false;
    text = shown(c, k->value);
    return text ? check_fail(c, k, s, "must be %s", text)
                : check_fail(c, k, s, "must be the one value that the schema names");
}

bool check_enum(struct check *c, const struct keyword *k, const struct spot *s, struct seen *seen) {
    const char *text;

    (void)seen;
    for (size_t i = 0; i < json_len(k->value); i++)
        if (values_equal(c, json_at(k->value, i), s->v))
            return true;
    if (c->quiet || c->stopped)
        return false;
    text = shown(c, k->value);
    return text ? check_fail(c, k, s, "must be one of %s", text)
                : check_fail(c, k, s, "must be one of the values that the schema lists");
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

bool check_multiple_of(struct check *c, const struct keyword *k, const struct spot *s,
                       struct seen *seen) {
    struct json_number n;

    (void)seen;
    if (json_number(s->v, &n) && is_multiple(&n, &k->number))
        return true;
    return check_fail(c, k, s, "must be a multiple of %.17g", k->number.d);
}

static int compare(const struct keyword *k, const struct spot *s) {
    struct json_number n;

    (void)json_number(s->v, &n);
    return json_number_compare(&n, &k->number);
}

bool check_maximum(struct check *c, const struct keyword *k, const struct spot *s,
                   struct seen *seen) {
    (void)seen;
    return compare(k, s) <= 0 || check_fail(c, k, s, "must be at most %.17g", k->number.d);
}

bool check_exclusive_maximum(struct check *c, const struct keyword *k, const struct spot *s,
                             struct seen *seen) {
    (void)seen;
    return compare(k, s) < 0 || check_fail(c, k, s, "must be less than %.17g", k->number.d);
}

bool check_minimum(struct check *c, const struct keyword *k, const struct spot *s,
                   struct seen *seen) {
    (void)seen;
    return compare(k, s) >= 0 || check_fail(c, k, s, "must be at least %.17g", k->number.d);
}

bool check_exclusive_minimum(struct check *c, const struct keyword *k, const struct spot *s,
                             struct seen *seen) {
    (void)seen;
    return compare(k, s) > 0 || check_fail(c, k, s, "must be more than %.17g", k->number.d);
}

/* RFC 8259 §7 characters, not bytes: what does not continue one begins one. */
static bool length_of(struct check *c, const struct spot *s, uint64_t *out) {
    size_t len;
    const char *text = json_strn(s->v, &len);

    *out = 0;
    for (size_t i = 0; i < len; i++)
        *out += ((unsigned char)text[i] & 0xc0) != 0x80;
    return check_steps(c, len / 64);
}

bool check_max_length(struct check *c, const struct keyword *k, const struct spot *s,
                      struct seen *seen) {
    uint64_t n;

    (void)seen;
    if (!length_of(c, s, &n))
        return false;
    return n <= k->limit || check_fail(c, k, s, "must have at most %llu character%s",
                                       (unsigned long long)k->limit, plural(k->limit));
}

bool check_min_length(struct check *c, const struct keyword *k, const struct spot *s,
                      struct seen *seen) {
    uint64_t n;

    (void)seen;
    if (!length_of(c, s, &n))
        return false;
    return n >= k->limit || check_fail(c, k, s, "must have at least %llu character%s",
                                       (unsigned long long)k->limit, plural(k->limit));
}

bool check_pattern(struct check *c, const struct keyword *k, const struct spot *s,
                   struct seen *seen) {
    size_t len;
    const char *text = json_strn(s->v, &len);

    (void)seen;
    if (!check_steps(c, 1 + len / 64))
        return false;
    switch (pattern_match(k->patterns[0], text, len, c->deadline_ms)) {
    case PATTERN_YES:
        return true;
    case PATTERN_NO:
        return check_fail(c, k, s, "must match the pattern %.160s", json_str(k->value));
    case PATTERN_GAVE_UP:
        break;
    }
    (void)check_stop(c, "takes too long to match against the pattern %.100s", json_str(k->value));
    place_of_spot(s, c->why->instance);
    place_of_keyword(k->owner, k->kind->name, c->why->keyword);
    return false;
}

bool check_max_items(struct check *c, const struct keyword *k, const struct spot *s,
                     struct seen *seen) {
    (void)seen;
    return json_len(s->v) <= k->limit || check_fail(c, k, s, "must have at most %llu item%s",
                                                    (unsigned long long)k->limit, plural(k->limit));
}

bool check_min_items(struct check *c, const struct keyword *k, const struct spot *s,
                     struct seen *seen) {
    (void)seen;
    return json_len(s->v) >= k->limit || check_fail(c, k, s, "must have at least %llu item%s",
                                                    (unsigned long long)k->limit, plural(k->limit));
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

/* Only items of the same hash are compared; who makes hashes collide runs out of steps. */
static bool first_pair(struct check *c, const struct json *array, const struct hashed *items,
                       size_t n, size_t *one, size_t *other) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n && items[j].hash == items[i].hash; j++) {
            *one = items[i].index;
            *other = items[j].index;
            if (values_equal(c, json_at(array, *one), json_at(array, *other)))
                return true;
            if (c->stopped)
                return false;
        }
    }
    return false;
}

bool check_unique_items(struct check *c, const struct keyword *k, const struct spot *s,
                        struct seen *seen) {
    size_t n = json_len(s->v), one = 0, other = 0;
    struct hashed *items;
    bool found;

    (void)seen;
    if (!json_is_true(k->value) || n < 2)
        return true;
    items = xcalloc(n, sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct hashed){value_hash(c, json_at(s->v, i)), i};
    if (!c->stopped)
        qsort(items, n, sizeof *items, by_hash);
    found = !c->stopped && first_pair(c, s->v, items, n, &one, &other);
    free(items);
    if (found)
        return check_fail(c, k, s, "must have no equal items, but has at %zu and %zu", one, other);
    return !c->stopped;
}

bool check_max_properties(struct check *c, const struct keyword *k, const struct spot *s,
                          struct seen *seen) {
    (void)seen;
    return json_size(s->v) <= k->limit ||
           check_fail(c, k, s, "must have at most %llu propert%s", (unsigned long long)k->limit,
                      k->limit == 1 ? "y" : "ies");
}

bool check_min_properties(struct check *c, const struct keyword *k, const struct spot *s,
                          struct seen *seen) {
    (void)seen;
    return json_size(s->v) >= k->limit ||
           check_fail(c, k, s, "must have at least %llu propert%s", (unsigned long long)k->limit,
                      k->limit == 1 ? "y" : "ies");
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

bool check_required(struct check *c, const struct keyword *k, const struct spot *s,
                    struct seen *seen) {
    const char *name = lacking(c, k->value, s->v);

    (void)seen;
    return !name || check_fail(c, k, s, "must have the property \"%.160s\"", name);
}

bool check_dependent_required(struct check *c, const struct keyword *k, const struct spot *s,
                              struct seen *seen) {
    (void)seen;
    if (!check_steps(c, k->list_count))
        return false;
    for (size_t i = 0; i < k->list_count; i++) {
        const char *name =
            json_has(s->v, k->lists[i].name) ? lacking(c, k->lists[i].strings, s->v) : NULL;

        if (name)
            return check_fail(c, k, s, "must have the property \"%.80s\" if it has \"%.80s\"", name,
                              k->lists[i].name);
    }
    return true;
}

/* Private part of check.h: keywords that apply schemas to members and items (Core §10.3, §11). */
#include <stdlib.h>
#include <string.h>

#include "jsonschema/check.h"
#include "jsonschema/pattern.h"

#define NAME_BYTES_MAX ((size_t)64 << 20) /* of one member's name; a request is far smaller */

static int compare_name(const void *name, const void *member) {
    return strcmp(name, ((const struct named_node *)member)->name);
}

static const struct named_node *find(const struct keyword *k, const char *name) {
    return k->count ? bsearch(name, k->members, k->count, sizeof *k->members, compare_name) : NULL;
}

bool check_properties(struct check *c, const struct keyword *k, const struct instance *at) {
    struct json_member m;
    size_t i = 0;

    for (bool more = json_first(at->value, &m); more; more = json_next(&m), i++) {
        const struct named_node *member = find(k, m.key);

        if (!check_steps(c, 1))
            return false;
        if (!member)
            continue;
        if (!check_member(c, member->node, at, &m))
            return false;
        evaluated_mark(at->evaluated, i);
    }
    return true;
}

/* Does pattern i of the keyword match the name? */
static bool name_matches(struct check *c, const struct keyword *k, size_t i, const char *name) {
    size_t len = strlen(name);

    if (!check_steps(c, 1 + len / 64))
        return false;
    switch (pattern_match(k->patterns[i], name, len, c->deadline_ms)) {
    case PATTERN_YES:
        return true;
    case PATTERN_NO:
        return false;
    case PATTERN_GAVE_UP:
        break;
    }
    return check_stop(c,
                      "has a property name that takes too long to match against the pattern "
                      "%.100s",
                      k->members[i].name);
}

bool check_pattern_properties(struct check *c, const struct keyword *k, const struct instance *at) {
    struct json_member m;
    size_t i = 0;

    for (bool more = json_first(at->value, &m); more; more = json_next(&m), i++) {
        for (size_t p = 0; p < k->count; p++) {
            if (!name_matches(c, k, p, m.key))
                continue;
            if (!check_member(c, k->members[p].node, at, &m))
                return false;
            evaluated_mark(at->evaluated, i);
        }
        if (c->stopped)
            return false;
    }
    return true;
}

static bool is_named(struct check *c, const struct keyword *properties,
                     const struct keyword *patterns, const char *name) {
    if (properties && find(properties, name))
        return true;
    for (size_t i = 0; patterns && i < patterns->count; i++)
        if (name_matches(c, patterns, i, name))
            return true;
    return false;
}

bool check_additional_properties(struct check *c, const struct keyword *k,
                                 const struct instance *at) {
    struct json_member m;
    size_t i = 0;

    for (bool more = json_first(at->value, &m); more; more = json_next(&m), i++) {
        if (!check_steps(c, 1))
            return false;
        if (is_named(c, k->adjacent[0], k->adjacent[1], m.key))
            continue;
        if (c->stopped || !check_member(c, k->node, at, &m))
            return false;
        evaluated_mark(at->evaluated, i);
    }
    return !c->stopped;
}

bool check_property_names(struct check *c, const struct keyword *k, const struct instance *at) {
    struct arena *names = arena_new(NAME_BYTES_MAX);
    struct json_member m;
    bool ok = true;

    for (bool more = json_first(at->value, &m); ok && more; more = json_next(&m)) {
        m.value = json_new_string(names, m.key);
        ok = check_member(c, k->node, at, &m);
        arena_reset(names);
    }
    arena_free(names);
    return ok;
}

bool check_prefix_items(struct check *c, const struct keyword *k, const struct instance *at) {
    for (size_t i = 0; i < k->count && i < json_len(at->value); i++) {
        if (!check_item(c, k->nodes[i], at, i))
            return false;
        evaluated_mark(at->evaluated, i);
    }
    return true;
}

/* items, additionalItems, and draft-07's items that is an array. */
bool check_items(struct check *c, const struct keyword *k, const struct instance *at) {
    if (!k->node)
        return check_prefix_items(c, k, at);
    for (size_t i = k->adjacent[0] ? k->adjacent[0]->count : 0; i < json_len(at->value); i++)
        if (!check_item(c, k->node, at, i))
            return false;
    evaluated_mark_all(at->evaluated);
    return true;
}

/* How many items the schema describes. */
static uint64_t count_items(struct check *c, const struct node *n, const struct instance *at) {
    uint64_t count = 0;

    c->quiet++;
    for (size_t i = 0; i < json_len(at->value) && !c->stopped; i++) {
        if (!check_item(c, n, at, i))
            continue;
        count++;
        evaluated_mark(at->evaluated, i);
    }
    c->quiet--;
    return count;
}

bool check_contains(struct check *c, const struct keyword *k, const struct instance *at) {
    static const char text[] =
        "must contain at %s %llu item%s of the kind that the schema describes";
    const struct keyword *min = k->adjacent[0], *max = k->adjacent[1];
    uint64_t n = count_items(c, k->node, at), least = min ? min->limit : 1;

    if (c->stopped)
        return false;
    if (n < least)
        return check_fail(c, k, at, text, "least", (unsigned long long)least,
                          least == 1 ? "" : "s");
    return !max || n <= max->limit ||
           check_fail(c, max, at, text, "most", (unsigned long long)max->limit,
                      max->limit == 1 ? "" : "s");
}

bool check_unevaluated_properties(struct check *c, const struct keyword *k,
                                  const struct instance *at) {
    struct json_member m;
    size_t i = 0;

    for (bool more = json_first(at->value, &m); more; more = json_next(&m), i++)
        if (!evaluated_has(at->evaluated, i) && !check_member(c, k->node, at, &m))
            return false;
    evaluated_mark_all(at->evaluated);
    return true;
}

bool check_unevaluated_items(struct check *c, const struct keyword *k, const struct instance *at) {
    for (size_t i = 0; i < json_len(at->value); i++)
        if (!evaluated_has(at->evaluated, i) && !check_item(c, k->node, at, i))
            return false;
    evaluated_mark_all(at->evaluated);
    return true;
}

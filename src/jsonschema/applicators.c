/* Private part of check.h: keywords that apply other schemas, to the same value (Core §10.2,
 * §8.2.3), or to its members and items (§10.3, §11). */

#include "base/base.h"
#include "jsonschema/check.h"
#include "jsonschema/pattern.h"

#define NAME_BYTES_MAX ((size_t)64 << 20) /* of one member's name; a request is far smaller */

bool check_ref(struct check *c, const struct keyword *k, const struct instance *at) {
    return check_node(c, k->node, at);
}

static const struct node *dynamic_anchor(const struct resource *r, const char *name) {
    for (const struct anchor *a = r->anchors; a; a = a->next)
        if (a->dynamic && !strcmp(a->name, name))
            return a->node;
    return NULL;
}

/* §8.2.3.2: of the resources that led here, the outermost with that name has the schema. */
bool check_dynamic_ref(struct check *c, const struct keyword *k, const struct instance *at) {
    const struct node *target = k->node, *found;

    for (const struct scope *scope = c->scope; k->dynamic && scope; scope = scope->up) {
        found = dynamic_anchor(scope->resource, k->dynamic);
        if (found)
            target = found;
        if (!check_steps(c, 1))
            return false;
    }
    return check_node(c, target, at);
}

bool check_all_of(struct check *c, const struct keyword *k, const struct instance *at) {
    for (size_t i = 0; i < k->count; i++)
        if (!check_node(c, k->nodes[i], at))
            return false;
    return true;
}

bool check_any_of(struct check *c, const struct keyword *k, const struct instance *at) {
    bool ok = false;

    if (k->count == 1) /* its reason is the reason */
        return check_node(c, k->nodes[0], at);
    for (size_t i = 0; i < k->count && !(ok && !at->evaluated); i++) /* every branch counts */
        if (check_quietly(c, k->nodes[i], at))
            ok = true;
    if (c->stopped)
        return false;
    return ok || check_fail(c, k, at, "matches none of the %zu alternatives", k->count);
}

bool check_one_of(struct check *c, const struct keyword *k, const struct instance *at) {
    size_t first = k->count;

    if (k->count == 1)
        return check_node(c, k->nodes[0], at);
    for (size_t i = 0; i < k->count; i++) {
        if (!check_quietly(c, k->nodes[i], at))
            continue;
        if (first < k->count)
            return !c->stopped &&
                   check_fail(c, k, at,
                              "matches alternatives %zu and %zu, but must match one alone", first,
                              i);
        first = i;
    }
    if (c->stopped)
        return false;
    return first < k->count ||
           check_fail(c, k, at, "matches none of the %zu alternatives", k->count);
}

bool check_not(struct check *c, const struct keyword *k, const struct instance *at) {
    if (check_quietly(c, k->node, at))
        return check_fail(c, k, at, "matches what it must not match");
    return !c->stopped;
}

bool check_if(struct check *c, const struct keyword *k, const struct instance *at) {
    const struct keyword *branch;

    if (!k->adjacent[0] && !k->adjacent[1] && !at->evaluated)
        return true;
    branch = k->adjacent[!check_quietly(c, k->node, at)];
    if (c->stopped)
        return false;
    return !branch || check_node(c, branch->node, at);
}

bool check_dependent_schemas(struct check *c, const struct keyword *k, const struct instance *at) {
    if (!check_steps(c, k->count))
        return false;
    for (size_t i = 0; i < k->count; i++)
        if (json_has(at->value, k->members[i].name) && !check_node(c, k->members[i].node, at))
            return false;
    return true;
}

bool check_dependencies(struct check *c, const struct keyword *k, const struct instance *at) {
    return check_dependent_required(c, k, at) && check_dependent_schemas(c, k, at);
}

/* ---- to members and items ---- */

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

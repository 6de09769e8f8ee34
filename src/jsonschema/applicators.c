/* Private part of check.h: keywords that apply other schemas, to the same value (Core §10.2,
 * §8.2.3), or to its members and items (§10.3, §11). */

#include "jsonschema/check.h"

#define NAME_BYTES_MAX ((size_t)64 << 20) /* of one member's name; a request is far smaller */

/* $dynamicRef (§8.2.3.2): of the resources that led here, the outermost with that dynamic anchor
 * has the schema. $ref has no such name. */
bool check_ref(struct check *c, const struct keyword *k, const struct instance *at) {
    const struct node *target = k->node;

    for (const struct scope *scope = c->scope; k->dynamic && scope; scope = scope->up) {
        const struct anchor *found = anchor_find(scope->resource, k->dynamic);

        if (found && found->dynamic)
            target = found->node;
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

/* anyOf and oneOf. For unevaluatedProperties and unevaluatedItems every branch of anyOf is
 * evaluated. */
bool check_alternatives(struct check *c, const struct keyword *k, const struct instance *at) {
    bool one = !strcmp(k->kind->name, "oneOf");
    size_t first = k->count;

    if (k->count == 1) /* its own failure says more than "none of 1" */
        return check_node(c, k->nodes[0], at);
    for (size_t i = 0; i < k->count && (one || first == k->count || at->evaluated); i++) {
        if (!check_quietly(c, k->nodes[i], at))
            continue;
        if (one && first < k->count)
            return check_fail(
                c, k, at, "matches alternatives %zu and %zu, but must match one alone", first, i);
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

/* dependentRequired, dependentSchemas, and dependencies, which has both. */
bool check_dependencies(struct check *c, const struct keyword *k, const struct instance *at) {
    if (!check_steps(c, k->count))
        return false;
    for (size_t i = 0; i < k->count; i++) {
        const struct named_node *m = &k->members[i];
        const char *missing;

        if (!json_has(at->value, m->name))
            continue;
        if (m->node && !check_node(c, m->node, at))
            return false;
        missing = m->node ? NULL : missing_property(c, m->required, at->value);
        if (missing)
            return check_fail(c, k, at, "must have the property \"%.80s\" if it has \"%.80s\"",
                              missing, m->name);
    }
    return true;
}

/* ---- applied to members and items ---- */

static const struct named_node *find_member(const struct keyword *k, const char *name) {
    const struct named_node key = {.name = name};

    return k->count ? bsearch(&key, k->members, k->count, sizeof key, named_node_compare) : NULL;
}

bool check_pattern_properties(struct check *c, const struct keyword *k, const struct instance *at) {
    size_t i = 0;

    for (struct json_member m = json_first(at->value); m.key; json_next(&m), i++) {
        for (size_t p = 0; p < k->count; p++) {
            if (!check_match(c, k, p, at, text_of(m.key)))
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

/* Do properties or patternProperties of the same schema apply to the name? */
static bool is_named(struct check *c, const struct keyword *k, const struct instance *at,
                     const char *name) {
    const struct keyword *properties = k->adjacent[0], *patterns = k->adjacent[1];

    if (properties && find_member(properties, name))
        return true;
    for (size_t i = 0; patterns && i < patterns->count; i++)
        if (check_match(c, patterns, i, at, text_of(name)))
            return true;
    return false;
}

/* properties; additionalProperties and unevaluatedProperties, for what it leaves. */
bool check_properties(struct check *c, const struct keyword *k, const struct instance *at) {
    const bool unevaluated = !strcmp(k->kind->name, "unevaluatedProperties");
    size_t i = 0;

    for (struct json_member m = json_first(at->value); m.key; json_next(&m), i++) {
        const struct named_node *named = k->node ? NULL : find_member(k, m.key);
        const struct node *node = named ? named->node : k->node;

        if (!check_steps(c, 1))
            return false;
        if (k->node && (unevaluated ? evaluated_has(at->evaluated, i) : is_named(c, k, at, m.key)))
            continue;
        if (c->stopped || (node && !check_member(c, node, at, &m)))
            return false;
        if (node)
            evaluated_mark(at->evaluated, i);
    }
    return !c->stopped;
}

bool check_property_names(struct check *c, const struct keyword *k, const struct instance *at) {
    struct arena *names = arena_new(NAME_BYTES_MAX);
    bool ok = true;

    for (struct json_member m = json_first(at->value); ok && m.key; json_next(&m)) {
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

/* items, additionalItems, unevaluatedItems, and draft-07's items that is an array. */
bool check_items(struct check *c, const struct keyword *k, const struct instance *at) {
    const bool unevaluated = !strcmp(k->kind->name, "unevaluatedItems");

    if (!k->node)
        return check_prefix_items(c, k, at);
    for (size_t i = k->adjacent[0] ? k->adjacent[0]->count : 0; i < json_len(at->value); i++)
        if (!(unevaluated && evaluated_has(at->evaluated, i)) && !check_item(c, k->node, at, i))
            return false;
    evaluated_mark_all(at->evaluated);
    return true;
}

bool check_contains(struct check *c, const struct keyword *k, const struct instance *at) {
    static const char text[] =
        "must contain at %s %llu item%s of the kind that the schema describes";
    const struct keyword *min = k->adjacent[0], *max = k->adjacent[1];
    uint64_t n = 0, least = min ? min->number.magnitude : 1;

    c->quiet++;
    for (size_t i = 0; i < json_len(at->value) && !c->stopped; i++) {
        if (!check_item(c, k->node, at, i))
            continue;
        n++;
        evaluated_mark(at->evaluated, i);
    }
    c->quiet--;
    if (c->stopped)
        return false;
    if (n < least)
        return check_fail(c, k, at, text, "least", (unsigned long long)least,
                          least == 1 ? "" : "s");
    return !max || n <= max->number.magnitude ||
           check_fail(c, max, at, text, "most", (unsigned long long)max->number.magnitude,
                      max->number.magnitude == 1 ? "" : "s");
}

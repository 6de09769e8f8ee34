/* Private part of check.h: keywords that apply other schemas to the same value (Core §10.2,
 * §8.2.3). */
#include <string.h>

#include "jsonschema/check.h"

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

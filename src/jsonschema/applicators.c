/* Keywords that apply other schemas to the same value (Core §10.2, §8.2.3). */
#include <string.h>

#include "jsonschema/node.h"

bool check_ref(struct check *c, const struct keyword *k, const struct spot *s, struct seen *seen) {
    return check_node(c, k->node, s, seen);
}

static const struct node *dynamic_anchor(const struct resource *r, const char *name) {
    for (const struct anchor *a = r->anchors; a; a = a->next)
        if (a->dynamic && !strcmp(a->name, name))
            return a->node;
    return NULL;
}

/* §8.2.3.2: of the resources that led here, the outermost with that name has the schema. */
bool check_dynamic_ref(struct check *c, const struct keyword *k, const struct spot *s,
                       struct seen *seen) {
    const struct node *target = k->node, *found;

    for (const struct scope *scope = c->scope; k->dynamic && scope; scope = scope->up) {
        found = dynamic_anchor(scope->resource, k->dynamic);
        if (found)
            target = found;
        if (!check_steps(c, 1))
            return false;
    }
    return check_node(c, target, s, seen);
}

bool check_all_of(struct check *c, const struct keyword *k, const struct spot *s,
                  struct seen *seen) {
    for (size_t i = 0; i < k->count; i++)
        if (!check_node(c, k->nodes[i], s, seen))
            return false;
    return true;
}

bool check_any_of(struct check *c, const struct keyword *k, const struct spot *s,
                  struct seen *seen) {
    bool ok = false;

    if (k->count == 1) /* its reason is the reason */
        return check_node(c, k->nodes[0], s, seen);
    for (size_t i = 0; i < k->count && !(ok && !seen); i++) /* every branch may have seen more */
        if (check_quietly(c, k->nodes[i], s, seen))
            ok = true;
    if (c->stopped)
        return false;
    return ok || check_fail(c, k, s, "matches none of the %zu alternatives", k->count);
}

bool check_one_of(struct check *c, const struct keyword *k, const struct spot *s,
                  struct seen *seen) {
    size_t first = k->count;

    if (k->count == 1)
        return check_node(c, k->nodes[0], s, seen);
    for (size_t i = 0; i < k->count; i++) {
        if (!check_quietly(c, k->nodes[i], s, seen))
            continue;
        if (first < k->count)
            return !c->stopped &&
                   check_fail(c, k, s, "matches alternatives %zu and %zu, but must match one alone",
                              first, i);
        first = i;
    }
    if (c->stopped)
        return false;
    return first < k->count ||
           check_fail(c, k, s, "matches none of the %zu alternatives", k->count);
}

bool check_not(struct check *c, const struct keyword *k, const struct spot *s, struct seen *seen) {
    (void)seen;
    if (check_quietly(c, k->node, s, NULL))
        return check_fail(c, k, s, "matches what it must not match");
    return !c->stopped;
}

bool check_if(struct check *c, const struct keyword *k, const struct spot *s, struct seen *seen) {
    const struct keyword *branch;

    if (!k->beside[0] && !k->beside[1] && !seen)
        return true;
    branch = k->beside[!check_quietly(c, k->node, s, seen)];
    if (c->stopped)
        return false;
    return !branch || check_node(c, branch->node, s, seen);
}

bool check_dependent_schemas(struct check *c, const struct keyword *k, const struct spot *s,
                             struct seen *seen) {
    if (!check_steps(c, k->count))
        return false;
    for (size_t i = 0; i < k->count; i++)
        if (json_has(s->v, k->members[i].name) && !check_node(c, k->members[i].node, s, seen))
            return false;
    return true;
}

bool check_dependencies(struct check *c, const struct keyword *k, const struct spot *s,
                        struct seen *seen) {
    return check_dependent_required(c, k, s, seen) && check_dependent_schemas(c, k, s, seen);
}

#include "jsonschema/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "jsonschema/location.h"
#include "jsonschema/values.h"

/* Not in the arena, which would keep one for every schema until the request ends. */
static void evaluated_init(struct evaluated *e, const struct instance *at) {
    size_t n = at->type == TYPE_OBJECT ? json_size(at->value) : json_len(at->value);

    e->words = n / 64 + 1;
    e->bits = xcalloc(e->words, sizeof *e->bits);
}

/* A schema that fails has no annotations (Core §7.7.1.1). */
static void evaluated_end(struct evaluated *own, struct evaluated *outer, bool ok) {
    for (size_t i = 0; ok && outer && i < own->words; i++)
        outer->bits[i] |= own->bits[i];
    free(own->bits);
}

static bool fail_false_schema(struct check *c, const struct node *n, const struct instance *at) {
    static const struct {
        const char *keyword, *reason;
    } reasons[] = {{"additionalProperties", "is not a known property"},
                   {"unevaluatedProperties", "is not a known property"},
                   {"items", "is one item too many"},
                   {"additionalItems", "is one item too many"},
                   {"unevaluatedItems", "is one item too many"},
                   {"propertyNames", "may have no properties"},
                   {NULL, "is not allowed"}};
    size_t i = 0;

    if (c->quiet || c->stopped)
        return false;
    while (reasons[i].keyword && (!n->keyword || strcmp(reasons[i].keyword, n->keyword) != 0))
        i++;
    instance_location(at, c->why->instance);
    keyword_location(n, NULL, c->why->keyword);
    (void)snprintf(c->why->reason, sizeof c->why->reason, "%s", reasons[i].reason);
    return false;
}

static bool check_keywords(struct check *c, const struct node *n, const struct instance *at) {
    for (size_t i = 0; i < n->count; i++) {
        const struct keyword *k = &n->keywords[i];

        if (k->kind->types & at->type && !k->kind->check(c, k, at))
            return false;
    }
    return true;
}

/* The same, with what it evaluates kept apart until it has succeeded. */
static bool check_apart(struct check *c, const struct node *n, const struct instance *at,
                        bool (*check)(struct check *, const struct node *,
                                      const struct instance *)) {
    struct instance own = *at;
    struct evaluated evaluated;
    bool ok;

    evaluated_init(&evaluated, at);
    own.evaluated = &evaluated;
    ok = check(c, n, &own);
    evaluated_end(&evaluated, at->evaluated, ok);
    return ok;
}

bool check_node(struct check *c, const struct node *n, const struct instance *at) {
    struct scope scope = {c->scope, n->resource};
    bool ok;

    if (!check_steps(c, 1 + n->count))
        return false;
    if (n->is_false)
        return fail_false_schema(c, n, at);
    if (!n->count)
        return true;
    if (c->depth >= SCHEMA_NESTING_MAX)
        return check_stop(c, "leads through more than %d schemas within each other",
                          SCHEMA_NESTING_MAX);
    c->depth++;
    if (!c->scope || c->scope->resource != n->resource)
        c->scope = &scope;
    ok = n->unevaluated & at->type ? check_apart(c, n, at, check_keywords)
                                   : check_keywords(c, n, at);
    if (c->scope == &scope)
        c->scope = scope.up;
    c->depth--;
    return ok;
}

bool check_quietly(struct check *c, const struct node *n, const struct instance *at) {
    bool ok;

    c->quiet++;
    ok = at->evaluated ? check_apart(c, n, at, check_node) : check_node(c, n, at);
    c->quiet--;
    return ok;
}

bool check_member(struct check *c, const struct node *n, const struct instance *object,
                  const struct json_member *m) {
    struct instance at = {
        .parent = object, .key = m->key, .value = m->value, .type = value_type(m->value)};

    return check_node(c, n, &at);
}

bool check_item(struct check *c, const struct node *n, const struct instance *array, size_t i) {
    const struct json *v = json_at(array->value, i);
    struct instance at = {.parent = array, .index = i, .value = v, .type = value_type(v)};

    return check_node(c, n, &at);
}

enum rc schema_check(const struct schema *s, const struct json *instance, struct arena *scratch,
                     struct schema_error *why) {
    struct check c = {
        .scratch = scratch, .why = why, .deadline_ms = clock_monotonic_ms() + SCHEMA_TIME_MS};
    struct instance at = {.value = instance, .type = value_type(instance)};

    *why = (struct schema_error){0};
    if (check_node(&c, s->root, &at) && !c.stopped)
        return OK;
    return c.stopped ? ERR_TOO_LARGE : ERR_INVALID_REQUEST;
}

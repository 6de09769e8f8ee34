/* Evaluation: one schema after the other, within bounds. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "jsonschema/node.h"

#define STEPS_PER_LOOK 4096 /* at the clock; a power of two */

bool check_fail(struct check *c, const struct keyword *k, const struct spot *s, const char *fmt,
                ...) {
    va_list ap;

    if (c->quiet || c->stopped)
        return false;
    place_of_spot(s, c->why->instance);
    place_of_keyword(k->owner, k->kind->name, c->why->keyword);
    va_start(ap, fmt);
    (void)vsnprintf(c->why->reason, sizeof c->why->reason, fmt, ap);
    va_end(ap);
    text_cut(c->why->reason);
    return false;
}

bool check_stop(struct check *c, const char *fmt, ...) {
    va_list ap;

    if (c->stopped)
        return false;
    c->stopped = true;
    *c->why = (struct schema_error){0};
    va_start(ap, fmt);
    (void)vsnprintf(c->why->reason, sizeof c->why->reason, fmt, ap);
    va_end(ap);
    text_cut(c->why->reason);
    return false;
}

bool check_steps(struct check *c, size_t n) {
    size_t before = c->steps;

    c->steps += n;
    if (c->stopped)
        return false;
    if (n > SCHEMA_STEPS_MAX || c->steps > SCHEMA_STEPS_MAX)
        return check_stop(c, "takes more than %d steps to check", SCHEMA_STEPS_MAX);
    if (before / STEPS_PER_LOOK != c->steps / STEPS_PER_LOOK &&
        clock_monotonic_ms() > c->deadline_ms)
        return check_stop(c, "takes more than %d ms to check", SCHEMA_TIME_MS);
    return true;
}

void seen_mark_all(struct seen *s) {
    if (s && s->words)
        memset(s->bits, 0xff, s->words * sizeof *s->bits);
}

/* Not in the arena, which would keep one for every schema until the request ends. */
static void seen_init(struct seen *seen, const struct spot *s) {
    size_t n = s->type == TYPE_OBJECT ? json_size(s->v) : json_len(s->v);

    seen->words = n / 64 + 1;
    seen->bits = xcalloc(seen->words, sizeof *seen->bits);
}

static void seen_release(struct seen *own, struct seen *outer, bool ok) {
    for (size_t i = 0; ok && outer && i < own->words; i++)
        outer->bits[i] |= own->bits[i];
    free(own->bits);
}

static bool forbidden(struct check *c, const struct node *n, const struct spot *s) {
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
    place_of_spot(s, c->why->instance);
    place_of_keyword(n, NULL, c->why->keyword);
    (void)snprintf(c->why->reason, sizeof c->why->reason, "%s", reasons[i].reason);
    return false;
}

static bool check_keywords(struct check *c, const struct node *n, const struct spot *s,
                           struct seen *seen) {
    for (size_t i = 0; i < n->count; i++) {
        const struct keyword *k = &n->keywords[i];

        if (k->kind->types & s->type && !k->kind->check(c, k, s, seen))
            return false;
    }
    return true;
}

bool check_node(struct check *c, const struct node *n, const struct spot *s, struct seen *seen) {
    struct scope scope = {c->scope, n->resource};
    struct seen own;
    bool ok;

    if (!check_steps(c, 1 + n->count))
        return false;
    if (n->is_false)
        return forbidden(c, n, s);
    if (!n->count)
        return true;
    if (c->depth >= SCHEMA_NESTING_MAX)
        return check_stop(c, "leads through more than %d schemas within each other",
                          SCHEMA_NESTING_MAX);
    c->depth++;
    if (!c->scope || c->scope->resource != n->resource)
        c->scope = &scope;
    if (n->unevaluated & s->type) {
        seen_init(&own, s);
        ok = check_keywords(c, n, s, &own);
        seen_release(&own, seen, ok);
    } else {
        ok = check_keywords(c, n, s, seen);
    }
    if (c->scope == &scope)
        c->scope = scope.up;
    c->depth--;
    return ok;
}

bool check_quietly(struct check *c, const struct node *n, const struct spot *s, struct seen *seen) {
    struct seen own;
    bool ok;

    c->quiet++;
    if (seen) {
        seen_init(&own, s);
        ok = check_node(c, n, s, &own);
        seen_release(&own, seen, ok);
    } else {
        ok = check_node(c, n, s, NULL);
    }
    c->quiet--;
    return ok;
}

bool check_member(struct check *c, const struct node *n, const struct spot *s, const char *key,
                  const struct json *v) {
    struct spot at = {s, key, 0, v, value_type(v)};

    return check_node(c, n, &at, NULL);
}

bool check_item(struct check *c, const struct node *n, const struct spot *s, size_t i) {
    const struct json *v = json_at(s->v, i);
    struct spot at = {s, NULL, i, v, value_type(v)};

    return check_node(c, n, &at, NULL);
}

enum rc schema_check(const struct schema *s, const struct json *instance, struct arena *scratch,
                     struct schema_error *why) {
    struct check c = {
        .scratch = scratch, .why = why, .deadline_ms = clock_monotonic_ms() + SCHEMA_TIME_MS};
    struct spot at = {.v = instance, .type = value_type(instance)};

    *why = (struct schema_error){0};
    if (check_node(&c, s->root, &at, NULL) && !c.stopped)
        return OK;
    return c.stopped ? ERR_TOO_LARGE : ERR_INVALID_REQUEST;
}

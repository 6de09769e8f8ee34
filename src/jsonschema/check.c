#include "jsonschema/check.h"

#include <stdarg.h>

#include "base/utf8.h"

#define STEPS_PER_CLOCK_CHECK 4096

/* ---- locations ---- */

struct pointer {
    char *p;
    size_t len;
};

static void append(struct pointer *out, const char *s, size_t len) {
    if (len > SCHEMA_TEXT_MAX - 1 - out->len)
        len = SCHEMA_TEXT_MAX - 1 - out->len;
    memcpy(out->p + out->len, s, len);
    out->len += len;
    out->p[out->len] = 0;
}

/* One reference token, escaped (RFC 6901 §3). */
static void append_token(struct pointer *out, const char *s) {
    append(out, "/", 1);
    for (size_t n; *s && out->len < SCHEMA_TEXT_MAX - 1; s += n) {
        n = strcspn(s, "~/");
        append(out, s, n);
        if (!n)
            append(out, s[n++] == '~' ? "~0" : "~1", 2);
    }
}

static void append_index(struct pointer *out, size_t i) {
    char text[24];

    (void)snprintf(text, sizeof text, "%zu", i);
    append_token(out, text);
}

static void append_instance(struct pointer *out, const struct instance *at) {
    if (!at->parent)
        return;
    append_instance(out, at->parent);
    if (at->key)
        append_token(out, at->key);
    else
        append_index(out, at->index);
}

static void append_node(struct pointer *out, const struct node *n) {
    if (!n->parent)
        return;
    append_node(out, n->parent);
    append(out, "/", 1);
    append(out, n->keyword, strlen(n->keyword));
    if (n->member)
        append_token(out, n->member);
    else if (n->index != NO_INDEX)
        append_index(out, n->index);
}

/* Cuts text to whole characters. */
static void text_cut(char *text) {
    size_t len = strlen(text);

    text[utf8_valid_length(text, len)] = 0;
}

void instance_location(const struct instance *at, char out[SCHEMA_TEXT_MAX]) {
    struct pointer p = {out, 0};

    *out = 0;
    append_instance(&p, at);
    text_cut(out);
}

void keyword_location(const struct node *n, const char *keyword, char out[SCHEMA_TEXT_MAX]) {
    struct pointer p = {out, 0};

    append(&p, "#", 1);
    if (n)
        append_node(&p, n);
    if (keyword)
        append_token(&p, keyword);
    text_cut(out);
}

/* ---- bounds and reasons ---- */

bool check_fail(struct check *c, const struct keyword *k, const struct instance *at,
                const char *fmt, ...) {
    va_list ap;

    if (c->quiet || c->stopped)
        return false;
    instance_location(at, c->why->instance);
    keyword_location(k->owner, k->kind ? k->kind->name : NULL, c->why->keyword);
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
    if (before / STEPS_PER_CLOCK_CHECK != c->steps / STEPS_PER_CLOCK_CHECK &&
        clock_monotonic_ms() > clock_until_ms(&c->deadline_ms, SCHEMA_TIME_MS))
        return check_stop(c, "takes more than %d ms to check", SCHEMA_TIME_MS);
    return true;
}

/* ---- evaluation ---- */

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

    while (reasons[i].keyword && (!n->keyword || strcmp(reasons[i].keyword, n->keyword) != 0))
        i++;
    return check_fail(c, &(struct keyword){.owner = (struct node *)(uintptr_t)n}, at, "%s",
                      reasons[i].reason);
}

static bool check_keywords(struct check *c, const struct node *n, const struct instance *at) {
    for (size_t i = 0; i < n->count; i++) {
        const struct keyword *k = &n->keywords[i];

        if (k->kind->types & at->type && !k->kind->check(c, k, at))
            return false;
    }
    return true;
}

/* The same, with what it evaluates kept apart until it has succeeded: a schema that fails has no
 * annotations (Core §7.7.1.1). Not in the arena, which would keep one for every schema until the
 * request ends. */
static bool check_apart(struct check *c, const struct node *n, const struct instance *at,
                        bool (*check)(struct check *, const struct node *,
                                      const struct instance *)) {
    size_t words = (at->type == TYPE_OBJECT ? json_size(at->value) : json_len(at->value)) / 64 + 1;
    struct evaluated evaluated = {xcalloc(words, sizeof *evaluated.bits), words};
    struct instance own = *at;
    bool ok;

    own.evaluated = &evaluated;
    ok = check(c, n, &own);
    for (size_t i = 0; ok && at->evaluated && i < words; i++)
        at->evaluated->bits[i] |= evaluated.bits[i];
    free(evaluated.bits);
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
    struct check c = {.scratch = scratch, .why = why};
    struct instance at = {.value = instance, .type = value_type(instance)};

    *why = (struct schema_error){0};
    if (check_node(&c, s->root, &at) && !c.stopped)
        return OK;
    return c.stopped ? ERR_TOO_LARGE : ERR_INVALID_REQUEST;
}

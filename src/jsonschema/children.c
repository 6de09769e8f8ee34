/* Keywords that apply schemas to members and items (Core §10.3, §11). */
#include <stdlib.h>
#include <string.h>

#include "jsonschema/node.h"

#define NAME_BYTES_MAX ((size_t)64 << 20) /* of one member's name; a request is far smaller */

static int compare_name(const void *name, const void *member) {
    return strcmp(name, ((const struct named_node *)member)->name);
}

static const struct named_node *find(const struct keyword *k, const char *name) {
    return k->count ? bsearch(name, k->members, k->count, sizeof *k->members, compare_name) : NULL;
}

bool check_properties(struct check *c, const struct keyword *k, const struct spot *s,
                      struct seen *seen) {
    struct json_member m;
    size_t i = 0;

    for (bool more = json_first(s->v, &m); more; more = json_next(&m), i++) {
        const struct named_node *member = find(k, m.key);

        if (!check_steps(c, 1))
            return false;
        if (!member)
            continue;
        if (!check_member(c, member->node, s, m.key, m.value))
            return false;
        seen_mark(seen, i);
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

bool check_pattern_properties(struct check *c, const struct keyword *k, const struct spot *s,
                              struct seen *seen) {
    struct json_member m;
    size_t at = 0;

    for (bool more = json_first(s->v, &m); more; more = json_next(&m), at++) {
        for (size_t i = 0; i < k->count; i++) {
            if (!name_matches(c, k, i, m.key))
                continue;
            if (!check_member(c, k->members[i].node, s, m.key, m.value))
                return false;
            seen_mark(seen, at);
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

bool check_additional_properties(struct check *c, const struct keyword *k, const struct spot *s,
                                 struct seen *seen) {
    struct json_member m;
    size_t i = 0;

    for (bool more = json_first(s->v, &m); more; more = json_next(&m), i++) {
        if (!check_steps(c, 1))
            return false;
        if (is_named(c, k->beside[0], k->beside[1], m.key))
            continue;
        if (c->stopped || !check_member(c, k->node, s, m.key, m.value))
            return false;
        seen_mark(seen, i);
    }
    return !c->stopped;
}

bool check_property_names(struct check *c, const struct keyword *k, const struct spot *s,
                          struct seen *seen) {
    struct arena *names = arena_new(NAME_BYTES_MAX);
    struct json_member m;
    bool ok = true;

    (void)seen;
    for (bool more = json_first(s->v, &m); ok && more; more = json_next(&m)) {
        ok = check_member(c, k->node, s, m.key, json_new_string(names, m.key));
        arena_reset(names);
    }
    arena_free(names);
    return ok;
}

bool check_prefix_items(struct check *c, const struct keyword *k, const struct spot *s,
                        struct seen *seen) {
    for (size_t i = 0; i < k->count && i < json_len(s->v); i++) {
        if (!check_item(c, k->nodes[i], s, i))
            return false;
        seen_mark(seen, i);
    }
    return true;
}

/* items, additionalItems, and draft-07's items that is an array. */
bool check_items(struct check *c, const struct keyword *k, const struct spot *s,
                 struct seen *seen) {
    if (!k->node)
        return check_prefix_items(c, k, s, seen);
    for (size_t i = k->beside[0] ? k->beside[0]->count : 0; i < json_len(s->v); i++)
        if (!check_item(c, k->node, s, i))
            return false;
    seen_mark_all(seen);
    return true;
}

bool check_contains(struct check *c, const struct keyword *k, const struct spot *s,
                    struct seen *seen) {
    uint64_t n = 0, least = k->beside[0] ? k->beside[0]->limit : 1;
    uint64_t most = k->beside[1] ? k->beside[1]->limit : UINT64_MAX;

    c->quiet++;
    for (size_t i = 0; i < json_len(s->v) && !c->stopped; i++) {
        if (!check_item(c, k->node, s, i))
            continue;
        n++;
        seen_mark(seen, i);
    }
    c->quiet--;
    if (c->stopped)
        return false;
    if (n < least)
        return check_fail(c, k, s,
                          "must contain at least %llu item%s of the kind that the schema describes",
                          (unsigned long long)least, least == 1 ? "" : "s");
    if (n > most)
        return check_fail(c, k->beside[1], s,
                          "must contain at most %llu item%s of the kind that the schema describes",
                          (unsigned long long)most, most == 1 ? "" : "s");
    return true;
}

bool check_unevaluated_properties(struct check *c, const struct keyword *k, const struct spot *s,
                                  struct seen *seen) {
    struct json_member m;
    size_t i = 0;

    for (bool more = json_first(s->v, &m); more; more = json_next(&m), i++)
        if (!seen_has(seen, i) && !check_member(c, k->node, s, m.key, m.value))
            return false;
    seen_mark_all(seen);
    return true;
}

bool check_unevaluated_items(struct check *c, const struct keyword *k, const struct spot *s,
                             struct seen *seen) {
    for (size_t i = 0; i < json_len(s->v); i++)
        if (!seen_has(seen, i) && !check_item(c, k->node, s, i))
            return false;
    seen_mark_all(seen);
    return true;
}

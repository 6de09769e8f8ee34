/* Private part of catalog.h: the rules of ACCESS_FILE, and the entries that they are about. */
#include "base/url.h"
#include "catalog/access_rules.h"
#include "catalog/catalog.h"

/* URIs are compared decoded, since a template decodes the values in them: otherwise %73ecret would
 * be another name of what is denied. One that cannot be decoded matches no template. */
const struct access_rule **catalog_set_rules_about(const struct catalog_set *set, struct arena *a,
                                                   const char *key) {
    struct arena *scratch;
    const struct access_rule **rules;
    const char *decoded;

    if (!set->rules || !set->kind->has_uris || !strchr(key, '%'))
        return access_rules_about(set->rules, a, set->kind->word, key);
    scratch = arena_new(4 * strlen(key) + 1);
    decoded = url_decode(scratch, key, strlen(key), false);
    rules = access_rules_about(set->rules, a, set->kind->word, decoded ? decoded : key);
    arena_free(scratch);
    return rules;
}

static bool are_same(const struct access_rule *const *rules,
                     const struct access_rule *const *others) {
    if (!rules || !others)
        return rules == others;
    for (; *rules && *rules == *others; rules++)
        others++;
    return *rules == *others;
}

bool catalog_set_rules_at(const struct catalog_set *set, struct arena *a, const char *uri,
                          const struct access_rule ***out) {
    const char *plain = set->rules ? url_plain(a, uri) : uri;

    *out = catalog_set_rules_about(set, a, uri);
    return plain && are_same(*out, access_rules_about(set->rules, a, set->kind->word, plain));
}

void catalog_set_rules(struct catalog_set *set, struct access_rules *rules) {
    set->rules = rules;
    for (size_t i = 0; i < CATALOG_LISTS_MAX; i++) {
        struct list *l = &set->lists[i];

        l->restricted = 0;
        for (size_t n = 0; n < l->count; n++) {
            struct access *access = &l->entries[n]->access;

            free(access->rules);
            access->rules = catalog_set_rules_about(set, NULL, l->entries[n]->key);
            l->restricted += access_is_restricted(access);
        }
    }
}

static void use_rules(struct catalog *c, struct access_rules *rules) {
    for (int kind = 0; kind < CATALOG_KINDS; kind++)
        if (c->sets[kind])
            catalog_set_rules(c->sets[kind], rules);
    access_rules_free(c->rules);
    c->rules = rules;
}

bool catalog_update_rules(struct catalog *c, FILE *problems) {
    const char *path = c->config->access_file, *kinds[CATALOG_KINDS + 1] = {NULL};
    struct access_rules *rules;
    struct file_version version = {0};
    struct stat st;
    size_t n = 0;

    if (!*path)
        return true;
    if (!stat(path, &st))
        version = file_version_of(&st);
    if (c->rules && file_version_equal(&version, &c->rules_version))
        return true;
    for (int kind = 0; kind < CATALOG_KINDS; kind++)
        if (!catalog_kinds[kind]->resource) /* otherwise its word is that of resources */
            kinds[n++] = catalog_kinds[kind]->word;
    rules = access_rules_load(path, kinds, problems);
    c->rules_version = version;
    if (rules)
        use_rules(c, rules);
    else if (!c->rules)
        use_rules(c, access_rules_deny_all());
    return rules;
}

/* A resource may match by a template only. */
void catalog_warn_rules(const struct catalog *c, FILE *out) {
    for (int kind = 0; kind < CATALOG_KINDS; kind++)
        if (!catalog_kinds[kind]->has_uris)
            access_rules_warn(c->rules, catalog_kinds[kind]->word, c->config->access_file, out);
}

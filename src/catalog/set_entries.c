/* Private part of catalog.h: the entries of one kind, by key. */
#include "catalog/catalog.h"

#define BUILTIN_BYTES_MAX ((size_t)64 << 20) /* of entries that are built in */

struct entry *catalog_set_find(const struct catalog_set *set, const char *key) {
    struct entry *found = NULL;

    for (size_t i = 0; !found && i < CATALOG_LISTS_MAX; i++)
        found = list_find(&set->lists[i], key);
    return found;
}

/* The list that shows it. */
static struct list *list_of(struct catalog_set *set, const struct entry *entry) {
    size_t i = 0;

    while (set->kind->lists[i].has && !set->kind->lists[i].has(entry))
        i++;
    return &set->lists[i];
}

void catalog_set_add(struct catalog_set *set, struct entry *entry) {
    entry->access.rules = catalog_set_rules_about(set, NULL, entry->key);
    list_add(list_of(set, entry), entry);
    set->count++;
}

void catalog_set_remove(struct catalog_set *set, struct entry *entry) {
    list_remove(list_of(set, entry), entry);
    set->count--;
    free(entry->access.rules);
    entry->access.rules = NULL;
}

struct catalog_set *catalog_set_new(const struct catalog *c, enum catalog_kind which) {
    struct catalog_set *set = xcalloc(1, sizeof *set);

    set->which = which;
    set->kind = catalog_kinds[which];
    set->arena = arena_new(BUILTIN_BYTES_MAX);
    set->resources = set->kind->resource ? c->sets[CATALOG_RESOURCES] : NULL;
    set->rules = c->rules;
    for (size_t i = 0; i < CATALOG_LISTS_MAX; i++)
        set->lists[i] = (struct list){.member = set->kind->lists[i].member,
                                      .server_info = c->config->server.info};
    if (set->kind->add_builtins)
        set->kind->add_builtins(set, c->sources);
    return set;
}

/* Private part of catalog.h: the entries of one kind, by key. */
#include "catalog/catalog.h"

#include <stdlib.h>

#define BUCKETS_FIRST 64                     /* a power of two */
#define BUILTIN_BYTES_MAX ((size_t)64 << 20) /* of entries that are built in */

static struct entry **bucket_of(const struct catalog_set *set, const char *key) {
    return &set->buckets[text_hash(text_of(key)) & (set->bucket_count - 1)];
}

struct entry *catalog_set_find(const struct catalog_set *set, const char *key) {
    struct entry *entry = *bucket_of(set, key);

    while (entry && strcmp(entry->key, key) != 0)
        entry = entry->next;
    return entry;
}

/* As many buckets as entries, or more. */
static void grow(struct catalog_set *set) {
    struct entry **old = set->buckets;
    size_t old_count = set->bucket_count;

    set->bucket_count *= 2;
    set->buckets = xcalloc(set->bucket_count, sizeof *set->buckets);
    for (size_t i = 0; i < old_count; i++)
        for (struct entry *entry = old[i], *next; entry; entry = next) {
            struct entry **bucket = bucket_of(set, entry->key);

            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    free(old);
}

/* The list that shows it. */
static struct list *list_of(struct catalog_set *set, const struct entry *entry) {
    size_t i = 0;

    while (set->kind->lists[i].has && !set->kind->lists[i].has(entry))
        i++;
    return &set->lists[i];
}

void catalog_set_add(struct catalog_set *set, struct entry *entry) {
    struct entry **bucket;

    entry->access.rules = catalog_set_rules_about(set, NULL, entry->key);
    if (set->count++ == set->bucket_count)
        grow(set);
    bucket = bucket_of(set, entry->key);
    entry->next = *bucket;
    *bucket = entry;
    list_add(list_of(set, entry), entry);
}

void catalog_set_remove(struct catalog_set *set, struct entry *entry) {
    struct entry **at = bucket_of(set, entry->key);

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    set->count--;
    list_remove(list_of(set, entry), entry);
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
    set->bucket_count = BUCKETS_FIRST;
    set->buckets = xcalloc(set->bucket_count, sizeof *set->buckets);
    for (size_t i = 0; i < CATALOG_LISTS_MAX; i++)
        set->lists[i] = (struct list){.member = set->kind->lists[i].member,
                                      .server_info = c->config->server.info};
    if (set->kind->add_builtins)
        set->kind->add_builtins(set, c->sources);
    return set;
}

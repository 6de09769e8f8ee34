#include "catalog/set.h"

#include <dirent.h>
#include <errno.h>

#include "base/base.h"
#include "base/text.h"

/* Upper limit for a full directory of longest manifests, in lists for both kinds of protocol
 * versions; memory is allocated as needed. */
#define SET_BYTES_MAX ((size_t)1 << 30)
#define SCRATCH_BYTES_MAX ((size_t)64 << 20) /* to read one manifest */

const char *catalog_kind_directory(const struct catalog_kind_info *kind,
                                   const struct config *config) {
    const char *dir;

    memcpy(&dir, (const char *)config + kind->directory, sizeof dir);
    return dir;
}

static int file_order(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_manifest(const struct dirent *d) {
    return d->d_name[0] != '.' && text_ends_with(d->d_name, ".json");
}

void catalog_set_add(struct catalog_set *set, const struct entry *entry) {
    set->entries[set->count++] = entry;
}

static enum rc taken(const struct catalog_set *set, const struct entry *other, struct err *e) {
    if (set->kind->has_uris)
        return err_set(e, ERR_INVALID_REQUEST, "the address is taken by %s", other->file);
    return err_set(e, ERR_INVALID_REQUEST, "the name %s is taken by %s", other->key,
                   other->file ? other->file : "a built-in tool");
}

/* What lists show, unless the kind has made it. */
static void keep_definition(const struct manifest *m, struct entry *entry) {
    struct text t;

    if (entry->definition[0].p)
        return;
    json_del(m->v, "run");
    t.p = json_text(m->keep, m->v, &t.len);
    for (size_t i = 0; i < PROTOCOL_KINDS; i++)
        entry->definition[i] = t;
}

static enum rc load_one(struct catalog_set *set, const struct manifest *m) {
    struct entry *entry = arena_alloc(set->arena, set->kind->entry_size);
    enum rc rc = set->kind->read(m, entry);

    if (rc)
        return rc;
    entry->file = m->file;
    keep_definition(m, entry);
    for (size_t i = 0; i < set->count; i++) /* they are not sorted yet */
        if (!strcmp(set->entries[i]->key, entry->key))
            return taken(set, set->entries[i], m->e);
    if (set->count == set->kind->max)
        return err_set(m->e, ERR_INVALID_REQUEST, "there are more than %zu %s", set->kind->max,
                       set->kind->plural);
    catalog_set_add(set, entry);
    return OK;
}

static unsigned load_directory(struct catalog_set *set, const struct catalog_sources *sources,
                               const char *dir, FILE *problems) {
    struct arena *scratch;
    struct dirent **files;
    unsigned bad = 0;
    int n = scandir(dir, &files, is_manifest, file_order);

    if (n < 0) {
        (void)fprintf(problems, "%s: %s\n", dir, strerror(errno));
        return 1;
    }
    scratch = arena_new(SCRATCH_BYTES_MAX);
    for (int i = 0; i < n; i++) {
        struct err e = {0};
        struct manifest m = {.file = arena_strdup(set->arena, files[i]->d_name),
                             .keep = set->arena,
                             .scratch = scratch,
                             .sources = sources,
                             .outputs = set->kind->outputs,
                             .e = &e};

        if (manifest_open(&m, dir) || load_one(set, &m)) {
            err_print(problems, arena_printf(scratch, "%s/%s", dir, m.file), &e);
            bad++;
        }
        free(files[i]);
        arena_reset(scratch);
    }
    free(files);
    arena_free(scratch);
    return bad;
}

/* ---- the whole set ---- */

/* Compares keys as bytes: the order must not depend on the locale. */
static int by_key(const void *a, const void *b) {
    return strcmp((*(const struct entry *const *)a)->key, (*(const struct entry *const *)b)->key);
}

static int key_and_entry(const void *key, const void *entry) {
    return strcmp(key, (*(const struct entry *const *)entry)->key);
}

static void make_list(struct catalog_set *set, size_t which) {
    const struct catalog_list *of = &set->kind->lists[which];
    struct list *l = &set->lists[which];

    l->member = of->member;
    l->entries = arena_alloc(set->arena, (set->count + 1) * sizeof *l->entries);
    for (size_t i = 0; i < set->count; i++)
        if (!of->has || of->has(set->entries[i]))
            l->entries[l->count++] = set->entries[i];
    list_prepare(l, set->arena);
}

struct catalog_set *catalog_set_load(const struct catalog_kind_info *kind,
                                     const struct config *config,
                                     const struct catalog_sources *sources, FILE *problems,
                                     unsigned *bad) {
    const char *dir = catalog_kind_directory(kind, config);
    struct arena *arena = arena_new(SET_BYTES_MAX);
    struct catalog_set *set = arena_alloc(arena, sizeof *set);

    set->kind = kind;
    set->arena = arena;
    set->entries = arena_alloc(arena, kind->max * sizeof *set->entries);
    if (kind->add_builtins)
        kind->add_builtins(set, sources);
    *bad = *dir ? load_directory(set, sources, dir, problems) : 0;
    qsort(set->entries, set->count, sizeof *set->entries, by_key);
    for (size_t i = 0; i < CATALOG_LISTS_MAX && kind->lists[i].member; i++)
        make_list(set, i);
    return set;
}

void catalog_set_free(struct catalog_set *set) {
    if (set)
        arena_free(set->arena);
}

const struct entry *catalog_set_find(const struct catalog_set *set, const char *key) {
    const struct entry *const *found =
        bsearch(key, set->entries, set->count, sizeof *set->entries, key_and_entry);

    return found ? *found : NULL;
}

void catalog_set_advise(const struct catalog_set *set, const char *dir, FILE *out) {
    struct arena *a;

    if (!set->kind->advise)
        return;
    a = arena_new(SCRATCH_BYTES_MAX);
    for (size_t i = 0; i < set->count; i++) {
        const struct entry *entry = set->entries[i];

        if (entry->file)
            set->kind->advise(entry, arena_printf(a, "%s/%s", dir, entry->file), a, out);
        arena_reset(a);
    }
    arena_free(a);
}

/* All entries of one kind: read from a directory of manifests, sorted, listed, found. */
#pragma once

#include "catalog/entry.h"
#include "catalog/list.h"
#include "catalog/manifest.h"
#include "config/config.h"
#include <stdio.h>

#define CATALOG_LISTS_MAX 2 /* of one kind */

/* A kind of manifest. A new kind is a file with this structure, and a row in the table of
 * catalog.c. */
struct catalog_set;
struct catalog_kind_info {
    const char *plural;   /* "tools" */
    const char *left_out; /* the log event for a manifest that is left out */
    size_t directory;     /* offset of the directory in struct config; an empty value means none */
    size_t entry_size, max; /* bytes of an entry's structure, which begins with a struct entry */
    bool has_uris;          /* its keys are URIs, not names */
    const struct program_output *outputs;
    /* Fills the entry, but for its file. Without a definition it is listed as the manifest is,
     * without "run". ERR_INVALID_REQUEST with the reason. */
    enum rc (*read)(const struct manifest *m, struct entry *out);
    void (*add_builtins)(struct catalog_set *set, const struct catalog_sources *sources);
    /* Writes a line with "warning:" for whatever widely used clients refuse. NULL: no such check.
     */
    void (*advise)(const struct entry *entry, const char *where, struct arena *a, FILE *out);
    struct catalog_list {
        const char *member; /* of the result of its list method; NULL: there is no such list */
        bool (*has)(const struct entry *entry); /* NULL: it has every entry */
    } lists[CATALOG_LISTS_MAX];
};

/* All entries of one kind. */
struct catalog_set {
    const struct catalog_kind_info *kind;
    struct arena *arena;
    const struct entry **entries; /* by key, when all are there */
    size_t count;
    struct list lists[CATALOG_LISTS_MAX];
};

/* Where struct config has the kind's directory. */
const char *catalog_kind_directory(const struct catalog_kind_info *kind,
                                   const struct config *config);

/* Reads all manifests of the directory in the order of file names. A wrong one is left out and
 * reported to `problems`, in a line with file and reason; *bad is the number of those. Never NULL.
 */
struct catalog_set *catalog_set_load(const struct catalog_kind_info *kind,
                                     const struct config *config,
                                     const struct catalog_sources *sources, FILE *problems,
                                     unsigned *bad);
void catalog_set_free(struct catalog_set *set); /* NULL is accepted */
/* NULL: there is none. */
const struct entry *catalog_set_find(const struct catalog_set *set, const char *key);
/* For add_builtins. */
void catalog_set_add(struct catalog_set *set, const struct entry *entry);
/* Writes a line for each valid entry that widely used clients refuse, with its path in `dir`. */
void catalog_set_advise(const struct catalog_set *set, const char *dir, FILE *out);

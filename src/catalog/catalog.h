/* The catalog: all tools, resources and prompts of the service. Each kind has a directory of
 * manifests. It is loaded once, then only read. */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "catalog/entry.h"
#include "catalog/list.h"
#include "catalog/manifest.h"
#include "config/config.h"
#include <stdio.h>

enum catalog_kind { CATALOG_TOOLS, CATALOG_RESOURCES, CATALOG_PROMPTS, CATALOG_KINDS };
#define CATALOG_LISTS_MAX 2 /* of one kind */

struct catalog_set;

/* A kind of manifest. A new kind is a file with this structure, and a row in the table of
 * catalog.c. */
struct catalog_kind_info {
    const char *plural;   /* "tools" */
    const char *left_out; /* the log event for a manifest that is left out */
    size_t directory;     /* offset of the directory in struct config; an empty value means none */
    size_t entry_size, max; /* bytes of an entry's structure, which begins with a struct entry */
    bool has_uris;          /* its keys are URIs, not names */
    const struct program_output *outputs;
    /* Fills the entry, but for its file. ERR_INVALID_REQUEST with the reason. */
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
extern const struct catalog_kind_info *const catalog_kinds[CATALOG_KINDS];

/* All entries of one kind. */
struct catalog_set {
    const struct catalog_kind_info *kind;
    struct arena *arena;
    const struct entry **entries; /* by key, when all are there */
    size_t count;
    struct list lists[CATALOG_LISTS_MAX];
};

struct catalog {
    const struct config *config;
    const struct catalog_sources *sources;
    struct catalog_set *sets[CATALOG_KINDS]; /* NULL: not loaded */
};

/* Empty. The catalog keeps both pointers. Never NULL. */
struct catalog *catalog_new(const struct config *config, const struct catalog_sources *sources);
void catalog_free(struct catalog *c); /* NULL is accepted */
/* Reads all manifests of the kind's directory in the order of file names, and replaces what was
 * loaded before. A wrong one is left out and reported to `problems`, in a line with file and
 * reason. Returns the number of those. */
unsigned catalog_load(struct catalog *c, enum catalog_kind kind, FILE *problems);
const char *catalog_directory(const struct config *config, enum catalog_kind kind);
/* Writes a line for each valid entry that widely used clients refuse. */
void catalog_advise(const struct catalog *c, enum catalog_kind kind, FILE *out);

/* NULL: there is none. */
const struct entry *catalog_find(const struct catalog *c, enum catalog_kind kind, const char *key);
const struct list *catalog_list(const struct catalog *c, enum catalog_kind kind, size_t which);

/* For add_builtins. */
void catalog_add(struct catalog_set *set, const struct entry *entry);

#endif

/* The catalog: all tools, resources and prompts of a site, read from directories of manifests. It
 * is loaded, and then only read. */
#pragma once

#include "base/base.h"
#include "base/text.h"
#include "catalog/manifest.h"
#include "catalog/protocol.h"
#include "config/config.h"

enum catalog_kind { CATALOG_TOOLS, CATALOG_RESOURCES, CATALOG_PROMPTS, CATALOG_KINDS };

/* What tools, resources and prompts have in common. */
struct entry {
    const char *key;    /* a name, URI or URI template; lists are sorted by it, as bytes */
    const char *name;   /* for the log */
    const char *file;   /* of the manifest; NULL: built in */
    const char *scopes; /* that a caller needs besides REQUIRED_SCOPES; "" for none */
    struct source source;
    struct text definition[PROTOCOL_KINDS]; /* what lists show, by protocol_index() */
};

/* ---- lists: what tools/list, resources/list and so on answer ---- */

/* Bytes of the definitions on a page. Many clients read only the first page, so the limit is high
 * enough to have usually one. */
#define LIST_PAGE_BYTES_MAX ((size_t)4 << 20)

/* Pages of definitions in a fixed order. The first page is made once and then copied. */
struct list {
    const char *member;           /* "tools" */
    const struct entry **entries; /* in the order of their keys */
    size_t count;
    struct text first[PROTOCOL_KINDS];
    bool has_scopes; /* some entry needs scopes */
};

/* Which page, for whom. */
struct list_query {
    enum mcp_protocol protocol;
    const struct json *cursor; /* of the page, as the client sent it; NULL: the first */
    const char *scopes; /* entries that need other scopes are left out; NULL: all are listed */
};

/* *out is the page as the text of a result. False: an invalid cursor. */
bool list_page(const struct list *l, const struct list_query *q, struct arena *a,
               struct text *out) MUST_USE;

/* ---- the entries of one kind: read from a directory, sorted, listed, found ---- */

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
    /* Fills the entry, except its file. If it sets no definition, lists show the manifest without
     * "run". ERR_INVALID_REQUEST with the reason. */
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

/* tools.c, resources.c, prompts.c */
extern const struct catalog_kind_info tool_kind, resource_kind, prompt_kind;
extern const struct catalog_kind_info *const catalog_kinds[CATALOG_KINDS];

struct catalog_set {
    const struct catalog_kind_info *kind;
    struct arena *arena;
    const struct entry **entries; /* sorted by key, once all are added */
    size_t count;
    struct list lists[CATALOG_LISTS_MAX];
};

/* NULL: there is none. */
const struct entry *catalog_set_find(const struct catalog_set *set, const char *key);
/* For add_builtins. */
void catalog_set_add(struct catalog_set *set, const struct entry *entry);

/* ---- the catalog ---- */

struct catalog {
    const struct config *config;
    const struct catalog_sources *sources;
    struct catalog_set *sets[CATALOG_KINDS]; /* NULL: not loaded */
};

/* Makes an empty catalog, which keeps both pointers. Never NULL. */
struct catalog *catalog_new(const struct config *config, const struct catalog_sources *sources);
void catalog_free(struct catalog *c); /* NULL is accepted */
/* Reads all manifests of one kind, and replaces what was loaded before. Returns how many are left
 * out, with a line to `problems` for each. */
unsigned catalog_load(struct catalog *c, enum catalog_kind kind, FILE *problems);
const char *catalog_directory(const struct config *config, enum catalog_kind kind);
/* Has a manifest of any kind changed since this time (ms of real time)? */
bool catalog_has_changed(const struct config *config, int64_t since_ms);
/* Writes a line for each valid entry that widely used clients refuse. */
void catalog_advise(const struct catalog *c, enum catalog_kind kind, FILE *out);

/* Each is NULL if there is none; resources.h has the search for resources. */
const struct tool *catalog_tool(const struct catalog *c, const char *name);
const struct prompt *catalog_prompt(const struct catalog *c, const char *name);

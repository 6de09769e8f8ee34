/* The catalog: all tools, resources, prompts and skills of a site, read from directories of
 * manifests. It is loaded before workers are forked, so that they share its memory; a manifest that
 * changes later is read alone, and nothing else is written to. list.c has the lists, set_entries.c
 * the entries of a kind, and set.c the files that they come from. */
#pragma once

#include "base/file.h"
#include "catalog/access.h"
#include "catalog/program.h"
#include "catalog/protocol.h"
#include "config/config.h"

enum catalog_kind {
    CATALOG_TOOLS,
    CATALOG_RESOURCES,
    CATALOG_PROMPTS,
    CATALOG_SKILLS,
    CATALOG_KINDS,
    CATALOG_SERVERS = CATALOG_KINDS, /* servers.h: each puts entries into the sets of the kinds */
    CATALOG_SETS
};

/* What tools, resources and prompts have in common. */
struct entry {
    const char *key;  /* a name, URI or URI template; lists are sorted by it, as bytes */
    const char *name; /* for the log */
    const char *file; /* of the manifest; NULL: built in */
    struct access access;
    struct source source;
    bool is_foreign; /* from no manifest of its own: of an MCP server (servers.h), or a skill's */
    bool is_app;     /* a tool with a user interface (MCP Apps) */
    struct text definition[PROTOCOL_KINDS]; /* what lists show, by protocol_index() */
};

/* ---- lists: what tools/list, resources/list and so on answer ---- */

/* Bytes of the definitions on a page. Many clients read only the first page, so the limit is so
 * high that there is usually only one. */
#define LIST_PAGE_BYTES_MAX ((size_t)4 << 20)

/* Pages of definitions in a fixed order. The first page, of all entries, is kept. */
struct list {
    const char *member;      /* "tools" */
    const char *server_info; /* of the answer's _meta: an object, as JSON */
    struct entry **entries;  /* in the order of their keys */
    size_t count;
    size_t restricted;                      /* how many entries not everybody may use */
    size_t apps;                            /* how many have is_app */
    struct text first_page[PROTOCOL_KINDS]; /* p is NULL: it has to be made */
};

/* Both change the first page. */
void list_add(struct list *l, struct entry *entry);             /* which is not in the list */
void list_remove(struct list *l, const struct entry *entry);    /* which is */
struct entry *list_find(const struct list *l, const char *key); /* NULL: there is none */
bool list_make_first_pages(struct list *l);                     /* false: they were there */
void list_clear(struct list *l);                                /* frees what it has allocated */

/* Which page, for whom. */
struct list_query {
    enum mcp_protocol protocol;
    const struct json *cursor; /* of the page, as the client sent it; NULL: the first */
    struct caller *caller;     /* what they may not use is left out; NULL: all are listed */
};

/* *out is the page as the text of a result; it is valid until the list changes. False: an invalid
 * cursor. */
bool list_page(struct list *l, const struct list_query *q, struct arena *a,
               struct text *out) MUST_USE;
/* The text of a result with this one entry of the list, as the member `member`. */
struct text list_one(const struct list *l, const struct entry *entry, const char *member,
                     enum mcp_protocol protocol, struct arena *a);

/* ---- the entries of one kind: how they are read from a directory, listed and found ---- */

#define CATALOG_LISTS_MAX 2       /* of one kind */
#define CATALOG_ENTRIES_MAX 10000 /* of one kind, with those that are built in */

struct catalog;
struct catalog_set;

/* A kind of manifest. A new kind is a file with this structure, and a row in the table of
 * catalog.c. */
struct catalog_kind_info {
    const char *word;          /* "tool", in ACCESS_FILE */
    const char *plural;        /* "tools" */
    const char *invalid_event; /* logged for a manifest that is not served, since it is wrong */
    size_t directory;   /* offset of the directory in struct config; an empty value means none */
    size_t entry_size;  /* bytes of an entry's structure, which begins with a struct entry */
    size_t entries_max; /* 0: CATALOG_ENTRIES_MAX */
    bool has_uris;      /* its keys are URIs, not names */
    bool is_optional;   /* the directory may not be there */
    /* Its manifests are folders, each perhaps with a file NAME.json beside, and m->v is not set.
     * *out tells one content of both from another; st_ino is 0 if that is not known. False: neither
     * is at the path of the folder. NULL: they are files. */
    bool (*stat_folder)(const char *path, struct stat *out);
    const struct program_output *outputs;
    /* Fills the entry, except its file. If it sets no definition, lists show the manifest without
     * "run". ERR_INVALID_REQUEST with the reason. */
    enum rc (*read)(const struct manifest *m, struct entry *out);
    /* The same from what an MCP server offers, whose members have the right types: all but access
     * and source. The server itself checks arguments and results. NULL: servers offer none.
     * ERR_INVALID_REQUEST: clients would refuse it. */
    enum rc (*read_foreign)(const struct manifest *m, struct entry *out);
    void (*add_builtins)(struct catalog_set *set, const struct catalog_sources *sources);
    /* Writes a line with "warning:" for whatever widely used clients refuse. NULL: no check. */
    void (*warn)(const struct entry *entry, const char *where, struct arena *a, FILE *out);
    /* The entry of CATALOG_RESOURCES that comes and goes with this one. NULL: there is none. */
    struct entry *(*resource)(struct entry *entry);
    /* The entry has come into its set, and leaves it. m->v may be changed. NULL: nobody is told. */
    void (*added)(const struct catalog *c, struct entry *entry, struct manifest *m, FILE *problems);
    void (*removed)(struct entry *entry);
    /* Is it to be read again, though its file has not changed? NULL: no. */
    bool (*is_old)(const struct entry *entry, bool others_changed);
    struct list_kind {
        const char *member; /* of the result of its list method; NULL: there is no such list */
        bool (*has)(const struct entry *entry); /* NULL: it has every entry */
    } lists[CATALOG_LISTS_MAX];
};

/* tools.c, resources.c, prompts.c, skills.c, servers.c */
extern const struct catalog_kind_info tool_kind, resource_kind, prompt_kind, skill_kind,
    server_kind;
extern const struct catalog_kind_info *const catalog_kinds[CATALOG_SETS];

/* A file of the directory. */
struct manifest_file {
    char *name;
    struct file_version version; /* that was read */
    struct arena *keep;          /* its entry's memory */
    struct entry *entry;         /* NULL: it is left out, for whatever reason */
};

struct catalog_set {
    enum catalog_kind which;
    const struct catalog_kind_info *kind;
    struct arena *arena;                  /* of entries that are built in */
    struct catalog_set *resources;        /* which has another entry for each; NULL: none */
    size_t count;                         /* of entries */
    struct list lists[CATALOG_LISTS_MAX]; /* each entry is in one of them */
    struct manifest_file **files;         /* sorted by name */
    size_t file_count;
    char *real_dir;             /* the directory when it was last read; NULL: it could not be */
    int dir_errno;              /* why not */
    struct access_rules *rules; /* of the catalog; NULL: none */
};

/* Has what is built in. Never NULL. */
struct catalog_set *catalog_set_new(const struct catalog *c, enum catalog_kind which);
void catalog_set_free(struct catalog_set *set); /* NULL is accepted */
/* Reads the manifest of this name, which may be new, changed or gone, and again those that are left
 * out, since the reason may be gone. One that has changed after at_ms stays as it was (see
 * catalog_update). */
void catalog_set_read(struct catalog_set *set, const struct catalog *c, const char *name,
                      int64_t at_ms, FILE *problems);
/* The same for all that are not as they were read. Returns how many are left out. */
unsigned catalog_set_read_changed(struct catalog_set *set, const struct catalog *c, int64_t at_ms,
                                  FILE *problems);
/* The entry with this key; NULL: there is none. */
struct entry *catalog_set_find(const struct catalog_set *set, const char *key);
/* The key is not in the set yet. The entry stays the caller's. */
void catalog_set_add(struct catalog_set *set, struct entry *entry);
void catalog_set_remove(struct catalog_set *set, struct entry *entry);
/* Puts these rules in force, NULL: none. To be called before those in force so far are freed. */
void catalog_set_rules(struct catalog_set *set, struct access_rules *rules);
/* The rules about an entry with this key, as access_rules_about. */
const struct access_rule **catalog_set_rules_about(const struct catalog_set *set, struct arena *a,
                                                   const char *key);
/* Those about a URI that is read by a template of the set. False: another spelling of it is under
 * other rules (url_plain), so it must not be read. */
bool catalog_set_rules_at(const struct catalog_set *set, struct arena *a, const char *uri,
                          const struct access_rule ***out);

/* ---- the catalog ---- */

struct catalog {
    const struct config *config;
    const struct catalog_sources *sources;
    struct catalog_set *sets[CATALOG_SETS]; /* NULL: not loaded */
    struct access_rules *rules;             /* of ACCESS_FILE; NULL: none */
    struct file_version rules_version;      /* of the file that was read */
};

/* Makes an empty catalog, which keeps both pointers. Never NULL. */
struct catalog *catalog_new(const struct config *config, const struct catalog_sources *sources);
void catalog_free(struct catalog *c); /* NULL is accepted */
/* Reads all manifests of one kind in the order of their names, and replaces what was loaded before.
 * A wrong one is left out. Returns how many are, with a line to `problems` for each. */
unsigned catalog_load(struct catalog *c, enum catalog_kind kind, FILE *problems);
/* After a change of the manifest of this name, or, if that is NULL, perhaps of any: reads what has
 * changed until at_ms, in real time; INT64_MAX: as it is now, so that the result is what
 * catalog_load would give. A later change is not read before it is announced: if some workers did,
 * a client would be told of a tool that the next worker does not know. `problems` gets a line for
 * each manifest that is left out from now on. */
void catalog_update(struct catalog *c, enum catalog_kind kind, const char *name, int64_t at_ms,
                    FILE *problems);
/* Reads ACCESS_FILE if it is not as it was read. If it is wrong, `problems` gets a line for each
 * fault; the rules from before stay in force, or if there are none everything is denied. False: it
 * is wrong. */
bool catalog_update_rules(struct catalog *c, FILE *problems);
/* Writes a line for each rule that is about no tool or prompt. */
void catalog_warn_rules(const struct catalog *c, FILE *out);
/* Makes the first page of each list, which would be made when it is first asked for. False: all of
 * them were there. */
bool catalog_make_ready(struct catalog *c);
const char *catalog_directory(const struct config *config, enum catalog_kind kind);
/* Writes a line for each valid entry that widely used clients refuse. */
void catalog_warn(const struct catalog *c, enum catalog_kind kind, FILE *out);

/* NULL: there is none. tools.h has the structure. */
const struct tool *catalog_tool(const struct catalog *c, const char *name);

/* ---- prompts (prompts.c) ---- */

/* A prompt has either messages or a source. */
struct prompt {
    struct entry entry;                /* first */
    const char *description;           /* NULL: none */
    struct json *arguments;            /* an object: their names, each with "required" or "" */
    struct json *messages;             /* with {{arguments}}; NULL: none */
    const struct completion *complete; /* of arguments; NULL: none */
};

/* Is it an array of messages, each with a role and a content? */
bool prompt_messages_are_valid(const struct json *messages);
const struct prompt *catalog_prompt(const struct catalog *c, const char *name); /* NULL: none */

/* ---- resources, and the templates of resources (resources.c) ---- */

#define RESOURCE_BYTES_MAX ((int64_t)16 << 20)

/* A resource has either a path, content or a source. */
struct resource {
    struct entry entry; /* first */
    bool is_template;
    const char *mime;                  /* NULL: unknown */
    const char *path;                  /* of a file, perhaps with symbolic links; NULL: none */
    const char *folder;                /* of a skill: `path` is in it, and has no links from there
                                          on; NULL: none */
    struct json *meta;                 /* "_meta" of its contents; NULL: none */
    struct json *content;              /* a text, or a JSON value, with {{variables}}; NULL: none */
    const struct completion *complete; /* of variables; NULL: none */
    int64_t max_bytes, ttl_ms;
    /* Of a template: what URIs are compared with; with has_query, without what follows their first
     * '?' or '#'. */
    const char *pattern;
    bool has_query;
};

/* The lists of the kind. */
enum { RESOURCES, RESOURCE_TEMPLATES };

/* Finds a resource by its URI, or the first template that matches it, with the variables' values:
 * those of servers last. */
const struct resource *catalog_resource(const struct catalog *c, struct arena *a, const char *uri,
                                        struct json **variables);
/* What lists show, unless the entry has it: the definition without "run". */
void catalog_keep_definition(const struct manifest *m, struct entry *entry);
const struct resource *catalog_template(const struct catalog *c, const char *uri_template);

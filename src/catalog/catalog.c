#include "catalog/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/text.h"
#include "base/url.h"

/* ---- lists ---- */

#define SCRATCH_BYTES_MAX ((size_t)64 << 20) /* to read one manifest, or to make a first page */
#define PAGE_BUFFER_MAX (LIST_PAGE_BYTES_MAX + ((size_t)2 << 20)) /* with a last, long entry */
#define CURSOR_PREFIX "after:"
#define LIST_TTL_MS "60000" /* how long a client may cache it, since files may change */

/* The first entry from i on that these scopes allow; with NULL all are allowed. */
static size_t next_shown(const struct list *l, size_t i, const char *scopes) {
    while (i < l->count && scopes && !list_covers(scopes, l->entries[i]->scopes))
        i++;
    return i;
}

/* The list is private, since it depends on the token. The cursor of the next page is the last key
 * of this one, so that it stays valid when the list changes. */
static struct text make_page(const struct list *l, size_t from, enum mcp_protocol protocol,
                             const char *scopes, struct arena *a) {
    const char *last = NULL;
    size_t i = next_shown(l, from, scopes), bytes = 0;
    struct buf b;

    buf_init(&b, a, PAGE_BUFFER_MAX);
    buf_addf(&b, "{%s\"%s\":[",
             protocol == PROTOCOL_STATELESS ? "\"resultType\":\"complete\"," : "", l->member);
    while (i < l->count) {
        const struct text *t = &l->entries[i]->definition[protocol_index(protocol)];

        bytes += t->len + 1;
        if (last && bytes > LIST_PAGE_BYTES_MAX)
            break;
        if (last)
            buf_addc(&b, ',');
        buf_add(&b, t->p, t->len);
        last = l->entries[i]->key;
        i = next_shown(l, i + 1, scopes);
    }
    buf_addc(&b, ']');
    if (i < l->count) {
        last = arena_printf(a, CURSOR_PREFIX "%s", last);
        buf_addf(&b, ",\"nextCursor\":\"%s\"", base64url_encode(a, last, strlen(last)));
    }
    if (protocol == PROTOCOL_STATELESS)
        buf_adds(&b, ",\"ttlMs\":" LIST_TTL_MS
                     ",\"cacheScope\":\"private\",\"_meta\":{\"" META_SERVER_INFO
                     "\":" MCP_SERVER_INFO "}");
    buf_addc(&b, '}');
    return (struct text){b.p, b.len};
}

/* Makes the first pages from the entries, with memory of `keep`. */
static void list_prepare(struct list *l, struct arena *keep) {
    static const enum mcp_protocol protocols[] = {PROTOCOL_HANDSHAKE, PROTOCOL_STATELESS};

    for (size_t i = 0; i < l->count; i++)
        l->has_scopes = l->has_scopes || *l->entries[i]->scopes;
    for (size_t i = 0; i < PROTOCOL_KINDS; i++) {
        struct arena *scratch = arena_new(SCRATCH_BYTES_MAX); /* a buffer that grows is copied */
        struct text t = make_page(l, 0, protocols[i], NULL, scratch);

        l->first[protocol_index(protocols[i])] =
            (struct text){arena_strndup(keep, t.p, t.len), t.len};
        arena_free(scratch);
    }
}

/* The index of the first entry after the cursor. False: an invalid cursor ("Pagination"). */
static bool find_start(const struct list *l, const struct json *cursor, struct arena *a,
                       size_t *from) {
    size_t len, key_len;
    const char *text = json_strn(cursor, &len);
    const char *key = text ? (const char *)base64url_decode(a, text, len, &key_len) : NULL;

    if (!key || memchr(key, 0, key_len))
        return false;
    key = arena_strndup(a, key, key_len);
    if (strncmp(key, CURSOR_PREFIX, sizeof CURSOR_PREFIX - 1) != 0)
        return false;
    key += sizeof CURSOR_PREFIX - 1;
    for (*from = 0; *from < l->count && strcmp(l->entries[*from]->key, key) <= 0; (*from)++)
        ;
    return true;
}

bool list_page(const struct list *l, const struct list_query *q, struct arena *a,
               struct text *out) {
    const char *scopes = l->has_scopes ? q->scopes : NULL;
    size_t from = 0;

    if (!scopes && !q->cursor) {
        *out = l->first[protocol_index(q->protocol)];
        return true;
    }
    if (q->cursor && !find_start(l, q->cursor, a, &from))
        return false;
    *out = make_page(l, from, q->protocol, scopes, a);
    return true;
}

/* ---- the entries of one kind ---- */

/* Upper limit for a full directory of longest manifests, in lists for both kinds of protocol
 * versions; memory is allocated as needed. */
#define SET_BYTES_MAX ((size_t)1 << 30)

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

/* Reads all manifests of the directory in the order of file names. A wrong one is left out and
 * reported to `problems`, in a line with file and reason; *bad is the number of those. */
static struct catalog_set *load_set(const struct catalog_kind_info *kind,
                                    const struct catalog_sources *sources, const char *dir,
                                    FILE *problems, unsigned *bad) {
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

const struct entry *catalog_set_find(const struct catalog_set *set, const char *key) {
    const struct entry *const *found =
        bsearch(key, set->entries, set->count, sizeof *set->entries, key_and_entry);

    return found ? *found : NULL;
}

/* ---- the catalog ---- */

const struct catalog_kind_info *const catalog_kinds[CATALOG_KINDS] = {
    [CATALOG_TOOLS] = &tool_kind,
    [CATALOG_RESOURCES] = &resource_kind,
    [CATALOG_PROMPTS] = &prompt_kind,
};

struct catalog *catalog_new(const struct config *config, const struct catalog_sources *sources) {
    struct catalog *c = xcalloc(1, sizeof *c);

    c->config = config;
    c->sources = sources;
    return c;
}

static void free_set(struct catalog_set *set) {
    if (set)
        arena_free(set->arena);
}

void catalog_free(struct catalog *c) {
    for (int kind = 0; c && kind < CATALOG_KINDS; kind++)
        free_set(c->sets[kind]);
    free(c);
}

const char *catalog_directory(const struct config *config, enum catalog_kind kind) {
    const char *dir;

    memcpy(&dir, (const char *)config + catalog_kinds[kind]->directory, sizeof dir);
    return dir;
}

bool catalog_has_changed(const struct config *config, int64_t since_ms) {
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++)
        if (folder_has_changed(catalog_directory(config, kind), since_ms))
            return true;
    return false;
}

unsigned catalog_load(struct catalog *c, enum catalog_kind kind, FILE *problems) {
    unsigned bad;

    free_set(c->sets[kind]);
    c->sets[kind] = load_set(catalog_kinds[kind], c->sources, catalog_directory(c->config, kind),
                             problems, &bad);
    return bad;
}

void catalog_advise(const struct catalog *c, enum catalog_kind kind, FILE *out) {
    const struct catalog_set *set = c->sets[kind];
    const char *dir = catalog_directory(c->config, kind);
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

const struct tool *catalog_tool(const struct catalog *c, const char *name) {
    return (const struct tool *)catalog_set_find(c->sets[CATALOG_TOOLS], name);
}

const struct prompt *catalog_prompt(const struct catalog *c, const char *name) {
    return (const struct prompt *)catalog_set_find(c->sets[CATALOG_PROMPTS], name);
}

/* The set of tools: loaded once, then only read. */
#include "mcp/tools.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define SET_BYTES_MAX ((size_t)64 << 20)
#define LIST_BYTES_MAX ((size_t)32 << 20)
#define LIST_TTL_MS "60000" /* how long a client may trust its copy: a reload changes the list */

/* Compares names as bytes: the order must not depend on the locale. */
static int by_name(const void *a, const void *b) {
    return strcmp(((const struct tool *)a)->name, ((const struct tool *)b)->name);
}

static int name_and_tool(const void *name, const void *tool) {
    return strcmp(name, ((const struct tool *)tool)->name);
}

const struct tool *tool_find(const struct tool_set *set, const char *name) {
    return bsearch(name, set->tools, set->count, sizeof *set->tools, name_and_tool);
}

static int file_order(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_manifest(const struct dirent *d) {
    size_t len = strlen(d->d_name);

    return d->d_name[0] != '.' && len > 5 && !strcmp(d->d_name + len - 5, ".json");
}

/* The tool of that name among those loaded so far, which are in no order yet. */
static const struct tool *loaded(const struct tool_set *set, const char *name) {
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->tools[i].name, name))
            return &set->tools[i];
    return NULL;
}

static enum rc load_one(struct tool_set *set, const char *dir, const char *file,
                        struct arena *scratch, struct err *e) {
    struct tool tool = {0};
    const struct tool *other;
    enum rc rc = tool_manifest_load(dir, file, set->arena, scratch, &tool, e);

    if (rc)
        return rc;
    other = loaded(set, tool.name);
    if (other && other->file)
        return err_set(e, ERR_INVALID_REQUEST, "the name %s is taken by %s", tool.name,
                       other->file);
    if (other)
        return err_set(e, ERR_INVALID_REQUEST, "the name %s is taken by a built-in tool",
                       tool.name);
    if (set->count == TOOLS_MAX)
        return err_set(e, ERR_INVALID_REQUEST, "there are more than %d tools", TOOLS_MAX);
    set->tools[set->count++] = tool;
    return OK;
}

static void load_dir(struct tool_set *set, const char *dir, struct arena *scratch, FILE *problems,
                     unsigned *bad) {
    struct dirent **files;
    int n = scandir(dir, &files, is_manifest, file_order);

    if (n < 0) {
        (void)fprintf(problems, "%s: %s\n", dir, strerror(errno));
        (*bad)++;
        return;
    }
    for (int i = 0; i < n; i++) {
        struct err e = {0};

        if (load_one(set, dir, files[i]->d_name, scratch, &e)) {
            (void)fprintf(problems, "%s/%s: %s\n", dir, files[i]->d_name, e.text);
            (*bad)++;
        }
        free(files[i]);
    }
    free(files);
}

/* The whole result of tools/list, so that a call only copies it. The list is the same for every
 * caller, yet private: who may see it depends on the token. */
static struct text make_list(const struct tool_set *set, enum mcp_era era, struct arena *scratch) {
    struct buf b;
    size_t len;

    buf_init(&b, scratch, LIST_BYTES_MAX);
    buf_adds(&b, era == ERA_MODERN ? "{\"resultType\":\"complete\",\"tools\":[" : "{\"tools\":[");
    for (size_t i = 0; i < set->count; i++) {
        const struct text *t = &set->tools[i].definition[tool_era_index(era)];

        if (i)
            buf_addc(&b, ',');
        buf_add(&b, t->p, t->len);
    }
    buf_adds(&b, "]");
    if (era == ERA_MODERN)
        buf_adds(&b, ",\"ttlMs\":" LIST_TTL_MS
                     ",\"cacheScope\":\"private\",\"_meta\":{\"" META_SERVER_INFO
                     "\":" MCP_SERVER_INFO "}");
    buf_adds(&b, "}");
    len = b.len;
    return (struct text){arena_strndup(set->arena, b.p, len), len};
}

struct tool_set *tool_set_load(const struct config *config, FILE *problems, unsigned *bad) {
    struct arena *arena = arena_new(SET_BYTES_MAX), *scratch = arena_new(2 * SET_BYTES_MAX);
    struct tool_set *set = arena_alloc(arena, sizeof *set);
    size_t room = TOOLS_MAX;

    *bad = 0;
    set->arena = arena;
    set->tools = arena_alloc(scratch, room * sizeof *set->tools);
    for (; set->count < tool_builtin_count; set->count++)
        set->tools[set->count] = tool_builtins[set->count];
    if (*config->tools_dir)
        load_dir(set, config->tools_dir, scratch, problems, bad);
    qsort(set->tools, set->count, sizeof *set->tools, by_name);
    set->list[tool_era_index(ERA_MODERN)] = make_list(set, ERA_MODERN, scratch);
    set->list[tool_era_index(ERA_HANDSHAKE)] = make_list(set, ERA_HANDSHAKE, scratch);
    for (size_t i = 0; i < set->count; i++)
        memset(set->tools[i].definition, 0, sizeof set->tools[i].definition);
    set->tools = memcpy(arena_alloc(arena, set->count * sizeof *set->tools), set->tools,
                        set->count * sizeof *set->tools);
    arena_free(scratch);
    return set;
}

void tool_set_free(struct tool_set *t) {
    if (t)
        arena_free(t->arena);
}

/* The set of tools: loaded once, then only read. */
#include "catalog/tools.h"

#include <stdlib.h>
#include <string.h>

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

/* The tool of that name among those loaded so far, which are in no order yet. */
static const struct tool *loaded(const struct tool_set *set, const char *name) {
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->tools[i].name, name))
            return &set->tools[i];
    return NULL;
}

static enum rc load_one(void *arg, struct manifest *m) {
    struct tool_set *set = arg;
    struct tool tool = {0};
    const struct tool *other;
    enum rc rc = tool_manifest_read(m, &tool);

    if (rc)
        return rc;
    other = loaded(set, tool.name);
    if (other && other->file)
        return err_set(m->e, ERR_INVALID_REQUEST, "the name %s is taken by %s", tool.name,
                       other->file);
    if (other)
        return err_set(m->e, ERR_INVALID_REQUEST, "the name %s is taken by a built-in tool",
                       tool.name);
    if (set->count == TOOLS_MAX)
        return err_set(m->e, ERR_INVALID_REQUEST, "there are more than %d tools", TOOLS_MAX);
    set->tools[set->count++] = tool;
    return OK;
}

/* The schemas of the built-in tools are of this program: what is wrong with them is our bug. */
static void load_builtins(struct tool_set *set, struct arena *scratch) {
    for (; set->count < tool_builtin_count; set->count++) {
        struct tool *tool = &set->tools[set->count];
        const struct text *t =
            &tool_builtins[set->count].definition[protocol_index(PROTOCOL_STATELESS)];
        struct json *v;
        struct err e = {0};

        *tool = tool_builtins[set->count];
        if (json_parse(scratch, t->p, t->len, &v, &e) ||
            tool_schemas_compile(set->arena, v, tool, &e))
            abort();
    }
}

static void make_list(struct tool_set *set, struct arena *scratch) {
    set->list = (struct list){"tools",
                              arena_alloc(set->arena, set->count * sizeof *set->list.entries),
                              set->count,
                              {{0}},
                              false};
    for (size_t i = 0; i < set->count; i++) {
        set->list.entries[i].key = set->tools[i].name;
        set->list.entries[i].scopes = set->tools[i].scopes;
        memcpy(set->list.entries[i].definition, set->tools[i].definition,
               sizeof set->tools[i].definition);
    }
    list_prepare(&set->list, set->arena, scratch);
}

struct tool_set *tool_set_load(const struct config *config, FILE *problems, unsigned *bad) {
    struct arena *arena = arena_new(MANIFESTS_MEMORY_MAX),
                 *scratch = arena_new(MANIFESTS_MEMORY_MAX);
    struct tool_set *set = arena_alloc(arena, sizeof *set);
    size_t room = TOOLS_MAX;

    *bad = 0;
    set->arena = arena;
    set->tools = arena_alloc(scratch, room * sizeof *set->tools);
    load_builtins(set, scratch);
    if (*config->tools_dir)
        manifest_load_all(config->tools_dir, arena, problems, bad, load_one, set);
    qsort(set->tools, set->count, sizeof *set->tools, by_name);
    make_list(set, scratch);
    set->tools = memcpy(arena_alloc(arena, set->count * sizeof *set->tools), set->tools,
                        set->count * sizeof *set->tools);
    arena_free(scratch);
    return set;
}

void tool_set_free(struct tool_set *t) {
    if (t)
        arena_free(t->arena);
}

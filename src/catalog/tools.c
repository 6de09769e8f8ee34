#include "catalog/tools.h"

#include <string.h>

#include "base/base.h"
#include "catalog/program.h"

/* ---- advice ---- */

#define API_NAME_MAX 64 /* bytes of a function's name, at several model APIs */

static void advise_schema(const struct json *schema, const char *where, FILE *out) {
    static const char *const refused[] = {"anyOf", "oneOf", "allOf", "enum", "not", NULL};

    for (const char *const *name = refused; *name; name++)
        if (json_has(schema, *name))
            (void)fprintf(out,
                          "%s: warning: some model APIs refuse an inputSchema with %s at its top; "
                          "put it below properties\n",
                          where, *name);
}

/* Warns of what MCP allows in a tool but widely used clients or model APIs refuse. */
static void tool_advise(const struct entry *entry, const char *where, struct arena *a, FILE *out) {
    const struct text *t = &entry->definition[protocol_index(PROTOCOL_STATELESS)];
    const char *description;
    struct json *v;
    struct err e;

    if (strchr(entry->name, '.'))
        (void)fprintf(out, "%s: warning: some clients refuse a name with a dot (%s)\n", where,
                      entry->name);
    if (strlen(entry->name) > API_NAME_MAX)
        (void)fprintf(out, "%s: warning: some clients refuse a name of more than %d bytes (%s)\n",
                      where, API_NAME_MAX, entry->name);
    if (json_parse(a, t->p, t->len, &v, &e))
        return;
    description = json_get_str(v, "description");
    if (!description || !*description)
        (void)fprintf(out,
                      "%s: warning: there is no description, by which models choose a tool; some "
                      "clients leave it out\n",
                      where);
    advise_schema(json_get(v, "inputSchema"), where, out);
}

/* ---- reading ---- */

#define SCRATCH_BYTES_MAX ((size_t)4 << 20)

static enum rc compile(struct arena *keep, const struct json *definition, const char *name,
                       const struct schema **out, struct err *e) {
    struct schema *schema;
    struct err why = {0};
    enum rc rc;

    if (!json_has(definition, name))
        return OK;
    rc = schema_compile(keep, json_get(definition, name), &schema, &why);
    if (rc)
        return err_set(e, rc, "%s %.220s", name, why.text);
    *out = schema;
    return OK;
}

static enum rc compile_schemas(struct arena *keep, const struct json *definition, struct tool *tool,
                               struct err *e) {
    enum rc rc = compile(keep, definition, "inputSchema", &tool->input, e);

    return rc ? rc : compile(keep, definition, "outputSchema", &tool->output, e);
}

/* The members that clients see. */
static enum rc read_definition(const struct manifest *m, struct tool *tool) {
    static const char *const names[] = {
        "name",         "title",       "description", "icons", "inputSchema",
        "outputSchema", "annotations", "_meta",       "run",   NULL};
    static const char *const schemas[] = {"inputSchema", "outputSchema", NULL};
    const struct json *v = m->v;
    const char *type = json_get_str(json_get(v, "inputSchema"), "type");
    enum rc rc = manifest_members(m, v, names, "");

    if (!rc)
        rc = manifest_common(m, v);
    if (rc)
        return rc;
    for (const char *const *s = schemas; *s; s++)
        if (json_has(v, *s) && !json_is_object(json_get(v, *s)))
            return manifest_bad(m, *s, "must be an object");
    if (!type || strcmp(type, "object") != 0)
        return manifest_bad(m, "inputSchema", "must be an object with \"type\": \"object\"");
    tool->entry.name = tool->entry.key = arena_strdup(m->keep, json_get_str(v, "name"));
    tool->has_output_schema = json_has(v, "outputSchema");
    rc = compile_schemas(m->keep, v, tool, m->e);
    return rc ? rc : param_headers_scan(m->keep, json_get(v, "inputSchema"), &tool->headers, m->e);
}

static enum rc read_task(const struct manifest *m, const struct json *run, struct tool *tool) {
    const char *task = json_get_str(run, "task");
    bool has_after_input = json_has(run, "task_after_input");

    tool->task = !task                       ? TASK_NEVER
                 : !strcmp(task, "optional") ? TASK_OPTIONAL
                 : !strcmp(task, "required") ? TASK_REQUIRED
                                             : TASK_NEVER;
    if (json_has(run, "task") && tool->task == TASK_NEVER)
        return manifest_bad(m, "run.task", "must be \"optional\" or \"required\"");
    if (has_after_input && !json_is_bool(json_get(run, "task_after_input")))
        return manifest_bad(m, "run.task_after_input", "must be true or false");
    if (has_after_input && !task)
        return manifest_bad(m, "run.task_after_input", "needs a task");
    tool->task_after_input = json_get_bool(run, "task_after_input");
    return OK;
}

static enum rc read_run(const struct manifest *m, const struct json *run, struct tool *tool) {
    static const char *const names[] = {"max_output_bytes", "scopes", "task", "task_after_input",
                                        NULL};
    enum rc rc = source_members(m, run, names);

    if (!rc)
        rc = source_read(m, run, &tool->entry.source);
    if (!rc)
        rc = read_task(m, run, tool);
    if (rc)
        return rc;
    if (tool->has_output_schema && tool->entry.source.gives_text)
        return manifest_bad(m, "outputSchema", "needs \"output\": \"json\" in run");
    return manifest_scopes(m, run, &tool->entry.scopes);
}

/* The definition in tools/list. Some model APIs refuse all tools if one has no "properties". Before
 * 2026-07-28 clients refuse the whole list if an outputSchema is not of an object: it is left out
 * there. */
static void keep_definition(const struct manifest *m, struct tool *tool) {
    struct json *v = m->v;
    const char *type = json_get_str(json_get(v, "outputSchema"), "type");
    struct text *t = &tool->entry.definition[protocol_index(PROTOCOL_STATELESS)];

    json_del(v, "run");
    if (!json_has(json_get(v, "inputSchema"), "properties"))
        json_put(json_get(v, "inputSchema"), "properties", json_new_object(m->scratch));
    t->p = json_text(m->keep, v, &t->len);
    if (tool->has_output_schema && (!type || strcmp(type, "object") != 0))
        json_del(v, "outputSchema");
    t = &tool->entry.definition[protocol_index(PROTOCOL_HANDSHAKE)];
    t->p = json_text(m->keep, v, &t->len);
}

static enum rc read_tool(const struct manifest *m, struct entry *out) {
    struct tool *tool = (struct tool *)out;
    enum rc rc = read_definition(m, tool);

    if (!rc)
        rc = read_run(m, json_get(m->v, "run"), tool);
    if (!rc)
        keep_definition(m, tool);
    return rc;
}

/* Their schemas are part of this program: an error in them is a bug. */
static void add_builtins(struct catalog_set *set, const struct catalog_sources *sources) {
    struct arena *scratch = arena_new(SCRATCH_BYTES_MAX);

    for (size_t i = 0; i < sources->builtin_count; i++) {
        struct tool *tool = arena_alloc(set->arena, sizeof *tool);
        const struct text *t;
        struct json *v;
        struct err e;

        *tool = sources->builtin_tools[i];
        t = &tool->entry.definition[protocol_index(PROTOCOL_STATELESS)];
        if (json_parse(scratch, t->p, t->len, &v, &e) || compile_schemas(set->arena, v, tool, &e))
            abort();
        catalog_set_add(set, &tool->entry);
    }
    arena_free(scratch);
}

static const struct program_output outputs[] = {
    {"text", OUTPUT_TEXT}, {"json", OUTPUT_JSON}, {"stream", OUTPUT_STREAM}, {0}};

const struct catalog_kind_info tool_kind = {.plural = "tools",
                                            .left_out = "tool_left_out",
                                            .directory = offsetof(struct config, tools_dir),
                                            .entry_size = sizeof(struct tool),
                                            .max = 512,
                                            .outputs = outputs,
                                            .read = read_tool,
                                            .add_builtins = add_builtins,
                                            .advise = tool_advise,
                                            .lists = {{"tools", NULL}}};

/* Reads the manifest of a tool: the Tool object of MCP and, under "run", what to run. */
#include <string.h>

#include "catalog/tools.h"

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

enum rc tool_schemas_compile(struct arena *keep, const struct json *definition, struct tool *tool,
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
    tool->name = arena_strdup(m->keep, json_get_str(v, "name"));
    tool->has_output_schema = json_has(v, "outputSchema");
    rc = tool_schemas_compile(m->keep, v, tool, m->e);
    return rc ? rc : param_headers_scan(m->keep, json_get(v, "inputSchema"), &tool->headers, m->e);
}

static enum rc read_task(const struct manifest *m, const struct json *run, struct tool *tool) {
    const char *task = json_get_str(run, "task");

    if (json_has(run, "task") &&
        (!task || (strcmp(task, "optional") != 0 && strcmp(task, "required") != 0)))
        return manifest_bad(m, "run.task", "must be \"optional\" or \"required\"");
    if (json_has(run, "task_after_input") && !json_is_bool(json_get(run, "task_after_input")))
        return manifest_bad(m, "run.task_after_input", "must be true or false");
    if (!task && json_has(run, "task_after_input"))
        return manifest_bad(m, "run.task_after_input", "needs a task");
    if (task)
        tool->task = !strcmp(task, "required") ? TASK_REQUIRED : TASK_OPTIONAL;
    tool->task_after_input = json_get_bool(run, "task_after_input");
    return OK;
}

static enum rc read_run(const struct manifest *m, const struct json *run, struct tool *tool) {
    static const char *const names[] = {"command",
                                        "output",
                                        "timeout_ms",
                                        "max_output_bytes",
                                        "truncate_output",
                                        "scopes",
                                        "task",
                                        "task_after_input",
                                        NULL};
    static const struct manifest_output outputs[] = {{"text", TOOL_OUTPUT_TEXT},
                                                     {"json", TOOL_OUTPUT_JSON},
                                                     {"stream", TOOL_OUTPUT_STREAM},
                                                     {0}};
    enum rc rc;

    if (!json_is_object(run))
        return manifest_bad(m, "run", "must be an object");
    rc = manifest_members(m, run, names, " in run");
    if (!rc)
        rc = manifest_program(m, run, outputs, &tool->run);
    if (!rc)
        rc = read_task(m, run, tool);
    if (rc)
        return rc;
    if (tool->has_output_schema && tool->run.output == TOOL_OUTPUT_TEXT)
        return manifest_bad(m, "outputSchema", "needs \"output\": \"json\" in run");
    return manifest_scopes(m, run, &tool->scopes);
}

/* What tools/list shows. Some model APIs refuse every tool when one has no properties. Before
 * 2026-07-28 an outputSchema has to be of an object, and clients refuse the whole list otherwise:
 * there it is left out. */
static void keep_definition(const struct manifest *m, struct tool *tool) {
    struct json *v = m->v;
    const char *type = json_get_str(json_get(v, "outputSchema"), "type");
    struct text *t = &tool->definition[protocol_index(PROTOCOL_STATELESS)];

    json_del(v, "run");
    if (!json_has(json_get(v, "inputSchema"), "properties"))
        json_put(json_get(v, "inputSchema"), "properties", json_new_object(m->scratch));
    t->p = json_text(m->keep, v, &t->len);
    if (tool->has_output_schema && (!type || strcmp(type, "object") != 0))
        json_del(v, "outputSchema");
    t = &tool->definition[protocol_index(PROTOCOL_HANDSHAKE)];
    t->p = json_text(m->keep, v, &t->len);
}

enum rc tool_manifest_read(const struct manifest *m, struct tool *out) {
    enum rc rc = read_definition(m, out);

    if (!rc)
        rc = read_run(m, json_get(m->v, "run"), out);
    if (rc)
        return rc;
    out->file = m->file;
    keep_definition(m, out);
    return OK;
}

#include "catalog/tools.h"

#include <ctype.h>

/* ---- warnings ---- */

#define API_NAME_MAX 64 /* bytes of a function's name, at several model APIs */

static void warn_schema(const struct json *schema, const char *where, FILE *out) {
    static const char *const refused[] = {"anyOf", "oneOf", "allOf", "enum", "not", NULL};

    for (const char *const *name = refused; *name; name++)
        if (json_has(schema, *name))
            (void)fprintf(out,
                          "%s: warning: some model APIs refuse an inputSchema with %s at its top; "
                          "put it below properties\n",
                          where, *name);
}

/* Warns of what MCP allows in a tool but widely used clients or model APIs refuse. */
static void warn_tool(const struct entry *entry, const char *where, struct arena *a, FILE *out) {
    const struct text *t = &entry->definition[protocol_index(PROTOCOL_STATELESS)];
    const struct json *v = json_of_text(a, t->p, t->len);
    const char *description = json_get_str(v, "description");

    if (strchr(entry->name, '.'))
        (void)fprintf(out, "%s: warning: some clients refuse a name with a dot (%s)\n", where,
                      entry->name);
    if (strlen(entry->name) > API_NAME_MAX)
        (void)fprintf(out, "%s: warning: some clients refuse a name of more than %d bytes (%s)\n",
                      where, API_NAME_MAX, entry->name);
    if (!description || !*description)
        (void)fprintf(out,
                      "%s: warning: there is no description, by which models choose a tool; some "
                      "clients leave it out\n",
                      where);
    warn_schema(json_get(v, "inputSchema"), where, out);
}

/* ---- arguments that clients repeat in HTTP headers ---- */

#define PARAM_HEADERS_MAX 32
#define HEADER_PREFIX "mcp-param-"
#define NAME_PREFIX "Mcp-Param-"

/* State of the walk through the schema. */
struct scan {
    struct arena *arena;
    struct param_headers *out;
    struct err *e;
    const char *path[JSON_DEPTH_MAX]; /* each needs a level of nesting, or more */
    size_t depth;
    bool reachable; /* the way here leads through `properties` only */
};

static bool is_token_char(char c) { /* RFC 9110 §5.6.2 */
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* The header's name in lower case. Characters other than letters and digits become "-": in the name
 * of a FastCGI parameter all of them are underscores. NULL if the value is not a field name. */
static const char *header_name(struct arena *a, const char *value) {
    size_t len = value ? strlen(value) : 0;
    char *name;

    if (!len)
        return NULL;
    name = arena_alloc(a, sizeof HEADER_PREFIX + len);
    memcpy(name, HEADER_PREFIX, sizeof HEADER_PREFIX - 1);
    for (size_t i = 0; i < len; i++) {
        if (!is_token_char(value[i]))
            return NULL;
        name[sizeof HEADER_PREFIX - 1 + i] =
            isalnum((unsigned char)value[i]) ? (char)tolower((unsigned char)value[i]) : '-';
    }
    return name;
}

/* "Schema Extension": the constraints on an annotation. NULL: it meets them. */
static const char *annotation_fault(const struct scan *s, const struct json *schema,
                                    const char *header) {
    static const char *const types[] = {"string", "integer", "boolean", NULL};

    if (!header)
        return "must be a string of characters that a header name may have";
    if (!s->reachable || !s->depth)
        return "may only be used on a property that is reached through properties alone";
    if (!text_is_one_of(json_get_str(schema, "type"), types))
        return "may only be used on a string, an integer or a boolean";
    for (size_t i = 0; i < s->out->count; i++)
        if (!strcmp(s->out->list[i].header, header))
            return "names the same header twice";
    return s->out->count == PARAM_HEADERS_MAX ? "may be used at most 32 times" : NULL;
}

static bool add_annotation(struct scan *s, const struct json *schema) {
    const char *header = header_name(s->arena, json_get_str(schema, "x-mcp-header"));
    const char *fault = annotation_fault(s, schema, header);
    const char **path;

    if (fault) {
        (void)err_set(s->e, ERR_INVALID_REQUEST, "x-mcp-header %s", fault);
        return false;
    }
    path = arena_alloc(s->arena, s->depth * sizeof *path);
    for (size_t i = 0; i < s->depth; i++)
        path[i] = arena_strdup(s->arena, s->path[i]);
    s->out->list[s->out->count++] = (struct param_header){
        .path = path,
        .depth = s->depth,
        .header = header,
        .name = arena_printf(s->arena, NAME_PREFIX "%s", json_get_str(schema, "x-mcp-header")),
        .integer = !strcmp(json_get_str(schema, "type"), "integer")};
    return true;
}

/* Keywords whose values are not schemas; and those whose values are objects of schemas by name. */
static const char *const value_keywords[] = {"const",    "enum",         "default",
                                             "examples", "x-mcp-header", NULL};
static const char *const map_keywords[] = {"properties", "patternProperties", "dependentSchemas",
                                           "$defs",      "definitions",       NULL};

/* Goes through a schema, an array of schemas or, with is_map, an object of schemas by name.
 * Annotations are allowed only below `properties`. */
static bool scan(struct scan *s, const struct json *v, bool is_map) {
    const bool reachable = s->reachable;
    bool ok = is_map || !json_has(v, "x-mcp-header") || add_annotation(s, v);

    for (size_t i = 0; ok && i < json_len(v); i++)
        ok = scan(s, json_at(v, i), false);
    for (struct json_member m = json_first(v); ok && m.key; json_next(&m)) {
        if (is_map) {
            s->path[s->depth++] = m.key;
            ok = scan(s, m.value, false);
            s->depth--;
        } else if (!text_is_one_of(m.key, value_keywords)) {
            s->reachable = reachable && !strcmp(m.key, "properties");
            ok = scan(s, m.value, text_is_one_of(m.key, map_keywords));
            s->reachable = reachable;
        }
    }
    return ok;
}

/* ---- reading ---- */

#define SCRATCH_BYTES_MAX ((size_t)4 << 20)

static enum rc compile_schemas(struct arena *keep, const struct json *definition, struct tool *tool,
                               struct err *e) {
    const struct {
        const char *name;
        const struct schema **out;
    } schemas[] = {{"inputSchema", &tool->input}, {"outputSchema", &tool->output}};

    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        const struct json *v = json_get(definition, schemas[i].name);
        struct err why = {0};
        struct schema *schema;
        enum rc rc = v ? schema_compile(keep, v, &schema, &why) : OK;

        if (rc)
            return err_set(e, rc, "%s %.220s", schemas[i].name, why.text);
        *schemas[i].out = v ? schema : NULL;
    }
    return OK;
}

/* What every tool has, whoever serves it. Its "_meta" stays as it is. */
static enum rc read_common(const struct manifest *m, struct tool *tool) {
    const char *ui = json_get_str(json_get(json_get(m->v, "_meta"), "ui"), "resourceUri");
    struct scan s = {.arena = m->keep, .out = &tool->headers, .e = m->e, .reachable = true};

    if (!json_get_is(json_get(m->v, "inputSchema"), "type", "object"))
        return manifest_error(m, "inputSchema", "must be an object with \"type\": \"object\"");
    tool->entry.name = tool->entry.key = arena_strdup(m->keep, json_get_str(m->v, "name"));
    tool->entry.is_app = ui && !strncmp(ui, APP_SCHEME, strlen(APP_SCHEME));
    tool->headers.list = arena_alloc(m->keep, PARAM_HEADERS_MAX * sizeof *tool->headers.list);
    /* If one breaks the rules, clients must refuse the tool. */
    return scan(&s, json_get(m->v, "inputSchema"), false) ? OK : m->e->code;
}

/* The members that clients see. */
static enum rc read_definition(const struct manifest *m, struct tool *tool) {
    static const char *const names[] = {
        "name",         "title",       "description", "icons", "inputSchema",
        "outputSchema", "annotations", "_meta",       "run",   NULL};
    const struct json *output = json_get(m->v, "outputSchema");

    if (manifest_check_definition(m, names))
        return m->e->code;
    if (json_has(m->v, "outputSchema") && !json_is_object(output))
        return manifest_error(m, "outputSchema", "must be an object");
    if (read_common(m, tool) || compile_schemas(m->keep, m->v, tool, m->e))
        return m->e->code;
    return json_has(json_get(json_get(m->v, "_meta"), "ui"), "resourceUri") && !tool->entry.is_app
               ? manifest_error(m, "_meta.ui.resourceUri", "must be a URI that begins with ui://")
               : OK;
}

static enum rc read_task(const struct manifest *m, const struct json *run, struct tool *tool) {
    tool->task = json_get_is(run, "task", "optional")   ? TASK_OPTIONAL
                 : json_get_is(run, "task", "required") ? TASK_REQUIRED
                                                        : TASK_NEVER;
    if (json_has(run, "task") && tool->task == TASK_NEVER)
        return manifest_error(m, "run.task", "must be \"optional\" or \"required\"");
    if (manifest_read_bool(m, run, "run.task_after_input", &tool->task_after_input))
        return m->e->code;
    return json_has(run, "task_after_input") && tool->task == TASK_NEVER
               ? manifest_error(m, "run.task_after_input", "needs a task")
               : OK;
}

static enum rc read_run(const struct manifest *m, const struct json *run, struct tool *tool) {
    static const char *const names[] = {"max_output_bytes", ACCESS_MEMBERS, "task",
                                        "task_after_input", NULL};

    if (source_check_members(m, run, names) || source_read(m, run, &tool->entry.source) ||
        read_task(m, run, tool))
        return m->e->code;
    if (tool->output && tool->entry.source.gives_text)
        return manifest_error(m, "outputSchema", "needs \"output\": \"json\" in run");
    return access_read(m, run, &tool->entry.access);
}

/* The definition in tools/list. Some model APIs refuse all tools if one has no "properties".
 * Clients of versions before 2026-07-28 refuse the whole list if an outputSchema does not have the
 * type "object", so it is left out there. */
static void keep_definition(const struct manifest *m, struct tool *tool) {
    struct json *v = m->v;

    json_del(v, "run");
    if (!json_has(json_get(v, "inputSchema"), "properties"))
        json_put(json_get(v, "inputSchema"), "properties", json_new_object(m->scratch));
    tool->entry.definition[protocol_index(PROTOCOL_STATELESS)] = json_as_text(m->keep, v);
    if (!json_get_is(json_get(v, "outputSchema"), "type", "object"))
        json_del(v, "outputSchema");
    tool->entry.definition[protocol_index(PROTOCOL_HANDSHAKE)] = json_as_text(m->keep, v);
}

/* A schema of a dialect that we do not know is left to the server. */
static enum rc read_foreign(const struct manifest *m, struct entry *out) {
    struct tool *tool = (struct tool *)out;
    struct schema *schema;
    struct err ignored = {0};

    if (!manifest_is_name(json_get_str(m->v, "name")))
        return manifest_error(m, "its name, with the prefix,",
                              "must be 1 to 128 of A-Z a-z 0-9 _ - .");
    if (read_common(m, tool))
        return m->e->code;
    if (!schema_compile(m->keep, json_get(m->v, "inputSchema"), &schema, &ignored))
        tool->input = schema;
    keep_definition(m, tool);
    return OK;
}

static enum rc read_tool(const struct manifest *m, struct entry *out) {
    struct tool *tool = (struct tool *)out;

    if (read_definition(m, tool) || read_run(m, json_get(m->v, "run"), tool))
        return m->e->code;
    keep_definition(m, tool);
    return OK;
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

const struct catalog_kind_info tool_kind = {.word = "tool",
                                            .plural = "tools",
                                            .invalid_event = "tool_invalid",
                                            .directory = offsetof(struct config, tools_dir),
                                            .entry_size = sizeof(struct tool),
                                            .outputs = outputs,
                                            .read = read_tool,
                                            .read_foreign = read_foreign,
                                            .add_builtins = add_builtins,
                                            .warn = warn_tool,
                                            .lists = {{"tools", NULL}}};

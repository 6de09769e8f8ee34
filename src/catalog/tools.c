#include "catalog/tools.h"

#include <ctype.h>
#include <string.h>

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
    const char *path[JSON_DEPTH_MAX];
    size_t depth;
    bool reachable; /* the way here leads through `properties` only */
};

static bool scan_schema(struct scan *s, const struct json *schema);

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

static bool fail(struct scan *s, const char *why) {
    (void)err_set(s->e, ERR_INVALID_REQUEST, "x-mcp-header %s", why);
    return false;
}

static bool is_one_of(const char *s, const char *const *list) {
    while (s && *list && strcmp(s, *list) != 0)
        list++;
    return s && *list;
}

/* "Schema Extension": the constraints on an annotation. NULL: it meets them. */
static const char *annotation_fault(const struct scan *s, const struct json *schema,
                                    const char *header) {
    static const char *const types[] = {"string", "integer", "boolean", NULL};

    if (!header)
        return "must be a string of characters that a header name may have";
    if (!s->reachable || !s->depth)
        return "may only be used on a property that is reached through properties alone";
    if (!is_one_of(json_get_str(schema, "type"), types))
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

    if (fault)
        return fail(s, fault);
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

static bool scan_properties(struct scan *s, const struct json *properties) {
    struct json_member m;
    bool ok = true;

    for (bool more = json_first(properties, &m); ok && more; more = json_next(&m)) {
        s->path[s->depth++] = m.key;
        ok = scan_schema(s, m.value);
        s->depth--;
    }
    return ok;
}

/* Keywords whose values are not schemas; and those whose values are objects of schemas by name. */
static const char *const value_keywords[] = {"const",    "enum",         "default",
                                             "examples", "x-mcp-header", NULL};
static const char *const map_keywords[] = {"patternProperties", "dependentSchemas", "$defs",
                                           "definitions", NULL};

static bool scan_array(struct scan *s, const struct json *array) {
    for (size_t i = 0; i < json_len(array); i++)
        if (!scan_schema(s, json_at(array, i)))
            return false;
    return true;
}

/* Annotations are allowed only below `properties`. */
static bool scan_keyword(struct scan *s, const char *key, const struct json *v) {
    bool reachable = s->reachable, ok = true;

    if (is_one_of(key, value_keywords))
        return true;
    s->reachable = reachable && !strcmp(key, "properties");
    if (json_is_array(v))
        ok = scan_array(s, v);
    else if (!strcmp(key, "properties") || is_one_of(key, map_keywords))
        ok = scan_properties(s, v);
    else
        ok = scan_schema(s, v);
    s->reachable = reachable;
    return ok;
}

static bool scan_schema(struct scan *s, const struct json *schema) {
    struct json_member m;
    bool ok = true;

    if (s->depth == JSON_DEPTH_MAX)
        return fail(s, "cannot be looked for: the inputSchema is nested too deeply");
    if (json_has(schema, "x-mcp-header") && !add_annotation(s, schema))
        return false;
    for (bool more = json_first(schema, &m); ok && more; more = json_next(&m))
        ok = scan_keyword(s, m.key, m.value);
    return ok;
}

/* Finds every x-mcp-header of an inputSchema. If one breaks the rules, clients must refuse the
 * tool. */
static enum rc scan_param_headers(struct arena *a, const struct json *input_schema,
                                  struct param_headers *out, struct err *e) {
    struct scan s = {.arena = a, .out = out, .e = e, .reachable = true};

    out->count = 0;
    out->list = arena_alloc(a, PARAM_HEADERS_MAX * sizeof *out->list);
    return scan_schema(&s, input_schema) ? OK : e->code;
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

/* The members that clients see. */
static enum rc read_definition(const struct manifest *m, struct tool *tool) {
    static const char *const names[] = {
        "name",         "title",       "description", "icons", "inputSchema",
        "outputSchema", "annotations", "_meta",       "run",   NULL};
    static const char *const schemas[] = {"inputSchema", "outputSchema", NULL};
    const struct json *v = m->v;
    const char *type = json_get_str(json_get(v, "inputSchema"), "type");
    enum rc rc = manifest_check_definition(m, names);

    if (rc)
        return rc;
    for (const char *const *s = schemas; *s; s++)
        if (json_has(v, *s) && !json_is_object(json_get(v, *s)))
            return manifest_error(m, *s, "must be an object");
    if (!type || strcmp(type, "object") != 0)
        return manifest_error(m, "inputSchema", "must be an object with \"type\": \"object\"");
    tool->entry.name = tool->entry.key = arena_strdup(m->keep, json_get_str(v, "name"));
    rc = compile_schemas(m->keep, v, tool, m->e);
    return rc ? rc : scan_param_headers(m->keep, json_get(v, "inputSchema"), &tool->headers, m->e);
}

/* Has it a user interface? Its "_meta" stays as it is. */
static bool is_app(const struct json *definition) {
    const struct json *ui = json_get(json_get(definition, "_meta"), "ui");
    const char *uri = json_get_str(ui, "resourceUri");

    return uri && !strncmp(uri, APP_SCHEME, strlen(APP_SCHEME));
}

static enum rc read_app(const struct manifest *m, struct tool *tool) {
    tool->entry.is_app = is_app(m->v);
    return json_has(json_get(json_get(m->v, "_meta"), "ui"), "resourceUri") && !tool->entry.is_app
               ? manifest_error(m, "_meta.ui.resourceUri", "must be a URI that begins with ui://")
               : OK;
}

static enum rc read_task(const struct manifest *m, const struct json *run, struct tool *tool) {
    const char *task = json_get_str(run, "task");
    bool has_after_input = json_has(run, "task_after_input");

    tool->task = !task                       ? TASK_NEVER
                 : !strcmp(task, "optional") ? TASK_OPTIONAL
                 : !strcmp(task, "required") ? TASK_REQUIRED
                                             : TASK_NEVER;
    if (json_has(run, "task") && tool->task == TASK_NEVER)
        return manifest_error(m, "run.task", "must be \"optional\" or \"required\"");
    if (has_after_input && !json_is_bool(json_get(run, "task_after_input")))
        return manifest_error(m, "run.task_after_input", "must be true or false");
    if (has_after_input && !task)
        return manifest_error(m, "run.task_after_input", "needs a task");
    tool->task_after_input = json_get_bool(run, "task_after_input");
    return OK;
}

static enum rc read_run(const struct manifest *m, const struct json *run, struct tool *tool) {
    static const char *const names[] = {"max_output_bytes", ACCESS_MEMBERS, "task",
                                        "task_after_input", NULL};
    enum rc rc = source_check_members(m, run, names);

    if (!rc)
        rc = source_read(m, run, &tool->entry.source);
    if (!rc)
        rc = read_task(m, run, tool);
    if (rc)
        return rc;
    if (tool->output && tool->entry.source.gives_text)
        return manifest_error(m, "outputSchema", "needs \"output\": \"json\" in run");
    return access_read(m, run, &tool->entry.access);
}

/* The definition in tools/list. Some model APIs refuse all tools if one has no "properties".
 * Clients of versions before 2026-07-28 refuse the whole list if an outputSchema does not have the
 * type "object", so it is left out there. */
static void keep_definition(const struct manifest *m, struct tool *tool) {
    struct json *v = m->v;
    const char *type = json_get_str(json_get(v, "outputSchema"), "type");
    struct text *t = &tool->entry.definition[protocol_index(PROTOCOL_STATELESS)];

    json_del(v, "run");
    if (!json_has(json_get(v, "inputSchema"), "properties"))
        json_put(json_get(v, "inputSchema"), "properties", json_new_object(m->scratch));
    t->p = json_text(m->keep, v, &t->len);
    if (json_has(v, "outputSchema") && (!type || strcmp(type, "object") != 0))
        json_del(v, "outputSchema");
    t = &tool->entry.definition[protocol_index(PROTOCOL_HANDSHAKE)];
    t->p = json_text(m->keep, v, &t->len);
}

enum rc tool_read_foreign(const struct manifest *m, struct tool *tool) {
    const struct json *input = json_get(m->v, "inputSchema");
    const char *name = json_get_str(m->v, "name"), *type = json_get_str(input, "type");
    struct schema *schema;
    struct err ignored = {0};

    if (manifest_check_types(m))
        return m->e->code;
    tool->entry.is_app = is_app(m->v);
    if (!manifest_is_name(name))
        return manifest_error(m, "its name, with the prefix,",
                              "must be 1 to 128 of A-Z a-z 0-9 _ - .");
    if (!type || strcmp(type, "object") != 0)
        return manifest_error(m, "inputSchema", "must be an object with \"type\": \"object\"");
    tool->entry.name = tool->entry.key = arena_strdup(m->keep, name);
    if (!schema_compile(m->keep, input, &schema, &ignored))
        tool->input = schema;
    if (scan_param_headers(m->keep, input, &tool->headers, m->e))
        return m->e->code;
    tool->output = NULL; /* the server checks what it says */
    keep_definition(m, tool);
    return OK;
}

static enum rc read_tool(const struct manifest *m, struct entry *out) {
    struct tool *tool = (struct tool *)out;
    enum rc rc = read_definition(m, tool);

    if (!rc)
        rc = read_app(m, tool);
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

const struct catalog_kind_info tool_kind = {.word = "tool",
                                            .plural = "tools",
                                            .invalid_event = "tool_invalid",
                                            .directory = offsetof(struct config, tools_dir),
                                            .entry_size = sizeof(struct tool),
                                            .outputs = outputs,
                                            .read = read_tool,
                                            .add_builtins = add_builtins,
                                            .warn = warn_tool,
                                            .lists = {{"tools", NULL}}};

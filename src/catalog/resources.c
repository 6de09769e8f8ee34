/* Private part of catalog.h: the resources, and the templates of resources. */
#include "catalog/catalog.h"

#include <sys/stat.h>
#include <unistd.h>

#include "catalog/skills.h"
#include "catalog/template.h"
#include "catalog/tools.h"

#define RESOURCE_BYTES_DEFAULT 1048576
#define RESOURCE_TTL_MS_MAX ((int64_t)24 * 3600 * 1000)

static enum rc read_uri(const struct manifest *m, struct resource *r, struct json *names) {
    const char *member = r->is_template ? "uriTemplate" : "uri", *uri = json_get_str(m->v, member);

    if (!uri || !strchr(uri, ':'))
        return manifest_error(m, member, "must be a URI with a scheme");
    r->entry.key = r->pattern = arena_strdup(m->keep, uri);
    return r->is_template ? uri_template_check(m->scratch, uri, names, m->e) : OK;
}

static enum rc read_definition(const struct manifest *m, struct resource *r, struct json *names) {
    static const char *const resource[] = {"uri",      "name",  "title",       "description",
                                           "mimeType", "icons", "annotations", "size",
                                           "_meta",    "run",   NULL};
    static const char *const template[] = {"uriTemplate", "name",        "title", "description",
                                           "mimeType",    "annotations", "icons", "_meta",
                                           "run",         NULL};
    int64_t size;

    r->is_template = json_has(m->v, "uriTemplate");
    if (manifest_check_definition(m, r->is_template ? template : resource))
        return m->e->code;
    if (json_has(m->v, "size") && !json_get_int(m->v, "size", &size))
        return manifest_error(m, "size", "must be an integer");
    r->entry.name = arena_strdup(m->keep, json_get_str(m->v, "name"));
    if (json_has(m->v, "mimeType"))
        r->mime = arena_strdup(m->keep, json_get_str(m->v, "mimeType"));
    if (json_has(m->v, "_meta"))
        r->meta = json_clone(m->keep, json_get(m->v, "_meta"));
    return read_uri(m, r, names);
}

static enum rc read_file(const struct manifest *m, const struct json *run, struct resource *r) {
    const char *file = json_get_str(run, "file");
    struct stat st;

    if (!file || !*file || r->is_template)
        return manifest_error(m, "run.file", "must be the path of a file; a template has none");
    if (*file != '/')
        file = arena_printf(m->scratch, "%s/%s", m->given_dir, file);
    if (stat(file, &st) || !S_ISREG(st.st_mode) || access(file, R_OK))
        return manifest_error(m, "run.file", "is not a file that can be read");
    r->path = arena_strdup(m->keep, file);
    return OK;
}

static enum rc read_content(const struct manifest *m, struct json *content, const char *member,
                            const struct json *names, struct resource *r) {
    const char *unknown = template_unknown_name(m->scratch, content, names);

    if (unknown)
        return manifest_errorf(m, "%s has {{%s}}, which is not a variable of a uriTemplate", member,
                               text_quotable(m->scratch, unknown));
    r->content = json_clone(m->keep, content);
    return OK;
}

static enum rc read_source(const struct manifest *m, const struct json *run,
                           const struct json *names, struct resource *r) {
    if (source_is_given(m, run) + json_has(run, "file") + json_has(run, "text") +
            json_has(run, "json") !=
        1)
        return manifest_error(m, "run", "must have one of command, file, text, json");
    if (source_is_given(m, run))
        return source_read(m, run, &r->entry.source);
    if (source_check_absent(m, run))
        return m->e->code;
    if (json_has(run, "file"))
        return read_file(m, run, r);
    if (json_has(run, "json"))
        return read_content(m, json_get(run, "json"), "run.json", names, r);
    if (!json_is_string(json_get(run, "text")))
        return manifest_error(m, "run.text", "must be a string");
    return read_content(m, json_get(run, "text"), "run.text", names, r);
}

static enum rc read_run(const struct manifest *m, const struct json *names, struct resource *r) {
    static const char *const known[] = {"file",         "text",   "json",     "max_output_bytes",
                                        ACCESS_MEMBERS, "ttl_ms", "complete", NULL};
    static const struct manifest_limit size = {"max_output_bytes", RESOURCE_BYTES_DEFAULT, 1,
                                               RESOURCE_BYTES_MAX};
    static const struct manifest_limit ttl = {"ttl_ms", 0, 0, RESOURCE_TTL_MS_MAX};
    const struct json *run = json_get(m->v, "run");

    if (source_check_members(m, run, known) || read_source(m, run, names, r) ||
        manifest_read_limit(m, run, &size, &r->max_bytes) ||
        manifest_read_limit(m, run, &ttl, &r->ttl_ms) ||
        completion_read(m, json_get(run, "complete"), names, &r->complete))
        return m->e->code;
    return access_read(m, run, &r->entry.access);
}

static enum rc read_resource(const struct manifest *m, struct entry *out) {
    struct resource *r = (struct resource *)out;
    struct json *names = json_new_object(m->scratch);

    return read_definition(m, r, names) ? m->e->code : read_run(m, names, r);
}

/* Names of servers are any text. */
static enum rc read_foreign(const struct manifest *m, struct entry *out) {
    struct resource *r = (struct resource *)out;
    const char *template = json_get_str(m->v, "uriTemplate"), *uri = json_get_str(m->v, "uri");
    const char *key = template ? template : uri, *name = json_get_str(m->v, "name");

    r->is_template = template != NULL;
    if (!name)
        return manifest_error(m, "name", "must be a string");
    if (!key || !strchr(key, ':') || strlen(key) > RESOURCE_URI_MAX)
        return manifest_error(m, "its URI", "must have a scheme, and at most 8192 bytes");
    out->key = arena_strdup(m->keep, key);
    out->name = text_quotable(m->keep, name);
    r->pattern = template ? uri_template_simplify(m->keep, key, &r->has_query) : NULL;
    if (template && !r->pattern)
        return manifest_error(m, "uriTemplate", "must be a URI template with a scheme");
    return OK;
}

static bool is_template(const struct entry *entry) {
    return ((const struct resource *)entry)->is_template;
}

static bool is_resource(const struct entry *entry) {
    return !is_template(entry);
}

/* Hosts show no other (SEP-1865). */
static void warn_resource(const struct entry *entry, const char *where, struct arena *a,
                          FILE *out) {
    const struct resource *r = (const struct resource *)entry;

    (void)a;
    if (!strncmp(entry->key, APP_SCHEME, strlen(APP_SCHEME)) &&
        (!r->mime || strcmp(r->mime, APP_MIME_TYPE) != 0))
        (void)fprintf(
            out,
            "%s: warning: clients show a ui:// resource only with the mimeType " APP_MIME_TYPE "\n",
            where);
}

static const struct program_output outputs[] = {
    {"text", OUTPUT_TEXT}, {"binary", OUTPUT_BINARY}, {"json", OUTPUT_JSON}, {0}};

const struct catalog_kind_info resource_kind = {
    .word = "resource",
    .plural = "resources",
    .invalid_event = "resource_invalid",
    .directory = offsetof(struct config, resources_dir),
    .entry_size = sizeof(struct resource),
    .has_uris = true,
    .outputs = outputs,
    .read = read_resource,
    .read_foreign = read_foreign,
    .warn = warn_resource,
    .lists = {{"resources", is_resource}, {"resourceTemplates", is_template}}};

/* ---- finding ---- */

const struct resource *catalog_template(const struct catalog *c, const char *uri_template) {
    const struct entry *entry = catalog_set_find(c->sets[CATALOG_RESOURCES], uri_template);

    return entry && is_template(entry) ? (const struct resource *)entry : NULL;
}

/* The rules of ACCESS_FILE are about the URI, not about the template. NULL: they forbid to read it
 * so. */
static const struct resource *at_uri(const struct catalog_set *set, struct arena *a,
                                     const struct entry *template, const char *uri) {
    struct resource *r;

    if (!set->rules)
        return (const struct resource *)template;
    r = memcpy(arena_alloc(a, sizeof *r), template, sizeof *r);
    return catalog_set_rules_at(set, a, uri, &r->entry.access.rules) ? r : NULL;
}

const struct resource *catalog_resource(const struct catalog *c, struct arena *a, const char *uri,
                                        struct json **variables) {
    const struct catalog_set *set = c->sets[CATALOG_RESOURCES];
    const struct entry *entry = catalog_set_find(set, uri);
    const struct list *templates = &set->lists[RESOURCE_TEMPLATES];
    const struct resource *file;
    size_t steps = URI_TEMPLATE_STEPS_MAX;

    *variables = NULL;
    if (entry && is_resource(entry))
        return (const struct resource *)entry;
    if ((file = catalog_skill_file(c, a, uri)))
        return file;
    for (size_t i = 0; i < 2 * templates->count; i++) {
        const struct resource *r =
            (const struct resource *)templates->entries[i % templates->count];
        const char *compared = r->has_query ? arena_strndup(a, uri, strcspn(uri, "?#")) : uri;

        if (r->entry.is_foreign == (i >= templates->count) &&
            uri_template_match(a, r->pattern, compared, &steps, variables))
            return at_uri(set, a, &r->entry, uri);
    }
    *variables = NULL;
    return NULL;
}

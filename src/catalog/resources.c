#include "catalog/resources.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "catalog/program.h"
#include "catalog/template.h"

static enum rc read_uri(const struct manifest *m, struct resource *r, struct json *names) {
    const char *member = r->is_template ? "uriTemplate" : "uri", *uri = json_get_str(m->v, member);

    if (!uri || !strchr(uri, ':'))
        return manifest_bad(m, member, "must be a URI with a scheme");
    r->entry.key = arena_strdup(m->keep, uri);
    return r->is_template ? uri_template_check(m->scratch, uri, names, m->e) : OK;
}

static enum rc check_types(const struct manifest *m) {
    int64_t size;

    if (json_has(m->v, "mimeType") && !json_get_str(m->v, "mimeType"))
        return manifest_bad(m, "mimeType", "must be a string");
    if (json_has(m->v, "size") && !json_get_int(m->v, "size", &size))
        return manifest_bad(m, "size", "must be an integer");
    return OK;
}

static enum rc read_definition(const struct manifest *m, struct resource *r, struct json *names) {
    static const char *const resource[] = {"uri",      "name",  "title",       "description",
                                           "mimeType", "icons", "annotations", "size",
                                           "_meta",    "run",   NULL};
    static const char *const template[] = {"uriTemplate", "name",        "title", "description",
                                           "mimeType",    "annotations", "icons", "_meta",
                                           "run",         NULL};
    enum rc rc;

    r->is_template = json_has(m->v, "uriTemplate");
    rc = manifest_members(m, m->v, r->is_template ? template : resource, "");
    if (!rc)
        rc = manifest_common(m, m->v);
    if (!rc)
        rc = check_types(m);
    if (rc)
        return rc;
    r->entry.name = arena_strdup(m->keep, json_get_str(m->v, "name"));
    if (json_has(m->v, "mimeType"))
        r->mime = arena_strdup(m->keep, json_get_str(m->v, "mimeType"));
    return read_uri(m, r, names);
}

static enum rc read_file(const struct manifest *m, const struct json *run, struct resource *r) {
    const char *file = json_get_str(run, "file");
    struct stat st;

    if (!file || !*file || r->is_template)
        return manifest_bad(m, "run.file", "must be the path of a file; a template has none");
    if (*file != '/')
        file = arena_printf(m->scratch, "%s/%s", m->given_dir, file);
    if (stat(file, &st) || !S_ISREG(st.st_mode) || access(file, R_OK))
        return manifest_bad(m, "run.file", "is not a file that can be read");
    r->path = arena_strdup(m->keep, file);
    return OK;
}

static enum rc read_content(const struct manifest *m, struct json *content, const char *member,
                            const struct json *names, struct resource *r) {
    const char *unknown = template_unknown(m->scratch, content, names);

    if (unknown)
        return err_set(m->e, ERR_INVALID_REQUEST, "%s has {{%s}}, which the uriTemplate has not",
                       member, text_quotable(m->scratch, unknown));
    r->content = json_clone(m->keep, content);
    return OK;
}

static enum rc read_source(const struct manifest *m, const struct json *run,
                           const struct json *names, struct resource *r) {
    size_t sources = source_count(m, run) + json_has(run, "file") + json_has(run, "text") +
                     json_has(run, "json");

    if (sources != 1)
        return manifest_bad(m, "run", "must have one of command, file, text, json");
    if (source_count(m, run))
        return source_read(m, run, &r->entry.source);
    if (source_option_is_given(m, run))
        return manifest_bad(m, "run",
                            "has output, timeout_ms or truncate_output without a command");
    if (json_has(run, "file"))
        return read_file(m, run, r);
    if (json_has(run, "json"))
        return read_content(m, json_get(run, "json"), "run.json", names, r);
    if (!json_is_string(json_get(run, "text")))
        return manifest_bad(m, "run.text", "must be a string");
    return read_content(m, json_get(run, "text"), "run.text", names, r);
}

static enum rc read_run(const struct manifest *m, const struct json *names, struct resource *r) {
    static const char *const known[] = {"file",   "text",   "json",     "max_output_bytes",
                                        "scopes", "ttl_ms", "complete", NULL};
    static const struct manifest_limit size = {"max_output_bytes", RESOURCE_BYTES_DEFAULT, 1,
                                               RESOURCE_BYTES_MAX};
    static const struct manifest_limit ttl = {"ttl_ms", 0, 0, RESOURCE_TTL_MS_MAX};
    const struct json *run = json_get(m->v, "run");
    enum rc rc = source_members(m, run, known);

    if (!rc)
        rc = read_source(m, run, names, r);
    if (!rc)
        rc = manifest_limit(m, run, &size, &r->max_bytes);
    if (!rc)
        rc = manifest_limit(m, run, &ttl, &r->ttl_ms);
    if (!rc)
        rc = completion_read(m, json_get(run, "complete"), names, &r->complete);
    return rc ? rc : manifest_scopes(m, run, &r->entry.scopes);
}

static enum rc read_resource(const struct manifest *m, struct entry *out) {
    struct resource *r = (struct resource *)out;
    struct json *names = json_new_object(m->scratch);
    enum rc rc = read_definition(m, r, names);

    if (!rc)
        rc = read_run(m, names, r);
    return rc;
}

static bool is_template(const struct entry *entry) {
    return ((const struct resource *)entry)->is_template;
}

static bool is_resource(const struct entry *entry) {
    return !is_template(entry);
}

static const struct program_output outputs[] = {
    {"text", OUTPUT_TEXT}, {"binary", OUTPUT_BINARY}, {"json", OUTPUT_JSON}, {0}};

const struct catalog_kind_info resource_kind = {
    .plural = "resources",
    .left_out = "resource_left_out",
    .directory = offsetof(struct config, resources_dir),
    .entry_size = sizeof(struct resource),
    .max = 4096,
    .has_uris = true,
    .outputs = outputs,
    .read = read_resource,
    .lists = {{"resources", is_resource}, {"resourceTemplates", is_template}}};

/* ---- finding ---- */

const struct resource *catalog_template(const struct catalog *c, const char *uri_template) {
    const struct entry *entry = catalog_set_find(c->sets[CATALOG_RESOURCES], uri_template);

    return entry && is_template(entry) ? (const struct resource *)entry : NULL;
}

const struct resource *catalog_resource(const struct catalog *c, struct arena *a, const char *uri,
                                        struct json **variables) {
    const struct catalog_set *set = c->sets[CATALOG_RESOURCES];
    const struct entry *entry = catalog_set_find(set, uri);
    const struct list *templates = &set->lists[RESOURCE_TEMPLATES];
    size_t steps = URI_TEMPLATE_STEPS_MAX;

    *variables = NULL;
    if (entry && is_resource(entry))
        return (const struct resource *)entry;
    for (size_t i = 0; i < templates->count; i++)
        if (uri_template_match(a, templates->entries[i]->key, uri, &steps, variables))
            return (const struct resource *)templates->entries[i];
    *variables = NULL;
    return NULL;
}

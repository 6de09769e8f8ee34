/* The set of resources: loaded once, then only read. */
#include "catalog/resources.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/template.h"

static int by_uri(const void *a, const void *b) {
    return strcmp(((const struct resource *)a)->uri, ((const struct resource *)b)->uri);
}

static int uri_and_resource(const void *uri, const void *resource) {
    return strcmp(uri, ((const struct resource *)resource)->uri);
}

const struct resource *resource_template_find(const struct resource_set *set,
                                              const char *uri_template) {
    const struct resource *r =
        bsearch(uri_template, set->all, set->count, sizeof *set->all, uri_and_resource);

    return r && r->is_template ? r : NULL;
}

const struct resource *resource_find(const struct resource_set *set, struct arena *a,
                                     const char *uri, struct json **variables) {
    const struct resource *r =
        bsearch(uri, set->all, set->count, sizeof *set->all, uri_and_resource);
    size_t steps = URI_TEMPLATE_STEPS_MAX;

    *variables = NULL;
    if (r && !r->is_template)
        return r;
    for (size_t i = 0; i < set->count; i++)
        if (set->all[i].is_template &&
            uri_template_match(a, set->all[i].uri, uri, &steps, variables))
            return &set->all[i];
    *variables = NULL;
    return NULL;
}

/* ---- one manifest ---- */

static enum rc read_definition(const struct manifest *m, struct resource *r, struct json *names) {
    static const char *const resource[] = {"uri",      "name",  "title",       "description",
                                           "mimeType", "icons", "annotations", "size",
                                           "_meta",    "run",   NULL};
    static const char *const template[] = {"uriTemplate", "name",        "title", "description",
                                           "mimeType",    "annotations", "icons", "_meta",
                                           "run",         NULL};
    int64_t size;
    enum rc rc;

    r->is_template = json_has(m->v, "uriTemplate");
    rc = manifest_members(m, m->v, r->is_template ? template : resource, "");
    if (!rc)
        rc = manifest_common(m, m->v);
    if (rc)
        return rc;
    r->uri = json_get_str(m->v, r->is_template ? "uriTemplate" : "uri");
    if (!r->uri || !strchr(r->uri, ':'))
        return manifest_bad(m, r->is_template ? "uriTemplate" : "uri",
                            "must be a URI with a scheme");
    if (json_has(m->v, "mimeType") && !json_get_str(m->v, "mimeType"))
        return manifest_bad(m, "mimeType", "must be a string");
    if (json_has(m->v, "size") && !json_get_int(m->v, "size", &size))
        return manifest_bad(m, "size", "must be an integer");
    r->uri = arena_strdup(m->keep, r->uri);
    r->name = arena_strdup(m->keep, json_get_str(m->v, "name"));
    if (json_has(m->v, "mimeType"))
        r->mime = arena_strdup(m->keep, json_get_str(m->v, "mimeType"));
    return r->is_template ? uri_template_check(m->scratch, r->uri, names, m->e) : OK;
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
    r->file = arena_strdup(m->keep, file);
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
    static const struct manifest_output outputs[] = {{"text", TOOL_OUTPUT_TEXT},
                                                     {"binary", TOOL_OUTPUT_BINARY},
                                                     {"json", TOOL_OUTPUT_JSON},
                                                     {0}};
    int sources = json_has(run, "command") + json_has(run, "file") + json_has(run, "text") +
                  json_has(run, "json");

    if (sources != 1)
        return manifest_bad(m, "run", "must have one of command, file, text, json");
    if (json_has(run, "command"))
        return manifest_program(m, run, outputs, &r->run);
    if (json_has(run, "output") || json_has(run, "timeout_ms") || json_has(run, "truncate_output"))
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
    static const char *const known[] = {
        "command",         "file",       "text",     "json",
        "output",          "timeout_ms", "scopes",   "max_output_bytes",
        "truncate_output", "ttl_ms",     "complete", NULL};
    const struct json *run = json_get(m->v, "run");
    enum rc rc;

    if (!json_is_object(run))
        return manifest_bad(m, "run", "must be an object");
    rc = manifest_members(m, run, known, " in run");
    if (!rc)
        rc = read_source(m, run, names, r);
    if (!rc)
        rc = manifest_limit(m, run, "max_output_bytes", RESOURCE_BYTES_DEFAULT, 1,
                            RESOURCE_BYTES_MAX, &r->max_bytes);
    if (!rc)
        rc = manifest_limit(m, run, "ttl_ms", 0, 0, RESOURCE_TTL_MS_MAX, &r->ttl_ms);
    if (!rc)
        rc = manifest_complete(m, json_get(run, "complete"), names, &r->complete);
    return rc ? rc : manifest_scopes(m, run, &r->scopes);
}

static enum rc load_one(void *arg, struct manifest *m) {
    struct resource_set *set = arg;
    struct resource r = {0};
    struct json *names = json_new_object(m->scratch);
    enum rc rc = read_definition(m, &r, names);

    if (!rc)
        rc = read_run(m, names, &r);
    if (rc)
        return rc;
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->all[i].uri, r.uri))
            return err_set(m->e, ERR_INVALID_REQUEST, "the address is taken by %s",
                           set->all[i].file_of);
    if (set->count == RESOURCES_MAX)
        return err_set(m->e, ERR_INVALID_REQUEST, "there are more than %d resources",
                       RESOURCES_MAX);
    json_del(m->v, "run");
    r.definition.p = json_text(m->keep, m->v, &r.definition.len);
    r.file_of = m->file;
    set->all[set->count++] = r;
    return OK;
}

static void make_list(const struct resource_set *set, struct list *l, const char *member,
                      bool templates, struct arena *scratch) {
    l->member = member;
    l->entries = arena_alloc(set->arena, (set->count + 1) * sizeof *l->entries);
    for (size_t i = 0; i < set->count; i++)
        if (set->all[i].is_template == templates)
            l->entries[l->count++] =
                (struct list_entry){set->all[i].uri,
                                    {set->all[i].definition, set->all[i].definition},
                                    set->all[i].scopes};
    list_prepare(l, set->arena, scratch);
}

struct resource_set *resource_set_load(const struct config *config, FILE *problems, unsigned *bad) {
    struct arena *arena = arena_new(MANIFESTS_MEMORY_MAX),
                 *scratch = arena_new(MANIFESTS_MEMORY_MAX);
    struct resource_set *set = arena_alloc(arena, sizeof *set);

    *bad = 0;
    set->arena = arena;
    set->all = arena_alloc(scratch, RESOURCES_MAX * sizeof *set->all);
    if (*config->resources_dir)
        manifest_load_all(config->resources_dir, arena, problems, bad, load_one, set);
    qsort(set->all, set->count, sizeof *set->all, by_uri);
    make_list(set, &set->resources, "resources", false, scratch);
    make_list(set, &set->templates, "resourceTemplates", true, scratch);
    set->all = memcpy(arena_alloc(arena, (set->count + 1) * sizeof *set->all), set->all,
                      set->count * sizeof *set->all);
    arena_free(scratch);
    return set;
}

void resource_set_free(struct resource_set *s) {
    if (s)
        arena_free(s->arena);
}

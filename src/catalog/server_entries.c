/* Private part of servers.h: what a server offers. */
#include "catalog/servers.h"

#include "base/url.h"

/* The lists of a server, each with the member that names an item for the server. */
static const struct list_of {
    const char *member, *what, *id;
    enum catalog_kind kind;
    bool has_prefix;
} lists_of[] = {{"tools", "tool", "name", CATALOG_TOOLS, true},
                {"resources", "resource", "uri", CATALOG_RESOURCES, false},
                {"resourceTemplates", "resource template", "uriTemplate", CATALOG_RESOURCES, false},
                {"prompts", "prompt", "name", CATALOG_PROMPTS, true}};
#define LISTS_OF (sizeof lists_of / sizeof *lists_of)

/* Do "allow" and "deny" admit this name or URI? */
static bool offers(const struct server *s, const char *name) {
    return name && (!s->allow || text_is_one_of(name, s->allow)) &&
           !(s->deny && text_is_one_of(name, s->deny));
}

bool server_denies_uri(const struct server *s, struct arena *a, const char *uri) {
    const char *whole, *path;
    bool denied = false;

    if (!s->deny)
        return false;
    whole = url_plain(a, uri);
    path = whole ? url_plain(a, arena_strndup(a, uri, strcspn(uri, "?#"))) : NULL;
    for (const char *const *deny = s->deny; path && *deny && !denied; deny++) {
        const char *plain = url_plain(a, *deny);

        denied = plain && (!strcmp(plain, whole) || !strcmp(plain, path));
    }
    return denied || !path;
}

/* We wait for a server's task, and know no tasks of 2025-11-25: clients see a tool as others. */
static bool take_task_support(struct json *tool) {
    struct json *execution = json_get(tool, "execution");
    const bool is_required = json_get_is(execution, "taskSupport", "required");

    json_del(execution, "taskSupport");
    if (json_has(tool, "execution") && !json_size(execution))
        json_del(tool, "execution");
    return is_required;
}

/* m->v is the item. NULL: m->e says why. */
static struct entry *read_item(const struct manifest *m, const struct server *s,
                               const struct list_of *of) {
    struct server_item *spec = arena_alloc(m->keep, sizeof *spec);
    struct entry *entry = arena_alloc(m->keep, catalog_kinds[of->kind]->entry_size);

    *spec = (struct server_item){s, arena_strdup(m->keep, json_get_str(m->v, of->id)), NULL, false};
    if (of->kind == CATALOG_TOOLS)
        spec->needs_task = take_task_support(m->v);
    if (of->has_prefix)
        json_put_str(m->v, "name", arena_printf(m->scratch, "%s%s", s->prefix, spec->name));
    if (manifest_check_types(m) || catalog_kinds[of->kind]->read_foreign(m, entry))
        return NULL;
    catalog_keep_definition(m, entry);
    spec->entry = entry;
    entry->access = s->entry.access;
    entry->is_foreign = true;
    entry->source = (struct source){&server_source, spec, s->timeout_ms, false, s->quota};
    return entry;
}

/* Why it is left out; NULL: it is in the set. */
static const char *add(struct catalog_set *set, struct entry *entry) {
    const struct entry *other = catalog_set_find(set, entry->key);

    if (set->count == CATALOG_ENTRIES_MAX)
        return "there are too many";
    if (other)
        return other->is_foreign ? "another MCP server has it" : "it is already used";
    catalog_set_add(set, entry);
    return NULL;
}

static void add_item(struct server_entries *out, const struct server_reading *r,
                     const struct list_of *of) {
    struct manifest *m = r->manifest;
    const char *name = json_get_str(m->v, of->id), *why = NULL;
    struct err e = {0};
    struct entry *entry;

    if (!offers(r->server, name))
        return;
    m->e = &e;
    entry = *name ? read_item(m, r->server, of) : NULL;
    why = !*name ? "it has no name" : entry ? add(r->catalog->sets[of->kind], entry) : e.text;
    out->has_conflicts = out->has_conflicts || (entry && why);
    if (why)
        (void)fprintf(r->problems, "%s: the %s %s is left out: %s\n", m->file, of->what,
                      text_quotable(m->scratch, name), why);
    else
        out->all[out->count++] = (struct server_entry){of->kind, entry};
}

static size_t bounded(const struct json *list) {
    return json_len(list) < SERVER_ENTRIES_MAX ? json_len(list) : SERVER_ENTRIES_MAX;
}

void server_entries_add(struct server_entries *out, const struct server_reading *r,
                        const struct json *lists) {
    struct manifest *m = r->manifest;
    size_t n = 1;

    for (size_t i = 0; i < LISTS_OF; i++)
        n += bounded(json_get(lists, lists_of[i].member));
    *out = (struct server_entries){arena_alloc(m->keep, n * sizeof *out->all), 0, false};
    for (size_t i = 0; i < LISTS_OF; i++) {
        const struct json *list = json_get(lists, lists_of[i].member);

        if (json_len(list) > SERVER_ENTRIES_MAX)
            (void)fprintf(r->problems, "%s: it has more than %d %s; the first ones are served\n",
                          m->file, SERVER_ENTRIES_MAX, catalog_kinds[lists_of[i].kind]->plural);
        for (size_t at = 0; at < bounded(list); at++) {
            m->v = json_at(list, at);
            add_item(out, r, &lists_of[i]);
        }
    }
}

void server_entries_remove(struct server_entries *entries, const struct catalog *c) {
    for (size_t i = 0; i < entries->count; i++)
        catalog_set_remove(c->sets[entries->all[i].kind], entries->all[i].entry);
    entries->count = 0;
}

/* The set of prompts: loaded once, then only read. */
#include "catalog/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/template.h"

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct prompt *)a)->name, ((const struct prompt *)b)->name);
}

static int name_and_prompt(const void *name, const void *prompt) {
    return strcmp(name, ((const struct prompt *)prompt)->name);
}

const struct prompt *prompt_find(const struct prompt_set *set, const char *name) {
    return bsearch(name, set->all, set->count, sizeof *set->all, name_and_prompt);
}

bool prompt_is_messages(const struct json *messages) {
    for (size_t i = 0; i < json_len(messages); i++) {
        const struct json *message = json_at(messages, i);
        const char *role = json_get_str(message, "role");

        if (!role || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0) ||
            !json_get_str(json_get(message, "content"), "type"))
            return false;
    }
    return json_len(messages) > 0;
}

static enum rc read_arguments(const struct manifest *m, struct prompt *p) {
    static const char *const known[] = {"name", "title", "description", "required", NULL};
    const struct json *list = json_get(m->v, "arguments");
    enum rc rc;

    p->arguments = json_new_object(m->keep);
    if (json_has(m->v, "arguments") && !json_is_array(list))
        return manifest_bad(m, "arguments", "must be an array");
    if (json_len(list) > PROMPT_ARGUMENTS_MAX)
        return manifest_bad(m, "arguments", "are too many");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *argument = json_at(list, i);
        const char *name = json_get_str(argument, "name");

        if (!manifest_is_name(name) || json_has(p->arguments, name))
            return manifest_bad(m, "arguments", "must each have a name of their own");
        rc = manifest_members(m, argument, known, " in arguments");
        if (rc)
            return rc;
        json_put_str(p->arguments, name, json_get_bool(argument, "required") ? "required" : "");
    }
    return OK;
}

static enum rc read_definition(const struct manifest *m, struct prompt *p) {
    static const char *const known[] = {"name",      "title", "description", "icons",
                                        "arguments", "_meta", "run",         NULL};
    enum rc rc = manifest_members(m, m->v, known, "");

    if (!rc)
        rc = manifest_common(m, m->v);
    if (rc)
        return rc;
    p->name = arena_strdup(m->keep, json_get_str(m->v, "name"));
    if (json_has(m->v, "description"))
        p->description = arena_strdup(m->keep, json_get_str(m->v, "description"));
    return read_arguments(m, p);
}

static enum rc read_messages(const struct manifest *m, const struct json *run, struct prompt *p) {
    struct json *messages = json_get(run, "messages");
    const char *unknown = template_unknown(m->scratch, messages, p->arguments);

    if (!prompt_is_messages(messages))
        return manifest_bad(m, "run.messages",
                            "must be an array of messages with role and content");
    if (unknown)
        return err_set(m->e, ERR_INVALID_REQUEST, "run.messages has {{%s}}, which is no argument",
                       text_quotable(m->scratch, unknown));
    p->messages = json_clone(m->keep, messages);
    return OK;
}

static enum rc read_run(const struct manifest *m, struct prompt *p) {
    static const char *const known[] = {"command",    "messages",         "output",
                                        "timeout_ms", "max_output_bytes", "scopes",
                                        "complete",   "truncate_output",  NULL};
    static const struct manifest_output outputs[] = {
        {"text", TOOL_OUTPUT_TEXT}, {"json", TOOL_OUTPUT_JSON}, {0}};
    const struct json *run = json_get(m->v, "run");
    enum rc rc;

    if (!json_is_object(run))
        return manifest_bad(m, "run", "must be an object");
    rc = manifest_members(m, run, known, " in run");
    if (rc)
        return rc;
    if (json_has(run, "command") == json_has(run, "messages"))
        return manifest_bad(m, "run", "must have either command or messages");
    rc = json_has(run, "command") ? manifest_program(m, run, outputs, &p->run)
                                  : read_messages(m, run, p);
    if (!rc)
        rc = manifest_complete(m, json_get(run, "complete"), p->arguments, &p->complete);
    return rc ? rc : manifest_scopes(m, run, &p->scopes);
}

static enum rc load_one(void *arg, struct manifest *m) {
    struct prompt_set *set = arg;
    struct prompt p = {0};
    enum rc rc = read_definition(m, &p);

    if (!rc)
        rc = read_run(m, &p);
    if (rc)
        return rc;
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->all[i].name, p.name))
            return err_set(m->e, ERR_INVALID_REQUEST, "the name %s is taken by %s", p.name,
                           set->all[i].file);
    if (set->count == PROMPTS_MAX)
        return err_set(m->e, ERR_INVALID_REQUEST, "there are more than %d prompts", PROMPTS_MAX);
    json_del(m->v, "run");
    p.definition.p = json_text(m->keep, m->v, &p.definition.len);
    p.file = m->file;
    set->all[set->count++] = p;
    return OK;
}

struct prompt_set *prompt_set_load(const struct config *config, FILE *problems, unsigned *bad) {
    struct arena *arena = arena_new(MANIFESTS_MEMORY_MAX),
                 *scratch = arena_new(MANIFESTS_MEMORY_MAX);
    struct prompt_set *set = arena_alloc(arena, sizeof *set);

    *bad = 0;
    set->arena = arena;
    set->all = arena_alloc(arena, PROMPTS_MAX * sizeof *set->all);
    if (*config->prompts_dir)
        manifest_load_all(config->prompts_dir, arena, problems, bad, load_one, set);
    qsort(set->all, set->count, sizeof *set->all, by_name);
    set->list.member = "prompts";
    set->list.entries = arena_alloc(arena, (set->count + 1) * sizeof *set->list.entries);
    set->list.count = set->count;
    for (size_t i = 0; i < set->count; i++)
        set->list.entries[i] = (struct list_entry){
            set->all[i].name, {set->all[i].definition, set->all[i].definition}, set->all[i].scopes};
    list_prepare(&set->list, arena, scratch);
    arena_free(scratch);
    return set;
}

void prompt_set_free(struct prompt_set *s) {
    if (s)
        arena_free(s->arena);
}

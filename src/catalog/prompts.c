#include "catalog/prompts.h"

#include <string.h>

#include "base/text.h"
#include "catalog/program.h"
#include "catalog/template.h"

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
    p->entry.name = p->entry.key = arena_strdup(m->keep, json_get_str(m->v, "name"));
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
    static const char *const known[] = {"messages", "max_output_bytes", "scopes", "complete", NULL};
    const struct json *run = json_get(m->v, "run");
    enum rc rc = source_members(m, run, known);

    if (rc)
        return rc;
    if (source_count(m, run) + json_has(run, "messages") != 1)
        return manifest_bad(m, "run", "must have either command or messages");
    rc = source_count(m, run) ? source_read(m, run, &p->entry.source) : read_messages(m, run, p);
    if (!rc)
        rc = completion_read(m, json_get(run, "complete"), p->arguments, &p->complete);
    return rc ? rc : manifest_scopes(m, run, &p->entry.scopes);
}

static enum rc read_prompt(const struct manifest *m, struct entry *out) {
    struct prompt *p = (struct prompt *)out;
    enum rc rc = read_definition(m, p);

    if (!rc)
        rc = read_run(m, p);
    return rc;
}

static const struct program_output outputs[] = {{"text", OUTPUT_TEXT}, {"json", OUTPUT_JSON}, {0}};

const struct catalog_kind_info prompt_kind = {.plural = "prompts",
                                              .left_out = "prompt_left_out",
                                              .directory = offsetof(struct config, prompts_dir),
                                              .entry_size = sizeof(struct prompt),
                                              .max = 512,
                                              .outputs = outputs,
                                              .read = read_prompt,
                                              .lists = {{"prompts", NULL}}};

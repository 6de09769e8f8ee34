/* Private part of catalog.h: the prompts. */
#include "catalog/catalog.h"

#include "catalog/template.h"

#define PROMPT_ARGUMENTS_MAX 64
#define PROMPT_NAME_MAX 256 /* of a server's prompt */

bool prompt_messages_are_valid(const struct json *messages) {
    for (size_t i = 0; i < json_len(messages); i++) {
        const struct json *message = json_at(messages, i);

        if ((!json_get_is(message, "role", "user") && !json_get_is(message, "role", "assistant")) ||
            !json_get_str(json_get(message, "content"), "type"))
            return false;
    }
    return json_is_array(messages);
}

static enum rc read_arguments(const struct manifest *m, struct prompt *p) {
    static const char *const known[] = {"name", "title", "description", "required", NULL};
    const struct json *list = json_get(m->v, "arguments");

    p->arguments = json_new_object(m->keep);
    if (json_has(m->v, "arguments") && !json_is_array(list))
        return manifest_error(m, "arguments", "must be an array");
    if (json_len(list) > PROMPT_ARGUMENTS_MAX)
        return manifest_error(m, "arguments", "must be at most 64");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *argument = json_at(list, i);
        const char *name = json_get_str(argument, "name");

        if (!manifest_is_name(name) || json_has(p->arguments, name))
            return manifest_error(m, "arguments", "must have valid, different names");
        if (manifest_check_members(m, argument, known, " in arguments"))
            return m->e->code;
        json_put_str(p->arguments, name, json_get_bool(argument, "required") ? "required" : "");
    }
    return OK;
}

static enum rc read_definition(const struct manifest *m, struct prompt *p) {
    static const char *const known[] = {"name",      "title", "description", "icons",
                                        "arguments", "_meta", "run",         NULL};

    if (manifest_check_definition(m, known))
        return m->e->code;
    p->entry.name = p->entry.key = arena_strdup(m->keep, json_get_str(m->v, "name"));
    if (json_has(m->v, "description"))
        p->description = arena_strdup(m->keep, json_get_str(m->v, "description"));
    return read_arguments(m, p);
}

static enum rc read_messages(const struct manifest *m, const struct json *run, struct prompt *p) {
    struct json *messages = json_get(run, "messages");
    const char *unknown = template_unknown_name(m->scratch, messages, p->arguments);

    if (!prompt_messages_are_valid(messages) || !json_len(messages))
        return manifest_error(m, "run.messages",
                              "must be an array of messages with role and content");
    if (unknown)
        return manifest_errorf(m, "run.messages has {{%s}}, which is not an argument",
                               text_quotable(m->scratch, unknown));
    p->messages = json_clone(m->keep, messages);
    return OK;
}

static enum rc read_run(const struct manifest *m, struct prompt *p) {
    static const char *const known[] = {"messages", "max_output_bytes", ACCESS_MEMBERS, "complete",
                                        NULL};
    const struct json *run = json_get(m->v, "run");

    if (source_check_members(m, run, known))
        return m->e->code;
    if (source_is_given(m, run) == json_has(run, "messages"))
        return manifest_error(m, "run", "must have either command or messages");
    if (source_is_given(m, run) ? source_read(m, run, &p->entry.source)
                                : source_check_absent(m, run) || read_messages(m, run, p))
        return m->e->code;
    if (completion_read(m, json_get(run, "complete"), p->arguments, &p->complete))
        return m->e->code;
    return access_read(m, run, &p->entry.access);
}

static enum rc read_prompt(const struct manifest *m, struct entry *out) {
    struct prompt *p = (struct prompt *)out;

    return read_definition(m, p) ? m->e->code : read_run(m, p);
}

/* Names of servers are any text. */
static enum rc read_foreign(const struct manifest *m, struct entry *out) {
    const char *name = json_get_str(m->v, "name");
    const struct json *arguments = json_get(m->v, "arguments");

    if (!name || !*name || strlen(name) > PROMPT_NAME_MAX)
        return manifest_error(m, "its name, with the prefix,", "must have 1 to 256 bytes");
    if (arguments && !json_is_array(arguments))
        return manifest_error(m, "arguments", "must be an array");
    for (size_t i = 0; i < json_len(arguments); i++)
        if (!json_get_str(json_at(arguments, i), "name"))
            return manifest_error(m, "arguments", "must have names");
    out->key = arena_strdup(m->keep, name);
    out->name = text_quotable(m->keep, name);
    ((struct prompt *)out)->arguments = json_new_object(m->keep);
    return OK;
}

static const struct program_output outputs[] = {{"text", OUTPUT_TEXT}, {"json", OUTPUT_JSON}, {0}};

const struct catalog_kind_info prompt_kind = {.word = "prompt",
                                              .plural = "prompts",
                                              .invalid_event = "prompt_invalid",
                                              .directory = offsetof(struct config, prompts_dir),
                                              .entry_size = sizeof(struct prompt),
                                              .outputs = outputs,
                                              .read = read_prompt,
                                              .read_foreign = read_foreign,
                                              .lists = {{"prompts", NULL}}};

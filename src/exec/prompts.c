/* Private part of methods.h: prompts/get, and completion/complete for prompts and resources. */
#include "exec/methods.h"

#include <strings.h>

#include "catalog/servers.h"
#include "catalog/template.h"
#include "exec/server_lists.h"
#include "exec/tool_result.h"
#include "mcp/access.h"

/* ---- prompts/get ---- */

/* Checks that arguments are strings and required ones are present. *out gets those that are
 * present. */
static enum rc check_arguments(struct mcp_call *c, const struct prompt *p, const struct json *given,
                               struct json **out, struct err *e) {
    *out = json_new_object(c->arena);
    for (struct json_member m = json_first(given); m.key; json_next(&m)) {
        if (m.value && !json_is_string(m.value))
            return rpc_invalid_params(e, "the argument %s must be a string",
                                      text_quotable(c->arena, m.key));
        json_put_given(*out, m.key, m.value);
    }
    for (struct json_member m = json_first(p->arguments); m.key; json_next(&m))
        if (*json_str(m.value) && !json_has(*out, m.key))
            return rpc_invalid_params(e, "the argument %s is missing", m.key);
    return OK;
}

static struct json *prompt_result(struct mcp_call *c, const struct prompt *p,
                                  struct json *messages) {
    struct json *result = json_new_object(c->arena);

    json_put_str(result, "description", p->description);
    json_put(result, "messages", messages);
    return result;
}

static struct json *text_result(struct mcp_call *c, const struct prompt *p, struct text t) {
    struct json *messages = json_new_array(c->arena), *message = json_new_object(c->arena);

    json_put_str(message, "role", "user");
    json_put(message, "content", text_content(c->arena, t));
    json_add(messages, message);
    return prompt_result(c, p, messages);
}

/* The GetPromptResult that a program or a server has sent, with its known members only; NULL: it is
 * malformed. */
static struct json *read_result(struct mcp_call *c, const struct prompt *p, const struct json *v) {
    struct json *result;

    if (!prompt_messages_are_valid(json_get(v, "messages")))
        return NULL;
    result = prompt_result(c, p, json_get(v, "messages"));
    if (json_get_str(v, "description"))
        json_put(result, "description", json_get(v, "description"));
    if (json_is_object(json_get(v, "_meta")))
        json_put(result, "_meta", json_get(v, "_meta"));
    return result;
}

static enum rc run(struct mcp_call *c, const struct prompt *p, struct json *arguments,
                   struct json **result, struct err *e) {
    const struct invocation i = {
        &p->entry.source, "prompt", p->entry.name, {{"arguments", arguments}}};
    struct execution x;
    enum rc rc = execute_or_fail(c, &i, &x, e);

    if (rc || x.is_input_required)
        return rc;
    *result = x.result || x.form == OUTPUT_JSON ? read_result(c, p, execution_json(c->arena, &x))
                                                : text_result(c, p, x.output);
    return *result ? OK : execution_bad_output(c, "a prompt", e);
}

enum rc mcp_prompts_get(struct mcp_call *c, struct err *e) {
    struct json *arguments, *messages, *result = NULL;
    const struct entry *entry;
    const struct prompt *p;
    enum rc rc = called_entry(c, &entry, &arguments, e);

    p = (const struct prompt *)entry;
    if (rc || check_arguments(c, p, arguments, &arguments, e))
        return e->code;
    c->answer.outcome = "ok";
    if (entry->source.kind) {
        rc = run(c, p, arguments, &result, e);
    } else { /* the messages of the manifest */
        messages = template_expand(c->arena, p->messages, arguments);
        if (!messages)
            return rpc_invalid_params(e, "the arguments are too long");
        result = prompt_result(c, p, messages);
    }
    if (result)
        mcp_call_finish(c, result);
    return rc;
}

/* ---- completion/complete ---- */

#define VALUES_MAX 100 /* "Maximum 100 items per response" */

struct target {
    const char *kind;
    const struct entry *entry;
    const struct completion *completions;
};

static bool find_target(const struct mcp_call *c, struct target *t) {
    const struct catalog *catalog = c->x->site->mcp->catalog;
    const struct json *ref = json_get(c->msg.params, "ref");
    const char *name = json_get_str(ref, "name"), *uri = json_get_str(ref, "uri");
    const struct resource *r = NULL;
    const struct prompt *p = NULL;
    struct json *variables;

    if (name && json_get_is(ref, "type", "ref/prompt"))
        p = catalog_prompt(catalog, name);
    if (uri && json_get_is(ref, "type", "ref/resource")) {
        r = catalog_template(catalog, uri);
        r = r ? r : catalog_resource(catalog, c->arena, uri, &variables);
    }
    *t = p   ? (struct target){"prompt", &p->entry, p->complete}
         : r ? (struct target){"resource", &r->entry, r->complete}
             : (struct target){0};
    if (!mcp_visible(c, t->entry))
        *t = (struct target){0};
    return t->entry;
}

const struct entry *mcp_complete_entry(struct mcp_call *c) {
    struct target t;

    if (!find_target(c, &t) && server_lists_look_again(c)) /* as of a tool: methods.c */
        (void)find_target(c, &t);
    return t.entry;
}

struct values {
    struct json *list;
    int64_t total;
};

static void add_value(struct mcp_call *c, struct values *v, const char *s, size_t len) {
    if (v->total++ < VALUES_MAX)
        json_add(v->list, json_new_stringn(c->arena, s, len));
}

/* Adds the values that begin with the typed text, in the order of the manifest. */
static void filter(struct mcp_call *c, const struct json *values, const char *typed,
                   struct values *out) {
    for (size_t i = 0; i < json_len(values); i++) {
        const char *s = json_str(json_at(values, i));

        if (!strncasecmp(s, typed, strlen(typed)))
            add_value(c, out, s, strlen(s));
    }
}

static enum rc execute_completion(struct mcp_call *c, const struct target *t,
                                  const struct source *source, struct execution *x, struct err *e) {
    struct json *context = json_get(c->msg.params, "context");
    const struct invocation i = {source,
                                 t->kind,
                                 t->entry->name,
                                 {{"argument", json_get(c->msg.params, "argument")},
                                  {json_is_object(context) ? "context" : NULL, context}}};

    return execute_or_fail(c, &i, x, e);
}

/* The program gets the typed text and selects the values itself: it prints one on each line. */
static enum rc run_completion(struct mcp_call *c, const struct target *t,
                              const struct completion *completion, struct values *out,
                              struct err *e) {
    struct execution x;

    if (execute_completion(c, t, &completion->source, &x, e))
        return e->code;
    for (const char *s = x.output.p, *stop = s + x.output.len; s < stop;) {
        const char *line_end = memchr(s, '\n', (size_t)(stop - s));
        size_t len = (size_t)((line_end ? line_end : stop) - s);

        if (len)
            add_value(c, out, s, len);
        s += len + 1;
    }
    return OK;
}

/* A server selects the values itself. */
static enum rc ask_server(struct mcp_call *c, const struct target *t, struct json **completion,
                          struct err *e) {
    const struct server_item *item = t->entry->source.spec;
    struct execution x;
    struct json *v;

    if (!item->server->completes)
        return OK;
    if (execute_completion(c, t, &t->entry->source, &x, e))
        return e->code;
    v = json_get(x.result, "completion");
    for (size_t n = 0; n < json_len(json_get(v, "values")); n++)
        if (!json_str(json_at(json_get(v, "values"), n)))
            v = NULL;
    if (!json_is_array(json_get(v, "values")) || json_len(json_get(v, "values")) > VALUES_MAX)
        return execution_bad_output(c, "a completion", e);
    *completion = v;
    return OK;
}

static enum rc get_values(struct mcp_call *c, const struct target *t, struct values *out,
                          struct err *e) {
    const struct json *argument = json_get(c->msg.params, "argument");
    const char *name = json_get_str(argument, "name"), *typed = json_get_str(argument, "value");
    const struct completion *completion = t->completions;

    if (!name || !typed)
        return rpc_invalid_params(e, "argument must have a name and a value");
    while (completion && completion->name && strcmp(completion->name, name) != 0)
        completion++;
    if (!completion || !completion->name)
        return OK;
    if (completion->source.kind)
        return run_completion(c, t, completion, out, e);
    filter(c, completion->values, typed, out);
    return OK;
}

enum rc mcp_complete(struct mcp_call *c, struct err *e) {
    const struct json *ref = json_get(c->msg.params, "ref");
    struct json *completion = json_new_object(c->arena);
    struct values v = {.list = json_new_array(c->arena)};
    const char *target = json_get_str(ref, json_get(ref, "uri") ? "uri" : "name");
    struct target t;

    c->answer.target = target ? text_quotable(c->arena, target) : "";
    if (!find_target(c, &t))
        return rpc_invalid_params(e, "ref must name a prompt or a resource template");
    if (get_values(c, &t, &v, e))
        return e->code;
    json_put(completion, "values", v.list);
    json_put_int(completion, "total", v.total);
    json_put_bool(completion, "hasMore", v.total > VALUES_MAX);
    if (t.entry->is_foreign && ask_server(c, &t, &completion, e))
        return e->code;
    mcp_call_finish(c, json_new_member(c->arena, "completion", completion));
    return OK;
}

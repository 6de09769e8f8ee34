/* Private part of methods.h: prompts/get. */
#include "exec/methods.h"

#include <string.h>

#include "catalog/catalog.h"
#include "catalog/prompts.h"
#include "catalog/template.h"
#include "exec/executors.h"
#include "mcp/call.h"

static const struct prompt *called_prompt(const struct mcp_call *c) {
    const char *name = json_get_str(c->msg.params, "name");

    return name ? catalog_prompt(c->x->site->mcp->catalog, name) : NULL;
}

const char *mcp_prompts_get_scopes(const struct mcp_call *c) {
    const struct prompt *p = called_prompt(c);

    return p ? p->entry.scopes : "";
}

/* Checks that arguments are strings and required ones are present. *out gets those that are
 * present. */
static enum rc read_arguments(struct mcp_call *c, const struct prompt *p, struct json **out,
                              struct err *e) {
    const struct json *given = json_get(c->msg.params, "arguments");
    struct json_member m;

    if (given && !json_is_object(given))
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: arguments must be an object");
    *out = json_new_object(c->arena);
    for (bool more = json_first(given, &m); more; more = json_next(&m)) {
        if (m.value && !json_is_string(m.value))
            return err_set(e, ERR_RPC_INVALID_PARAMS,
                           "Invalid params: the argument %s must be a string",
                           text_quotable(c->arena, m.key));
        if (m.value)
            json_put(*out, m.key, m.value);
    }
    for (bool more = json_first(p->arguments, &m); more; more = json_next(&m))
        if (*json_str(m.value) && !json_has(*out, m.key))
            return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: the argument %s is missing",
                           m.key);
    return OK;
}

static struct json *result_of(struct mcp_call *c, const struct prompt *p, struct json *messages) {
    struct json *result = json_new_object(c->arena);

    json_put_str(result, "description", p->description);
    json_put(result, "messages", messages);
    return result;
}

static struct json *text_result(struct mcp_call *c, const struct prompt *p, struct text t) {
    struct json *messages = json_new_array(c->arena), *message = json_new_object(c->arena);
    struct json *content = json_new_object(c->arena);

    json_put_str(content, "type", "text");
    json_put(content, "text", json_new_stringn(c->arena, t.p, t.len));
    json_put_str(message, "role", "user");
    json_put(message, "content", content);
    json_add(messages, message);
    return result_of(c, p, messages);
}

/* The GetPromptResult that the program printed, with its known members only; NULL: it is malformed.
 */
static struct json *own_result(struct mcp_call *c, const struct prompt *p, struct text out) {
    struct json *v, *result;
    struct err e;

    if (json_parse(c->arena, out.p, out.len, &v, &e) ||
        !prompt_is_messages(json_get(v, "messages")))
        return NULL;
    result = result_of(c, p, json_get(v, "messages"));
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
    enum rc rc = execute(c, &i, &x, e);

    if (rc || x.is_answered)
        return rc;
    if (x.failure)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: %s", x.failure);
    *result = x.result                ? x.result
              : x.form == OUTPUT_JSON ? own_result(c, p, x.output)
                                      : text_result(c, p, x.output);
    if (*result)
        return OK;
    c->answer.outcome = "bad_output";
    return err_set(e, ERR_RPC_INTERNAL, "Internal error: the program's output is not a prompt");
}

/* Expands the messages of the manifest. */
static enum rc expand(struct mcp_call *c, const struct prompt *p, const struct json *arguments,
                      struct json **result, struct err *e) {
    struct json *messages = template_expand(c->arena, p->messages, arguments);

    if (!messages)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: the arguments are too long");
    *result = result_of(c, p, messages);
    return OK;
}

enum rc mcp_prompts_get(struct mcp_call *c, struct err *e) {
    const char *name = json_get_str(c->msg.params, "name");
    struct json *arguments = NULL, *result = NULL;
    const struct prompt *p = called_prompt(c);
    enum rc rc;

    if (!name)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: name must be a string");
    if (!p) {
        c->answer.outcome = "unknown_prompt";
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Unknown prompt: %s",
                       text_quotable(c->arena, name));
    }
    c->answer.target = p->entry.name;
    rc = read_arguments(c, p, &arguments, e);
    if (rc)
        return rc;
    c->answer.outcome = "ok";
    rc = p->entry.source.kind ? run(c, p, arguments, &result, e)
                              : expand(c, p, arguments, &result, e);
    if (result)
        mcp_call_finish(c, result);
    return rc;
}

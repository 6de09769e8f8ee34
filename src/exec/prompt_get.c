#include "exec/prompt_get.h"

#include <string.h>

#include "catalog/prompts.h"
#include "catalog/template.h"
#include "exec/program.h"
#include "mcp/call.h"
#include "mcp/site.h"

static const struct prompt *called_prompt(const struct mcp_call *c) {
    const char *name = json_get_str(c->msg.params, "name");

    return name ? prompt_find(c->x->site->mcp->prompts, name) : NULL;
}

const char *mcp_prompts_get_scopes(const struct mcp_call *c) {
    const struct prompt *p = called_prompt(c);

    return p ? p->scopes : "";
}

/* Arguments of prompts are strings, and required ones have to be there. *out has those that are. */
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

/* The program speaks MCP itself: what belongs to a GetPromptResult is taken over. */
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
                   struct json **result, const char **outcome, struct err *e) {
    struct program program = {.run = &p->run,
                              .kind = "prompt",
                              .name = p->name,
                              .input = json_new_object(c->arena),
                              .bound = arguments};
    struct run_result end;
    const char *why;
    bool answered;
    enum rc rc;

    json_put(program.input, "arguments", arguments);
    rc = program_call(c, &program, &end, &answered, e);
    *outcome = rc ? "error" : "input_required";
    if (rc || answered)
        return rc;
    why = program_failure(c, &p->run, &end, outcome);
    if (why)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: %s", why);
    *result =
        p->run.output == TOOL_OUTPUT_JSON ? own_result(c, p, end.out) : text_result(c, p, end.out);
    if (*result)
        return OK;
    *outcome = "bad_output";
    return err_set(e, ERR_RPC_INTERNAL, "Internal error: the program's output is not a prompt");
}

enum rc mcp_prompts_get(struct mcp_call *c, struct err *e) {
    const char *name = json_get_str(c->msg.params, "name"), *outcome = "ok";
    struct json *arguments = NULL, *result = NULL, *messages;
    const struct prompt *p = called_prompt(c);
    enum rc rc;

    if (p)
        c->answer.target = p->name;
    if (!name)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: name must be a string");
    if (!p) {
        c->answer.outcome = "unknown_prompt";
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Unknown prompt: %s",
                       text_quotable(c->arena, name));
    }
    rc = read_arguments(c, p, &arguments, e);
    if (rc)
        return rc;
    if (p->run.argv) {
        rc = run(c, p, arguments, &result, &outcome, e);
    } else {
        messages = template_expand(c->arena, p->messages, arguments);
        if (!messages)
            return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: the arguments are too long");
        result = result_of(c, p, messages);
    }
    if (result)
        mcp_answer_finish(c, result);
    c->answer.outcome = outcome;
    return rc;
}

#include "exec/complete.h"

#include <string.h>
#include <strings.h>

#include "catalog/prompts.h"
#include "catalog/resources.h"
#include "exec/program.h"
#include "mcp/call.h"
#include "mcp/site.h"

#define VALUES_MAX 100 /* "Maximum 100 items per response" */

struct target {
    const char *kind, *name, *scopes;
    const struct completion *list;
};

static bool find_target(const struct mcp_call *c, struct target *t) {
    const struct json *ref = json_get(c->msg.params, "ref");
    const char *type = json_get_str(ref, "type"), *name = json_get_str(ref, "name");
    const char *uri = json_get_str(ref, "uri");
    const struct resource *r;
    const struct prompt *p;
    struct json *variables;

    if (type && name && !strcmp(type, "ref/prompt") &&
        (p = prompt_find(c->x->site->mcp->prompts, name))) {
        *t = (struct target){"prompt", p->name, p->scopes, p->complete};
        return true;
    }
    if (!type || !uri || strcmp(type, "ref/resource") != 0)
        return false;
    r = resource_template_find(c->x->site->mcp->resources, uri);
    if (!r)
        r = resource_find(c->x->site->mcp->resources, c->arena, uri, &variables);
    if (r)
        *t = (struct target){"resource", r->name, r->scopes, r->complete};
    return r != NULL;
}

const char *mcp_complete_scopes(const struct mcp_call *c) {
    struct target t;

    return find_target(c, &t) ? t.scopes : "";
}

struct values {
    struct json *list;
    int64_t total;
};

static void add_value(struct mcp_call *c, struct values *v, const char *s, size_t len) {
    if (v->total++ < VALUES_MAX)
        json_add(v->list, json_new_stringn(c->arena, s, len));
}

/* Those that begin with what has been typed, in the order of the manifest. */
static void filter(struct mcp_call *c, const struct json *values, const char *typed,
                   struct values *out) {
    for (size_t i = 0; i < json_len(values); i++) {
        const char *s = json_str(json_at(values, i));

        if (!strncasecmp(s, typed, strlen(typed)))
            add_value(c, out, s, strlen(s));
    }
}

/* A program knows best what fits: each line that it prints is a value. */
static enum rc run(struct mcp_call *c, const struct target *t, const struct completion *how,
                   struct values *out, struct err *e) {
    struct json *context = json_get(c->msg.params, "context");
    struct program p = {
        .run = &how->run, .kind = t->kind, .name = t->name, .input = json_new_object(c->arena)};
    struct run_result end;
    const char *why, *outcome;
    bool answered;
    enum rc rc;

    json_put(p.input, "argument", json_get(c->msg.params, "argument"));
    if (json_is_object(context))
        json_put(p.input, "context", context);
    rc = program_call(c, &p, &end, &answered, e);
    if (rc)
        return rc;
    why = program_failure(c, &how->run, &end, &outcome);
    c->answer.outcome = outcome;
    if (why)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: %s", why);
    for (const char *s = end.out.p, *stop = s + end.out.len; s < stop;) {
        const char *line_end = memchr(s, '\n', (size_t)(stop - s));
        size_t len = (size_t)((line_end ? line_end : stop) - s);

        if (len)
            add_value(c, out, s, len);
        s += len + 1;
    }
    return OK;
}

enum rc mcp_complete(struct mcp_call *c, struct err *e) {
    const struct json *ref = json_get(c->msg.params, "ref");
    const struct json *argument = json_get(c->msg.params, "argument");
    const char *name = json_get_str(argument, "name"), *typed = json_get_str(argument, "value");
    struct json *result = json_new_object(c->arena), *completion = json_new_object(c->arena);
    struct values v = {.list = json_new_array(c->arena)};
    const struct completion *how;
    struct target t;
    enum rc rc = OK;

    c->answer.target = json_get_str(ref, json_get(ref, "uri") ? "uri" : "name");
    c->answer.target = c->answer.target ? text_quotable(c->arena, c->answer.target) : "";
    if (!find_target(c, &t))
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: ref must name a prompt or a resource template");
    if (!name || !typed)
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: argument must have a name and a value");
    for (how = t.list; how && how->name && strcmp(how->name, name) != 0; how++)
        ;
    if (how && how->name && how->run.argv)
        rc = run(c, &t, how, &v, e);
    else if (how && how->name)
        filter(c, how->values, typed, &v);
    if (rc)
        return rc;
    json_put(completion, "values", v.list);
    json_put_int(completion, "total", v.total);
    json_put_bool(completion, "hasMore", v.total > VALUES_MAX);
    json_put(result, "completion", completion);
    mcp_answer_finish(c, result);
    return OK;
}

/* Private part of methods.h: completion/complete. */
#include "exec/methods.h"

#include <string.h>
#include <strings.h>

#include "catalog/catalog.h"
#include "catalog/prompts.h"
#include "catalog/resources.h"
#include "exec/executors.h"
#include "mcp/call.h"

#define VALUES_MAX 100 /* "Maximum 100 items per response" */

struct target {
    const char *kind;
    const struct entry *entry;
    const struct completion *list;
};

static bool find_prompt(const struct mcp_call *c, const struct json *ref, struct target *t) {
    const char *name = json_get_str(ref, "name");
    const struct prompt *p = name ? catalog_prompt(c->x->site->mcp->catalog, name) : NULL;

    if (p)
        *t = (struct target){"prompt", &p->entry, p->complete};
    return p != NULL;
}

static bool find_resource(const struct mcp_call *c, const struct json *ref, struct target *t) {
    const struct catalog *catalog = c->x->site->mcp->catalog;
    const char *uri = json_get_str(ref, "uri");
    const struct resource *r = uri ? catalog_template(catalog, uri) : NULL;
    struct json *variables;

    if (!r && uri)
        r = catalog_resource(catalog, c->arena, uri, &variables);
    if (r)
        *t = (struct target){"resource", &r->entry, r->complete};
    return r != NULL;
}

static bool find_target(const struct mcp_call *c, struct target *t) {
    const struct json *ref = json_get(c->msg.params, "ref");
    const char *type = json_get_str(ref, "type");

    if (type && !strcmp(type, "ref/prompt"))
        return find_prompt(c, ref, t);
    return type && !strcmp(type, "ref/resource") && find_resource(c, ref, t);
}

const char *mcp_complete_scopes(const struct mcp_call *c) {
    struct target t;

    return find_target(c, &t) ? t.entry->scopes : "";
}

struct values {
    struct json *list;
    int64_t total;
};

static void add_value(struct mcp_call *c, struct values *v, const char *s, size_t len) {
    if (v->total++ < VALUES_MAX)
        json_add(v->list, json_new_stringn(c->arena, s, len));
}

/* Values that begin with the typed text, in the order of the manifest. */
static void filter(struct mcp_call *c, const struct json *values, const char *typed,
                   struct values *out) {
    for (size_t i = 0; i < json_len(values); i++) {
        const char *s = json_str(json_at(values, i));

        if (!strncasecmp(s, typed, strlen(typed)))
            add_value(c, out, s, strlen(s));
    }
}

/* The program gets the typed text and selects the values itself: each line that it prints is one.
 */
static enum rc run(struct mcp_call *c, const struct target *t, const struct completion *how,
                   struct values *out, struct err *e) {
    struct json *context = json_get(c->msg.params, "context");
    const struct invocation i = {&how->source,
                                 t->kind,
                                 t->entry->name,
                                 {{"argument", json_get(c->msg.params, "argument")},
                                  {json_is_object(context) ? "context" : NULL, context}}};
    struct execution x;
    enum rc rc = execute(c, &i, &x, e);

    if (rc)
        return rc;
    if (x.failure)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: %s", x.failure);
    for (const char *s = x.output.p, *stop = s + x.output.len; s < stop;) {
        const char *line_end = memchr(s, '\n', (size_t)(stop - s));
        size_t len = (size_t)((line_end ? line_end : stop) - s);

        if (len)
            add_value(c, out, s, len);
        s += len + 1;
    }
    return OK;
}

static enum rc get_values(struct mcp_call *c, const struct target *t, struct values *out,
                          struct err *e) {
    const struct json *argument = json_get(c->msg.params, "argument");
    const char *name = json_get_str(argument, "name"), *typed = json_get_str(argument, "value");
    const struct completion *how = t->list;

    if (!name || !typed)
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: argument must have a name and a value");
    while (how && how->name && strcmp(how->name, name) != 0)
        how++;
    if (!how || !how->name)
        return OK;
    if (how->source.kind)
        return run(c, t, how, out, e);
    filter(c, how->values, typed, out);
    return OK;
}

enum rc mcp_complete(struct mcp_call *c, struct err *e) {
    const struct json *ref = json_get(c->msg.params, "ref");
    struct json *result = json_new_object(c->arena), *completion = json_new_object(c->arena);
    struct values v = {.list = json_new_array(c->arena)};
    const char *target = json_get_str(ref, json_get(ref, "uri") ? "uri" : "name");
    struct target t;

    c->answer.target = target ? text_quotable(c->arena, target) : "";
    if (!find_target(c, &t))
        return err_set(e, ERR_RPC_INVALID_PARAMS,
                       "Invalid params: ref must name a prompt or a resource template");
    if (get_values(c, &t, &v, e))
        return e->code;
    json_put(completion, "values", v.list);
    json_put_int(completion, "total", v.total);
    json_put_bool(completion, "hasMore", v.total > VALUES_MAX);
    json_put(result, "completion", completion);
    mcp_call_finish(c, result);
    return OK;
}

#include "exec/resource_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/utf8.h"
#include "catalog/resources.h"
#include "catalog/template.h"
#include "exec/program.h"
#include "mcp/call.h"
#include "mcp/site.h"

const char *mcp_resources_read_scopes(const struct mcp_call *c) {
    const char *uri = json_get_str(c->msg.params, "uri");
    struct json *variables;
    const struct resource *r =
        uri ? resource_find(c->x->site->mcp->resources, c->arena, uri, &variables) : NULL;

    return r ? r->scopes : "";
}

/* Text is what says so, or is valid UTF-8 without saying that it is a picture or the like. */
static bool is_text(const struct resource *r, struct text t) {
    static const char *const binary[] = {
        "image/", "audio/", "video/", "font/", "application/octet-stream", NULL};

    for (const char *const *b = binary; r->mime && *b; b++)
        if (!strncasecmp(r->mime, *b, strlen(*b)) && strcasecmp(r->mime, "image/svg+xml") != 0)
            return false;
    return utf8_valid_length(t.p, t.len) == t.len && !memchr(t.p, 0, t.len);
}

static struct json *contents(struct mcp_call *c, const struct resource *r, const char *uri,
                             struct text data, bool text) {
    struct json *result = json_new_object(c->arena), *list = json_new_array(c->arena);
    struct json *content = json_new_object(c->arena);

    json_put_str(content, "uri", uri);
    json_put_str(content, "mimeType", r->mime);
    if (text)
        json_put(content, "text", json_new_stringn(c->arena, data.p, data.len));
    else {
        const char *blob = base64_encode(c->arena, data.p, data.len);

        json_put_str(content, "blob", blob);
        arena_release(c->arena, blob);
    }
    json_add(list, content);
    json_put(result, "contents", list);
    return result;
}

/* The file as it is now; it may have changed since its manifest was read. */
static enum rc read_file(struct mcp_call *c, const struct resource *r, struct text *out,
                         struct err *e) {
    int fd = open(r->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t max = (size_t)r->max_bytes, len = 0;
    struct stat st;
    ssize_t n = 0;
    char *p;

    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > r->max_bytes) {
        log_error("resource_file_unusable", kv("file", r->file),
                  kv("why", fd < 0 ? strerror(errno) : "no file, or longer than max_output_bytes"));
        if (fd >= 0)
            (void)close(fd);
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: the resource cannot be read");
    }
    if ((size_t)st.st_size < max)
        max = (size_t)st.st_size;
    p = arena_alloc(c->arena, max + 1);
    while (len < max && (n = read(fd, p + len, max - len)) > 0)
        len += (size_t)n;
    (void)close(fd);
    *out = (struct text){p, len};
    return n < 0 ? err_set(e, ERR_RPC_INTERNAL, "Internal error: the resource cannot be read") : OK;
}

/* The program speaks MCP itself: only `contents` and `_meta` are taken over. */
static struct json *own_result(struct arena *a, struct text out) {
    struct json *v, *result = json_new_object(a);
    const struct json *list;
    struct err e;

    if (json_parse(a, out.p, out.len, &v, &e))
        return NULL;
    list = json_get(v, "contents");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *content = json_at(list, i);

        if (!json_get_str(content, "uri") ||
            json_is_string(json_get(content, "text")) == json_is_string(json_get(content, "blob")))
            return NULL;
    }
    if (!json_len(list))
        return NULL;
    json_put(result, "contents", json_get(v, "contents"));
    if (json_is_object(json_get(v, "_meta")))
        json_put(result, "_meta", json_get(v, "_meta"));
    return result;
}

static enum rc run(struct mcp_call *c, const struct resource *r, const char *uri,
                   struct json *variables, struct json **result, const char **outcome,
                   struct err *e) {
    struct program p = {.run = &r->run,
                        .kind = "resource",
                        .name = r->name,
                        .input = json_new_object(c->arena),
                        .bound = json_new_string(c->arena, uri)};
    struct run_result end;
    const char *why;
    bool answered;
    enum rc rc;

    json_put_str(p.input, "uri", uri);
    json_put(p.input, "variables", variables ? variables : json_new_object(c->arena));
    rc = program_call(c, &p, &end, &answered, e);
    *outcome = rc ? "error" : "input_required";
    if (rc || answered)
        return rc;
    why = program_failure(c, &r->run, &end, outcome);
    if (why)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: %s", why);
    if (r->run.output == TOOL_OUTPUT_JSON)
        *result = own_result(c->arena, end.out);
    else if (r->run.output == TOOL_OUTPUT_BINARY || is_text(r, end.out))
        *result = contents(c, r, uri, end.out, r->run.output != TOOL_OUTPUT_BINARY);
    if (*result)
        return OK;
    *outcome = "bad_output";
    return err_set(e, ERR_RPC_INTERNAL, "Internal error: the program's output is not %s",
                   r->run.output == TOOL_OUTPUT_JSON ? "a resource" : "text");
}

static enum rc expand(struct mcp_call *c, const struct resource *r, const char *uri,
                      const struct json *variables, struct json **result, struct err *e) {
    struct json *v = template_expand(c->arena, r->content, variables);
    struct text t;

    if (!v)
        return err_set(e, ERR_RPC_INTERNAL, "Internal error: the resource is too long");
    t.p = json_is_string(v) ? json_strn(v, &t.len) : json_text(c->arena, v, &t.len);
    *result = contents(c, r, uri, t, true);
    return OK;
}

static enum rc read_resource(struct mcp_call *c, const struct resource *r, const char *uri,
                             struct json *variables, struct json **result, const char **outcome,
                             struct err *e) {
    struct text data;
    enum rc rc;

    *outcome = "ok";
    if (r->run.argv)
        return run(c, r, uri, variables, result, outcome, e);
    if (r->content)
        return expand(c, r, uri, variables, result, e);
    rc = read_file(c, r, &data, e);
    *outcome = rc ? "error" : "ok";
    if (!rc)
        *result = contents(c, r, uri, data, is_text(r, data));
    if (!rc)
        arena_release(c->arena, data.p);
    return rc;
}

enum rc mcp_resources_read(struct mcp_call *c, struct err *e) {
    const char *uri = json_get_str(c->msg.params, "uri"), *outcome;
    struct json *variables, *result = NULL;
    const struct resource *r;
    enum rc rc;

    if (!uri)
        return err_set(e, ERR_RPC_INVALID_PARAMS, "Invalid params: uri must be a string");
    r = resource_find(c->x->site->mcp->resources, c->arena, uri, &variables);
    if (!r) {
        c->answer.outcome = "unknown_resource";
        c->answer.error_data = json_new_object(c->arena);
        json_put_str(c->answer.error_data, "uri", uri);
        return err_set(e, ERR_RPC_RESOURCE_NOT_FOUND, "Resource not found");
    }
    rc = read_resource(c, r, uri, variables, &result, &outcome, e);
    if (result) {
        if (c->msg.protocol == PROTOCOL_STATELESS) {
            /* What depends on input that is no part of the request "MUST NOT be cached". */
            bool asked = json_get(c->msg.params, "inputResponses") ||
                         json_get(c->msg.params, "requestState");

            json_put_int(result, "ttlMs", asked ? 0 : r->ttl_ms);
            json_put_str(result, "cacheScope", "private"); /* it needs a token */
        }
        mcp_answer_finish(c, result);
    }
    c->answer.target = r->name;
    c->answer.outcome = outcome;
    return rc;
}

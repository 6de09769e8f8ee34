/* Private part of methods.h: resources/read. */
#include "exec/methods.h"

#include <errno.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/utf8.h"
#include "catalog/template.h"
#include "exec/executor.h"
#include "exec/server_lists.h"
#include "mcp/access.h"

/* A server may deny one of the URIs of a template. */
static const struct resource *find(const struct mcp_call *c, const char *uri,
                                   struct json **variables) {
    const struct resource *r = mcp_find_resource(c, uri, variables);
    const struct server_item *item = r && r->entry.is_foreign ? r->entry.source.spec : NULL;

    return item && server_denies_uri(item->server, c->arena, uri) ? NULL : r;
}

const struct entry *mcp_resources_read_entry(struct mcp_call *c) {
    const char *uri = json_get_str(c->msg.params, "uri");
    struct json *variables;
    const struct resource *r = uri ? find(c, uri, &variables) : NULL;

    if (!r && uri && server_lists_look_again(c)) /* as of a tool: methods.c */
        r = find(c, uri, &variables);
    return r ? &r->entry : NULL;
}

/* A resource that was found, and the values of its template's variables. */
struct found {
    const struct resource *r;
    const char *uri;
    struct json *variables; /* NULL: it is not a template */
};

/* Is it valid UTF-8 without NUL, and not of a MIME type for binary data, such as image/? */
static bool is_text(const struct resource *r, struct text t) {
    static const char *const binary[] = {
        "image/", "audio/", "video/", "font/", "application/octet-stream", NULL};

    for (const char *const *b = binary; r->mime && *b; b++)
        if (!strncasecmp(r->mime, *b, strlen(*b)) && strcasecmp(r->mime, "image/svg+xml") != 0)
            return false;
    return utf8_valid_length(t.p, t.len) == t.len && !memchr(t.p, 0, t.len);
}

static struct json *contents(struct mcp_call *c, const struct found *f, struct text data,
                             bool text) {
    struct json *list = json_new_array(c->arena), *content = json_new_object(c->arena);

    json_put_str(content, "uri", f->uri);
    json_put_str(content, "mimeType", f->r->mime);
    if (text)
        json_put(content, "text", json_new_stringn(c->arena, data.p, data.len));
    else {
        const char *blob = base64_encode(c->arena, data.p, data.len);

        json_put_str(content, "blob", blob);
        arena_release(c->arena, blob);
    }
    json_put_given(content, "_meta", f->r->meta);
    json_add(list, content);
    return json_new_member(c->arena, "contents", list);
}

/* Reads a file of at most `max` bytes. Returns NULL, or why it cannot be read. */
static const char *read_fd(struct arena *a, int fd, int64_t max, struct text *out) {
    struct stat st;
    ssize_t len;
    char *p;

    if (fstat(fd, &st))
        return strerror(errno);
    if (!S_ISREG(st.st_mode) || st.st_size > max)
        return "not a regular file, or longer than max_output_bytes";
    p = arena_alloc(a, (size_t)st.st_size + 1);
    len = file_read_all(fd, p, (size_t)st.st_size);
    if (len < 0)
        return strerror(errno);
    *out = (struct text){p, (size_t)len};
    return NULL;
}

/* The file as it is now; it may have changed since its manifest was read. */
static enum rc read_file(struct mcp_call *c, const struct resource *r, struct text *out,
                         struct err *e) {
    const char *why;
    int fd = r->folder ? file_open_below(r->folder, r->path + strlen(r->folder) + 1, &why)
                       : file_open(r->path, &why);

    if (fd >= 0) {
        why = read_fd(c->arena, fd, r->max_bytes, out);
        (void)close(fd);
    }
    if (!why)
        return OK;
    log_error("resource_file_unusable", kv("file", r->path), kv("why", why));
    return rpc_internal(e, "the resource cannot be read");
}

/* The ReadResourceResult that a program or a server has sent, with `contents` and `_meta` only;
 * NULL: it is malformed. */
static struct json *read_result(struct arena *a, const struct json *v) {
    struct json *list = json_get(v, "contents"), *result;

    if (!json_is_array(list)) /* it may be empty: "the resource exists but has no content" */
        return NULL;
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *content = json_at(list, i);

        if (!json_get_str(content, "uri") ||
            json_is_string(json_get(content, "text")) == json_is_string(json_get(content, "blob")))
            return NULL;
    }
    result = json_new_member(a, "contents", list);
    if (json_is_object(json_get(v, "_meta")))
        json_put(result, "_meta", json_get(v, "_meta"));
    return result;
}

static struct json *output_result(struct mcp_call *c, const struct found *f,
                                  const struct execution *x) {
    if (x->result || x->form == OUTPUT_JSON)
        return read_result(c->arena, execution_json(c->arena, x));
    if (x->form == OUTPUT_TEXT && !is_text(f->r, x->output))
        return NULL;
    return contents(c, f, x->output, x->form == OUTPUT_TEXT);
}

static enum rc run(struct mcp_call *c, const struct found *f, struct json **result, struct err *e) {
    const struct invocation i = {
        &f->r->entry.source,
        "resource",
        f->r->entry.name,
        {{"uri", json_new_string(c->arena, f->uri)},
         {"variables", f->variables ? f->variables : json_new_object(c->arena)}}};
    struct execution x;
    enum rc rc = execute_or_fail(c, &i, &x, e);

    if (rc || x.is_input_required)
        return rc;
    *result = output_result(c, f, &x);
    return *result ? OK
                   : execution_bad_output(
                         c, x.result || x.form == OUTPUT_JSON ? "a resource" : "text", e);
}

static enum rc expand(struct mcp_call *c, const struct found *f, struct json **result,
                      struct err *e) {
    struct json *v = template_expand(c->arena, f->r->content, f->variables);
    struct text t;

    if (!v)
        return rpc_internal(e, "the resource is too long");
    t.p = json_is_string(v) ? json_strn(v, &t.len) : json_text(c->arena, v, &t.len);
    *result = contents(c, f, t, true);
    return OK;
}

static enum rc read_resource(struct mcp_call *c, const struct found *f, struct json **result,
                             struct err *e) {
    struct text data;

    c->answer.outcome = "ok";
    if (f->r->entry.source.kind)
        return run(c, f, result, e);
    if (f->r->content)
        return expand(c, f, result, e);
    c->answer.outcome = "error";
    if (read_file(c, f->r, &data, e))
        return e->code;
    c->answer.outcome = "ok";
    *result = contents(c, f, data, is_text(f->r, data));
    arena_release(c->arena, data.p);
    return OK;
}

enum rc mcp_resources_read(struct mcp_call *c, struct err *e) {
    struct found f = {.uri = json_get_str(c->msg.params, "uri")};
    struct json *result = NULL;
    enum rc rc;

    if (!f.uri)
        return rpc_invalid_params(e, "uri must be a string");
    f.r = find(c, f.uri, &f.variables);
    if (!f.r) {
        c->answer.outcome = "unknown_resource";
        c->answer.error_data = json_new_member(c->arena, "uri", json_new_string(c->arena, f.uri));
        return err_set(e, ERR_RPC_RESOURCE_NOT_FOUND, "Resource not found");
    }
    c->answer.target = f.r->entry.name;
    rc = read_resource(c, &f, &result, e);
    if (!result)
        return rc;
    if (c->msg.protocol == PROTOCOL_STATELESS) {
        /* A result that depends on input outside the request "MUST NOT be cached". */
        bool has_input =
            json_get(c->msg.params, "inputResponses") || json_get(c->msg.params, "requestState");

        json_put_int(result, "ttlMs", has_input ? 0 : f.r->ttl_ms);
        json_put_str(result, "cacheScope", "private"); /* since reading needs a token */
    }
    mcp_call_finish(c, result);
    return rc;
}

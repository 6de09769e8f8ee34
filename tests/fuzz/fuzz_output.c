/* What programs of every kind print, through a process and up to the answer of the call. The first
 * byte of an input says which: a tool's text (t) or JSON (T), a resource's text (r), bytes (b) or
 * JSON (R), a prompt's text (p) or JSON (P), or completions (c). */
#include "catalog/catalog.h"
#include "input.h"
#include "runner_fixture.h"
#include "site.h"
#include "standalone.h"

#define INPUT_MAX 8192
#define META                                                                                       \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{\"roots\":{}}}"

static const struct kind {
    char c;
    const char *file, *manifest;
    const char *method, *name, *params;
} kinds[] = {
    {'t', "tools.d/o1.json",
     "{\"name\":\"o1\",\"inputSchema\":{\"type\":\"object\"},\"run\":{\"command\":[\"/bin/"
     "cat\",\"printed\"]}}",
     "tools/call", "o1", "\"name\":\"o1\""},
    {'T', "tools.d/o2.json",
     "{\"name\":\"o2\",\"inputSchema\":{\"type\":\"object\"},\"outputSchema\":{\"type\":\"object\","
     "\"properties\":{\"a\":{\"type\":\"string\"}}},\"run\":{\"command\":[\"/bin/"
     "cat\",\"printed\"],"
     "\"output\":\"json\"}}",
     "tools/call", "o2", "\"name\":\"o2\""},
    {'r', "resources.d/o1.json",
     "{\"uri\":\"o:1\",\"name\":\"o1\",\"run\":{\"command\":[\"/bin/cat\",\"printed\"]}}",
     "resources/read", "o:1", "\"uri\":\"o:1\""},
    {'b', "resources.d/o2.json",
     "{\"uri\":\"o:2\",\"name\":\"o2\",\"run\":{\"command\":[\"/bin/"
     "cat\",\"printed\"],\"output\":\"binary\"}}",
     "resources/read", "o:2", "\"uri\":\"o:2\""},
    {'R', "resources.d/o3.json",
     "{\"uri\":\"o:3\",\"name\":\"o3\",\"run\":{\"command\":[\"/bin/"
     "cat\",\"printed\"],\"output\":\"json\"}}",
     "resources/read", "o:3", "\"uri\":\"o:3\""},
    {'p', "prompts.d/o1.json", "{\"name\":\"o1\",\"run\":{\"command\":[\"/bin/cat\",\"printed\"]}}",
     "prompts/get", "o1", "\"name\":\"o1\""},
    {'P', "prompts.d/o2.json",
     "{\"name\":\"o2\",\"run\":{\"command\":[\"/bin/cat\",\"printed\"],\"output\":\"json\"}}",
     "prompts/get", "o2", "\"name\":\"o2\""},
    {'c', "prompts.d/o3.json",
     "{\"name\":\"o3\",\"arguments\":[{\"name\":\"a\"}],\"run\":{\"messages\":[{\"role\":\"user\","
     "\"content\":{\"type\":\"text\",\"text\":\"{{a}}\"}}],\"complete\":{\"a\":{\"command\":["
     "\"/bin/cat\",\"printed\"]}}}}",
     "completion/complete", NULL,
     "\"ref\":{\"type\":\"ref/"
     "prompt\",\"name\":\"o3\"},\"argument\":{\"name\":\"a\",\"value\":\"\"}"},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* A program may read the folder of its manifest only, and that is where it starts. */
static struct app *app_with_programs(struct arena *a, const char *path) {
    static const char *const folders[] = {"tools.d", "resources.d", "prompts.d"};
    static struct app *app;

    if (app)
        return app;
    app = site_app();
    for (size_t i = 0; i < KINDS; i++)
        fuzz_write(fuzz_path(a, kinds[i].file), kinds[i].manifest, strlen(kinds[i].manifest), 0600);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        MUST(!link(path, arena_printf(a, "%s/%s/printed", fuzz_folder(), folders[i])));
    (void)runner_start(&(struct runner_options){0});
    app_update(app, NULL, INT64_MAX);
    return app;
}

static void check_result(const struct kind *k, const struct json *result) {
    const struct json *list;

    if (!strcmp(json_get_str(result, "resultType"), "input_required")) {
        MUST(json_has(result, "inputRequests") || json_has(result, "requestState"));
        return;
    }
    if (strchr("tT", k->c)) {
        MUST(json_is_array(json_get(result, "content")));
    } else if (strchr("rbR", k->c)) {
        list = json_get(result, "contents");
        MUST(json_is_array(list));
        for (size_t i = 0; i < json_len(list); i++)
            MUST(json_get_str(json_at(list, i), "uri") &&
                 json_has(json_at(list, i), "text") != json_has(json_at(list, i), "blob"));
    } else if (strchr("pP", k->c)) {
        MUST(prompt_messages_are_valid(json_get(result, "messages")));
    } else {
        list = json_get(json_get(result, "completion"), "values");
        MUST(json_is_array(list) && json_len(list) <= 100);
        for (size_t i = 0; i < json_len(list); i++)
            MUST(json_is_string(json_at(list, i)));
    }
}

static void call(struct app *app, struct arena *a, const struct kind *k) {
    const char *const params[] = {"CONTENT_TYPE=application/json",
                                  "HTTP_AUTHORIZATION=Bearer t",
                                  "HTTP_MCP_PROTOCOL_VERSION=2026-07-28",
                                  arena_printf(a, "HTTP_MCP_METHOD=%s", k->method),
                                  arena_printf(a, "HTTP_MCP_NAME=%s", k->name ? k->name : ""),
                                  NULL};
    char *body =
        arena_printf(a, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{%s," META "}}",
                     k->method, k->params);
    const struct request rq = {.arena = a,
                               .id = "id",
                               .method = "POST",
                               .path = "/mcp",
                               .query = "",
                               .content_type = "application/json",
                               .remote_addr = "192.0.2.1",
                               .body = body,
                               .body_len = strlen(body),
                               .params = (char *const *)(uintptr_t)params};
    struct reply rp;
    struct json *v;
    struct err e;

    reply_init(&rp, a);
    app_handle(app, &rq, OK, &rp);
    MUST(!json_parse(a, rp.body, rp.body_len, &v, &e));
    if (json_has(v, "error")) /* a tool always has a result, unless it asks for what cannot be */
        MUST(rp.status == 200 || rp.status == 400);
    else
        MUST(rp.status == 200 && json_is_object(json_get(v, "result")));
    if (json_has(v, "result"))
        check_result(k, json_get(v, "result"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a;
    const char *path;
    struct app *app;

    if (!size || size > INPUT_MAX)
        return 0;
    a = arena_new(ARENA_BYTES);
    path = fuzz_path(a, "printed");
    fuzz_write(path, data + 1, size - 1, 0600);
    app = app_with_programs(a, path);
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].c == (char)*data)
            call(app, a, &kinds[i]);
    arena_free(a);
    return 0;
}

/* A site with one user and a set of tools, and requests to its MCP endpoint: shared by the tests
 * of MCP. */
#ifndef UNIT_MCP_FIXTURE_H
#define UNIT_MCP_FIXTURE_H

#include "unit.h"

#include <signal.h>

#include "base/json.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "exec/executor.h"
#include "exec/methods.h"
#include "idp/idp.h"
#include "mcp/call.h"
#include "mcp/endpoint.h"
#include "site/exchange.h"

#define NOW 1800000000
#define TOKEN "aaa.bbb.ccc"
#define HEADERS_MAX 16

/* The envelope of a 2026-07-28 request, to be put into params. */
#define META                                                                                       \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define MODERN "HTTP_MCP_PROTOCOL_VERSION=2026-07-28"

#define SERVER_INFO                                                                                \
    "{\"name\":\"mcp-authd\",\"title\":\"mcp-authd\",\"version\":\"" MCP_AUTHD_VERSION "\"}"

struct test_site {
    struct config config;
    struct site base;
    struct mcp_site mcp;
    struct idp idp;
    struct token_memory *memory;
    struct arena *arena;
    char dir[UNIT_PATH_MAX]; /* of the tools */
};

/* One POST and what came of it. */
struct post {
    struct test_site *site;
    struct arena *arena;
    const char *headers[HEADERS_MAX]; /* "NAME=value", as FastCGI parameters */
    struct reply reply;
    struct err err;
    enum rc rc;
    struct json *body;       /* of the reply, if it is JSON */
    struct reply_sink *sink; /* where a stream goes; NULL: there is none */
    bool waited;             /* for a worker */
    struct resumed *resumed; /* a parked call that goes on, whose stream has begun; or NULL */
};

static inline void site_file(const struct test_site *s, const char *name, const char *text,
                             int mode) {
    file_write_in(s->dir, name, text, (mode_t)mode);
}

/* A shell program and its manifest. `run` is what else stands in "run", such as ",\"output\":…". */
static inline void site_tool(const struct test_site *s, const char *name, const char *script,
                             const char *more, const char *run) {
    char file[96], text[2048];

    (void)snprintf(file, sizeof file, "%s.sh", name);
    (void)snprintf(text, sizeof text, "#!/bin/sh\n%s\n", script);
    site_file(s, file, text, 0755);
    (void)snprintf(file, sizeof file, "%s.json", name);
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"%s\",\"inputSchema\":{\"type\":\"object\"}%s,"
                   "\"run\":{\"command\":[\"./%s.sh\"]%s}}",
                   name, more, name, run);
    site_file(s, file, text, 0644);
}

static inline void site_know(struct test_site *s, const char *token,
                             const struct token_claims *claims) {
    struct idp_token t;

    idp_token_init(&s->idp, &t, token);
    token_cache_put(&s->idp.tokens, &t.key, claims, 0, NOW);
}

static inline void site_init(struct test_site *s) {
    struct token_claims claims = {.sub = "user-1",
                                  .username = "alice",
                                  .client_id = "app-1",
                                  .scope = "openid mcp-server/tools",
                                  .jti = "j1",
                                  .groups = "[\"staff\",\"admins\"]",
                                  .all =
                                      "{\"sub\":\"user-1\",\"tenant\":{\"id\":7},\"email\":null}",
                                  .exp = NOW + 600,
                                  .iat = NOW};

    (void)signal(SIGPIPE, SIG_IGN); /* as in a worker */
    memset(s, 0, sizeof *s);
    s->arena = arena_new(1 << 20);
    folder_make(s->dir);
    s->config = (struct config){
        .idp = {.issuer = "https://issuer.example/pool",
                .jwks_url = "https://issuer.example/pool/keys",
                .client_id = "app-1",
                .client_ids = "",
                .machine_client_ids = ""},
        .mcp_server_uri = "https://mcp.example.com/mcp",
        .server = {.name = "mcp-authd",
                   .label = "mcp-authd",
                   .info = SERVER_INFO,
                   .info_with_icons = SERVER_INFO},
        .auth_proxy_uri = "https://mcp.example.com",
        .supported_scopes = "openid mcp-server/tools admin",
        .required_scopes = "mcp-server/tools",
        .allowed_origins = "https://app.example http://localhost:6274",
        .mcp_path = "/mcp",
        .mcp_origin = "https://mcp.example.com",
        .prm_uri = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
        .tools_dir = s->dir,
        .resources_dir = "",
        .prompts_dir = "",
        .skills_dir = "",
        .servers_dir = "",
        .access_file = "",
        .list_forbidden = true,
        .stream_keep_alive_s = 60,
        .site = "",
        .state_dir = s->dir,
        .host_state_dir = s->dir,
        .calls_max = 4,
    };
    s->base.config = &s->config;
    s->mcp.service = &exec_service;
    s->base.mcp = &s->mcp;
    s->base.clock.fixed_s = NOW;
    s->idp = (struct idp){.config = &s->config, .clock = &s->base.clock};
    s->base.idp = &s->idp;
    s->memory = token_memory_new();
    idp_share(&s->idp, s->memory);
    site_know(s, TOKEN, &claims);
    claims.scope = "openid";
    site_know(s, "few.scopes", &claims);
    claims.scope = "mcp-server/tools admin";
    site_know(s, "admin.token", &claims);
}

/* Call when the files are there. */
static inline void site_load(struct test_site *s) {
    struct catalog *catalog = catalog_new(&s->config, &executor_sources);

    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++)
        assert_int_equal(catalog_load(catalog, kind, stderr), 0);
    s->mcp.catalog = catalog;
}

static inline void site_free(struct test_site *s) {
    catalog_free(s->mcp.catalog);
    token_memory_free(s->memory);
    arena_free(s->arena);
    folder_remove(s->dir);
}

static inline void post_init(struct post *p, struct test_site *s) {
    memset(p, 0, sizeof *p);
    p->site = s;
    p->arena = arena_new((size_t)128 << 20);
    p->headers[0] = "CONTENT_TYPE=application/json";
    p->headers[1] = "HTTP_ACCEPT=application/json, text/event-stream";
    p->headers[2] = "HTTP_AUTHORIZATION=Bearer " TOKEN;
}

/* Sets a header, in the place of one of that name; "NAME=" is one with an empty value, "NAME"
 * alone takes it away. */
static inline void post_header(struct post *p, const char *header) {
    size_t name = strcspn(header, "="), i, n;

    for (i = 0; p->headers[i]; i++)
        if (!strncmp(p->headers[i], header, name) && p->headers[i][name] == '=')
            break;
    if (header[name]) {
        assert_true(i + 1 < HEADERS_MAX);
        p->headers[i] = arena_strdup(p->arena, header);
        return;
    }
    for (n = i; p->headers[n]; n++)
        ;
    if (n > i) {
        p->headers[i] = p->headers[n - 1];
        p->headers[n - 1] = NULL;
    }
}

static inline void post_send(struct post *p, const char *body, size_t len) {
    struct request rq = {.arena = p->arena,
                         .id = "req-1",
                         .method = "POST",
                         .path = "/mcp",
                         .query = "access_token=" TOKEN,
                         .remote_addr = "127.0.0.1",
                         .params = (char *const *)(uintptr_t)p->headers,
                         .started_ms = 0,
                         .waited = p->waited,
                         .resumed = p->resumed};
    struct exchange x = {&p->site->base, &rq, &p->reply};
    struct err e = {.code = OK};

    rq.body = arena_strndup(p->arena, body, len);
    rq.body_len = len;
    rq.content_type = request_param(&rq, "CONTENT_TYPE");
    if (!rq.content_type)
        rq.content_type = "";
    reply_init(&p->reply, p->arena);
    p->reply.sink = p->sink;
    p->reply.streaming = p->resumed != NULL;
    memset(&p->err, 0, sizeof p->err);
    p->body = NULL;
    p->rc = mcp_post(&x, &p->err);
    if (!p->rc && p->reply.body_len) {
        /* One event, for a client that prefers a stream. */
        size_t skip = strncmp(p->reply.body, "data: ", 6) ? 0 : 6;

        assert_int_equal(
            json_parse(p->arena, p->reply.body + skip, p->reply.body_len - skip, &p->body, &e), OK);
    }
}

/* A 2026-07-28 request: the headers are made from it. `params` are its members, "" for none. */
static inline void post_modern(struct post *p, const char *method, const char *name,
                               const char *params) {
    char *body = arena_printf(
        p->arena, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\",\"params\":{%s%s" META "}}",
        method, params, *params ? "," : "");

    post_header(p, MODERN);
    post_header(p, arena_printf(p->arena, "HTTP_MCP_METHOD=%s", method));
    if (name)
        post_header(p, arena_printf(p->arena, "HTTP_MCP_NAME=%s", name));
    post_send(p, body, strlen(body));
}

/* A request of a handshake revision. */
static inline void post_old(struct post *p, const char *method, const char *params) {
    char *body = arena_printf(
        p->arena, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"%s\",\"params\":{%s}}", method,
        params);

    post_send(p, body, strlen(body));
}

static inline const char *reply_value(const struct post *p, const char *name) {
    for (unsigned i = 0; i < p->reply.header_count; i++)
        if (!strcmp(p->reply.headers[i].name, name))
            return p->reply.headers[i].value;
    return NULL;
}

static inline struct json *post_result(const struct post *p) {
    return json_get(p->body, "result");
}

/* The code of the JSON-RPC error; 0 for none. */
static inline int post_error(const struct post *p) {
    int64_t code = 0;

    (void)json_get_int(json_get(p->body, "error"), "code", &code);
    return (int)code;
}

#define expect_error(p, want_status, want_code)                                                    \
    do {                                                                                           \
        assert_int_equal((p)->rc, OK);                                                             \
        assert_int_equal(post_error(p), want_code);                                                \
        assert_int_equal((p)->reply.status, want_status);                                          \
    } while (0)

#define expect_result(p)                                                                           \
    do {                                                                                           \
        assert_int_equal((p)->rc, OK);                                                             \
        assert_int_equal((p)->reply.status, 200);                                                  \
        assert_true(json_is_object(post_result(p)));                                               \
        assert_string_equal(reply_value(p, "Content-Type"), "application/json");                   \
    } while (0)

/* The text of the n-th content block of a tool's result. */
static inline const char *tool_text(const struct post *p, size_t n) {
    const char *s = json_get_str(json_at(json_get(post_result(p), "content"), n), "text");

    return s ? s : "(none)";
}

static inline bool tool_failed(const struct post *p) {
    return json_get_bool(post_result(p), "isError");
}

/* The site and the request that a test works with: one site for all tests of a file (its own start,
 * site_stop, and post_begin and post_end around each), or one for each (site_begin, site_end). */
static struct test_site site;
static struct post p;

static inline int site_stop(void **state) {
    (void)state;
    site_free(&site);
    return 0;
}

static inline int post_begin(void **state) {
    (void)state;
    post_init(&p, &site);
    return 0;
}

static inline int post_end(void **state) {
    (void)state;
    arena_free(p.arena);
    return 0;
}

static inline int site_begin(void **state) {
    site_init(&site);
    return post_begin(state);
}

static inline int site_end(void **state) {
    return post_end(state) || site_stop(state);
}

#endif

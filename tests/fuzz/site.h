/* A whole application for fuzz targets: pinned clients, tools, resources and prompts without
 * programs, known tokens, a fixed clock and a fixed sealing key, so that what it seals today opens
 * tomorrow. Every other server is a port of this host that refuses, unless a
 * target starts one. */
#ifndef FUZZ_SITE_H
#define FUZZ_SITE_H

#include <signal.h>

#include "../unit/jws_maker.h"
#include "input.h"

#include "app/open_sites.h"
#include "config/config.h"
#include "crypto/seal.h"
#include "idp/access_token.h"
#include "idp/idp.h"
#include "mcp/call.h"
#include "store/sessions.h"

#define NOW_S 1800000000
#define NOBODY "http://127.0.0.1:9" /* discard: nobody listens */
#define SECRET_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"

/* The identity provider's address, before site_app. */
static const char *site_provider = NOBODY;

static inline char *site_seal(struct arena *a, const struct site *site, const char *purpose,
                              const char *associated, const void *data, size_t len) {
    return seal(
        a, &(struct seal_binding){.keys = site->seal, .purpose = purpose, .associated = associated},
        data, len);
}

/* NAME=value lines of the configuration: the folder and the provider are put in. */
static const char site_config[] = "COGNITO_ISSUER=%2$s/pool\n"
                                  "COGNITO_CLIENT_ID=app-1\n"
                                  "COGNITO_AUTHORIZE_URL=%2$s/oauth2/authorize\n"
                                  "COGNITO_TOKEN_URL=%2$s/oauth2/token\n"
                                  "MCP_SERVER_URI=https://mcp.example/mcp\n"
                                  "ALLOWED_ORIGINS=*\n"
                                  "STATE_DIR=%1$s\n"
                                  "TOOLS_DIR=%1$s/tools.d\n"
                                  "RESOURCES_DIR=%1$s/resources.d\n"
                                  "PROMPTS_DIR=%1$s/prompts.d\n"
                                  "SKILLS_DIR=%1$s/skills.d\n"
                                  "CLIENTS_DIR=%1$s/clients.d\n"
                                  "TEMPLATES_DIR=%1$s/templates\n"
                                  "CLIENT_METADATA_PROXY=" NOBODY "\n"
                                  "DYNAMIC_REGISTRATION=yes\n"
                                  "RATE_LIMIT_ADDRESS=0\n"
                                  "RATE_LIMIT_CLIENT=0\n"
                                  "RATE_LIMIT_USER=0\n"
                                  "AUDIT_LOG=%1$s/audit.log\n"
                                  "AUDIT_EVENTS=logins calls\nAUDIT_ARGUMENTS=digest\n";

static const struct {
    const char *path, *text;
} site_files[] = {
    {"tools.d/t.json", "{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\",\"properties\":{"
                       "\"s\":{\"type\":\"string\",\"x-mcp-header\":\"S\"},"
                       "\"n\":{\"type\":\"integer\",\"minimum\":-5,\"x-mcp-header\":\"N\"},"
                       "\"b\":{\"type\":\"boolean\",\"x-mcp-header\":\"B\"}}},"
                       "\"run\":{\"command\":[\"/bin/cat\"],\"output\":\"json\"}}"},
    {"tools.d/ask.json",
     "{\"name\":\"ask\",\"inputSchema\":{\"type\":\"object\"},\"run\":{\"output\":\"json\","
     "\"command\":[\"/bin/echo\",\"{\\\"inputRequired\\\":{\\\"inputRequests\\\":{\\\"a\\\":{"
     "\\\"method\\\":\\\"roots/list\\\"}},\\\"requestState\\\":{\\\"n\\\":1}}}\"]}}"},
    {"resources.d/file.json", "{\"uri\":\"x:file\",\"name\":\"file\",\"mimeType\":\"text/plain\","
                              "\"run\":{\"file\":\"file.json\"}}"},
    {"resources.d/template.json",
     "{\"uriTemplate\":\"x:t/{a}/{+b}\",\"name\":\"template\",\"run\":{"
     "\"text\":\"{{a}} and {{b}}\",\"complete\":{\"a\":[\"one\",\"two\"]}}}"},
    {"prompts.d/p.json",
     "{\"name\":\"p\",\"arguments\":[{\"name\":\"a\",\"required\":true},{\"name\":\"b\"}],"
     "\"run\":{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\","
     "\"text\":\"{{a}}{{b}}\"}}],\"complete\":{\"b\":[\"x\",\"xy\"]}}}"},
    {"skills.d/s/SKILL.md", "---\nname: s\ndescription: d\n---\n"},
    {"skills.d/s/a/b.txt", "b"},
    {"clients.d/c.json",
     "{\"client_id\":\"c\",\"client_name\":\"Client\",\"redirect_uris\":["
     "\"https://client.example/cb\",\"http://127.0.0.1/cb\",\"com.example:/cb\"]}"},
    {"clients.d/d.json",
     "{\"client_id\":\"d\",\"client_name\":\"D\",\"redirect_uris\":[\"https://d.example/cb\"]}"},
};

/* A client that has to sign, and its key. */
static struct ec_signer site_signer;

static inline void site_add_signer(struct arena *a) {
    const char *text;

    ec_signer_init(&site_signer);
    text = arena_printf(a,
                        "{\"client_id\":\"k\",\"client_name\":\"Keys\",\"redirect_uris\":["
                        "\"https://client.example/cb\"],\"token_endpoint_auth_method\":"
                        "\"private_key_jwt\",\"jwks\":{\"keys\":[%s]}}",
                        ec_jwk_json(a, &site_signer, "e"));
    fuzz_write(fuzz_path(a, "clients.d/k.json"), text, strlen(text), 0600);
}

static inline struct site_set *site_load_config(struct arena *a) {
    const char *path = fuzz_path(a, "conf");
    const char *text = arena_printf(a, site_config, fuzz_folder(), site_provider);
    struct site_set *sites;

    fuzz_write(path, text, strlen(text), 0600);
    config_on_provider(idp_check_config);
    sites = site_set_load(path, NULL, NULL, stderr);
    MUST(sites);
    return sites;
}

static inline struct site *site_of(struct app *app) {
    return &app->all[0].site->site;
}

static inline void site_know(const struct site *site, const char *token,
                             const struct token_claims *claims) {
    struct idp_token t;

    idp_token_init(site->idp, &t, token);
    token_cache_put(&site->idp->tokens, &t.key, claims, 0, NOW_S);
}

static inline void site_add_tokens(struct site *site) {
    struct token_claims claims = {.sub = "user-1",
                                  .username = "alice",
                                  .client_id = "app-1",
                                  .scope = "openid mcp-server/tools",
                                  .jti = "j",
                                  .groups = "[]",
                                  .all = "{}",
                                  .exp = NOW_S + 3600,
                                  .iat = NOW_S};

    site_know(site, "t", &claims);
    claims.scope = "openid";
    site_know(site, "few", &claims);
}

static inline struct app *site_app(void) {
    static const char *const folders[] = {"tools.d",    "resources.d",  "prompts.d", "skills.d",
                                          "skills.d/s", "skills.d/s/a", "clients.d", "templates"};
    static struct token_memory *volatile shared; /* until the end: nothing else points to it */
    static struct app *app;
    struct arena *a;
    struct err e;

    (void)signal(SIGPIPE, SIG_IGN); /* as in a worker */
    if (app)
        return app;
    MUST(!clearenv());
    a = arena_new(1 << 20);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        MUST(!mkdir(fuzz_path(a, folders[i]), 0700));
    for (size_t i = 0; i < sizeof site_files / sizeof *site_files; i++)
        fuzz_write(fuzz_path(a, site_files[i].path), site_files[i].text, strlen(site_files[i].text),
                   0600);
    site_add_signer(a);
    fuzz_write(fuzz_path(a, "secret.key"), SECRET_KEY, strlen(SECRET_KEY), 0600);
    shared = app_shared_new();
    MUST(!app_new(site_load_config(a), &(struct app_options){.shared = shared}, &app, &e));
    site_of(app)->clock.fixed_s = NOW_S;
    site_add_tokens(site_of(app));
    arena_free(a);
    return app;
}

#endif

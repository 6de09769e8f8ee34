/* Private part of doctor.h: the identity provider's addresses. Each is asked what the service will
 * ask it, with a code that cannot exist. What to do about a failure is the provider's to say. */

#include "base/url.h"
#include "doctor/doctor.h"
#include "idp/idp.h"
#include "oauth/parameters.h"

#define TIMEOUT_MS 5000
#define REPLY_MAX 262144
/* Of a length that RFC 7636 §4.1 allows. */
#define VERIFIER "mcp-authd-doctor-asks-with-a-verifier-of-nobody"

static bool fetch(struct doctor *d, const char *url, struct http_reply *reply) {
    const struct http_request rq = {
        .method = "GET", .url = url, .max_reply_bytes = REPLY_MAX, .timeout_ms = TIMEOUT_MS};
    struct err e;

    if (!http_fetch(d->http, d->arena, &rq, reply, &e))
        return true;
    doctor_fail(d, "check HTTPS_PROXY_UPSTREAM, the address, DNS, the firewall and the certificate",
                "%.200s: %s", url, *e.detail ? e.detail : e.text);
    return false;
}

static const struct idp_provider *provider(const struct doctor *d) {
    return idp_provider_of(d->config);
}

static void check_key_set(struct doctor *d) {
    const struct idp_advice *advice = &provider(d)->advice;
    const char *url = d->config->idp.jwks_url;
    struct http_reply reply;
    struct jwk_set *set;
    struct err e;

    if (!fetch(d, url, &reply))
        return;
    if (reply.status != 200)
        doctor_fail(d, advice->key_set, "%s: HTTP %ld", url, reply.status);
    else if (jwk_set_parse(reply.body, reply.body_len, &set, &e))
        doctor_fail(d, arena_printf(d->arena, "check %s", advice->jwks_url_key), "%s: %s", url,
                    e.text);
    else {
        jwk_set_free(set);
        doctor_ok(d, "%s", url);
    }
    doctor_check_clock(d, provider(d)->name, http_reply_header(&reply, "Date"), TOKEN_LEEWAY_S);
}

/* What the provider says of itself (OpenID Connect Discovery §4). Not all do. */
static void check_issuer(struct doctor *d) {
    const struct config_idp *c = &d->config->idp;
    const struct idp_advice *advice = &provider(d)->advice;
    const char *url = arena_printf(d->arena, "%s/.well-known/openid-configuration", c->issuer);
    const char *issuer = NULL, *keys = NULL;
    struct http_reply reply;
    struct json *document;

    if (!fetch(d, url, &reply))
        return;
    if (reply.status == 200 &&
        !json_parse(d->arena, reply.body, reply.body_len, &document, ERR_IGNORED)) {
        issuer = json_get_str(document, "issuer");
        keys = json_get_str(document, "jwks_uri");
    }
    if (!issuer)
        doctor_ok(d, "%s: it publishes no metadata to compare with", c->issuer);
    else if (strcmp(issuer, c->issuer) != 0)
        doctor_fail(d, arena_printf(d->arena, "set %s=%.200s", advice->issuer_key, issuer),
                    "it calls itself %.200s, so every token would be refused", issuer);
    else if (keys && strcmp(keys, c->jwks_url) != 0)
        doctor_warn(
            d,
            arena_printf(d->arena, "set %s=%.200s, or leave it empty", advice->jwks_url_key, keys),
            "its keys are at %.200s, not at %.200s", keys, c->jwks_url);
    else
        doctor_ok(d, "%s", issuer);
}

/* A login form, or the way to it, if the provider knows the client and the redirect URI. */
static void check_authorize(struct doctor *d) {
    const struct config *c = d->config;
    const struct idp_provider *p = provider(d);
    const char *location;
    struct http_reply reply;

    if (!fetch(d,
               idp_authorization_url(
                   c, d->arena,
                   &(struct idp_login){.redirect_uri = c->callback_uri,
                                       .scope = c->supported_scopes,
                                       .state = "doctor",
                                       .code_challenge = pkce_challenge(d->arena, VERIFIER),
                                       .parameters = "",
                                       .resource = d->needs_audience ? c->mcp_server_uri : NULL}),
               &reply))
        return;
    location = http_reply_header(&reply, "Location");
    if (reply.status >= 500)
        doctor_fail(d, "try again later", "%s: HTTP %ld", c->idp.authorize_url, reply.status);
    else if (location && strstr(location, "invalid_scope"))
        doctor_fail(d, p->advice.scope, "%s refuses a scope of %s", p->name, c->supported_scopes);
    else if (reply.status >= 400 || (location && strstr(location, "error")))
        doctor_fail(d, arena_printf(d->arena, "%s %s", p->advice.redirect_uri, c->callback_uri),
                    "%s refuses %s %s with this callback URL", p->name, p->client,
                    c->idp.client_id);
    else
        doctor_ok(d, "knows %s and %s", c->idp.client_id, c->callback_uri);
}

/* The right answer to a code that does not exist is that it is refused. */
static void check_token(struct doctor *d) {
    const struct idp_provider *p = provider(d);
    const struct idp_code unknown_code = {.code = "00000000-0000-0000-0000-000000000000",
                                          .verifier = VERIFIER,
                                          .redirect_uri = d->config->callback_uri};
    struct idp idp = {.provider = p, .config = d->config, .clock = &d->clock, .http = d->http};
    const char *url = d->config->idp.token_url;
    struct idp_tokens tokens;
    struct err e;

    switch ((int)idp_exchange_code(&idp, d->arena, &unknown_code, &tokens, &e)) {
    case ERR_REFUSED:
        doctor_ok(d, "%s", url);
        break;
    case ERR_MISCONFIGURED:
        doctor_fail(d, p->advice.client, "%s refuses %s %s (%s)", p->name, p->client,
                    d->config->idp.client_id, e.detail);
        break;
    default:
        doctor_fail(d, p->advice.token_url, "%s: %s", url, *e.detail ? e.detail : e.text);
    }
}

void check_idp(struct doctor *d) {
    unsigned groups = d->config->endpoints;

    if (groups & (GROUP_TOKEN | GROUP_MCP) && *d->config->idp.issuer)
        doctor_check(d, "issuer", check_issuer);
    if (groups & GROUP_MCP)
        doctor_check(d, "key set", check_key_set);
    d->check = "own address";
    if (!*d->config->callback_uri)
        doctor_warn(
            d, "set MCP_SERVER_URI",
            "it is the name that the web server gives each request, which is not known here");
    else if (groups & GROUP_AUTHORIZE)
        doctor_check(d, "authorize address", check_authorize);
    if (groups & GROUP_TOKEN)
        doctor_check(d, "token address", check_token);
}

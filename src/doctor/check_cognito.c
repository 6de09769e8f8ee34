/* Cognito's addresses, each asked what the service will ask it, with a code that cannot exist. */
#include <string.h>

#include "base/url.h"
#include "doctor/doctor.h"
#include "idp/idp.h"
#include "oauth/oauth.h"

#define TIMEOUT_MS 5000
#define REPLY_MAX 262144
#define URI_MAX 8192
/* As long as one of ours, and nobody's. RFC 7636 §4.1. */
#define VERIFIER "mcp-authd-doctor-asks-with-a-verifier-of-nobody"

static bool fetch(struct doctor *d, const char *what, const char *url, struct http_reply *reply) {
    const struct http_request rq = {
        .method = "GET", .url = url, .max_reply_bytes = REPLY_MAX, .timeout_ms = TIMEOUT_MS};
    struct err e;

    if (!http_fetch(d->http, d->arena, &rq, reply, &e))
        return true;
    doctor_say(d, VERDICT_FAIL, what, "check the address, DNS, the firewall and the certificate",
               "%.200s: %s", url, *e.detail ? e.detail : e.text);
    return false;
}

static int64_t date_of(const struct http_reply *reply) {
    return http_date(http_reply_header(reply, "Date"));
}

static void check_key_set(struct doctor *d) {
    const char *url = d->config->cognito_jwks_url;
    struct http_reply reply;
    struct jwk_set *set;
    struct err e;

    if (!fetch(d, "key set", url, &reply))
        return;
    if (reply.status != 200)
        doctor_say(d, VERDICT_FAIL, "key set",
                   "check COGNITO_REGION and COGNITO_USER_POOL_ID (or COGNITO_JWKS_URL)",
                   "%s: HTTP %ld", url, reply.status);
    else if (jwk_set_parse(reply.body, reply.body_len, &set, &e))
        doctor_say(d, VERDICT_FAIL, "key set", "check COGNITO_JWKS_URL", "%s: %s", url, e.text);
    else {
        jwk_set_free(set);
        doctor_say(d, VERDICT_OK, "key set", "", "%s", url);
    }
    doctor_say_clock(d, "Cognito", date_of(&reply), TOKEN_LEEWAY_S);
}

/* What the provider says of itself (OpenID Connect Discovery §4). Not all do. */
static void check_issuer(struct doctor *d) {
    const struct config *c = d->config;
    const char *url =
        arena_printf(d->arena, "%s/.well-known/openid-configuration", c->cognito_issuer);
    const char *issuer = NULL, *keys = NULL;
    struct http_reply reply;
    struct json *document;
    struct err e;

    if (!fetch(d, "issuer", url, &reply))
        return;
    if (reply.status == 200 && !json_parse(d->arena, reply.body, reply.body_len, &document, &e)) {
        issuer = json_get_str(document, "issuer");
        keys = json_get_str(document, "jwks_uri");
    }
    if (!issuer)
        doctor_say(d, VERDICT_OK, "issuer", "", "%s: it publishes no metadata to compare with",
                   c->cognito_issuer);
    else if (strcmp(issuer, c->cognito_issuer) != 0)
        doctor_say(d, VERDICT_FAIL, "issuer",
                   arena_printf(d->arena, "set COGNITO_ISSUER=%.200s", issuer),
                   "it calls itself %.200s, so every token would be refused", issuer);
    else if (keys && strcmp(keys, c->cognito_jwks_url) != 0)
        doctor_say(d, VERDICT_WARN, "issuer",
                   arena_printf(d->arena, "set COGNITO_JWKS_URL=%.200s, or leave it empty", keys),
                   "its keys are at %.200s, not at %.200s", keys, c->cognito_jwks_url);
    else
        doctor_say(d, VERDICT_OK, "issuer", "", "%s", issuer);
}

/* A login form, or the way to it, if Cognito knows the app client and the callback URL. */
static void check_authorize(struct doctor *d) {
    const struct config *c = d->config;
    const char *location;
    struct http_reply reply;
    struct buf b;

    buf_init(&b, d->arena, URI_MAX);
    buf_adds(&b, c->cognito_authorize_url);
    url_add_param(&b, "response_type", "code");
    url_add_param(&b, "client_id", c->cognito_client_id);
    url_add_param(&b, "redirect_uri", c->callback_uri);
    url_add_param(&b, "scope", c->supported_scopes);
    url_add_param(&b, "state", "doctor");
    url_add_param(&b, "code_challenge", pkce_challenge(d->arena, VERIFIER));
    url_add_param(&b, "code_challenge_method", "S256");
    if (!fetch(d, "authorize address", b.p, &reply))
        return;
    location = http_reply_header(&reply, "Location");
    if (reply.status >= 500)
        doctor_say(d, VERDICT_FAIL, "authorize address", "try again later", "%s: HTTP %ld",
                   c->cognito_authorize_url, reply.status);
    else if (location && strstr(location, "invalid_scope"))
        doctor_say(d, VERDICT_FAIL, "authorize address",
                   "allow the scopes for the app client, or take them out of SUPPORTED_SCOPES",
                   "Cognito refuses a scope of %s", c->supported_scopes);
    else if (reply.status >= 400 || (location && strstr(location, "error")))
        doctor_say(
            d, VERDICT_FAIL, "authorize address",
            arena_printf(d->arena, "the app client must have the callback URL %s", c->callback_uri),
            "Cognito refuses app client %s with this callback URL", c->cognito_client_id);
    else
        doctor_say(d, VERDICT_OK, "authorize address", "", "knows %s and %s", c->cognito_client_id,
                   c->callback_uri);
}

/* "invalid_grant" is the right answer to a code that does not exist. */
static void check_token(struct doctor *d) {
    const struct config *c = d->config;
    struct idp_tokens tokens;
    struct err e;

    switch (cognito_exchange_code(d->http, c, d->arena, "00000000-0000-0000-0000-000000000000",
                                  VERIFIER, &tokens, &e)) {
    case ERR_REFUSED:
        doctor_say(d, VERDICT_OK, "token address", "", "%s", c->cognito_token_url);
        break;
    case ERR_MISCONFIGURED:
        doctor_say(d, VERDICT_FAIL, "token address",
                   "the app client must be public (no secret), with the authorization code grant",
                   "Cognito refuses app client %s (%s)", c->cognito_client_id, e.detail);
        break;
    default:
        doctor_say(d, VERDICT_FAIL, "token address", "check the address and COGNITO_DOMAIN",
                   "%s: %s", c->cognito_token_url, *e.detail ? e.detail : e.text);
    }
}

void check_cognito(struct doctor *d) {
    unsigned groups = d->config->endpoints;

    if (groups & (GROUP_TOKEN | GROUP_MCP) && *d->config->cognito_issuer)
        check_issuer(d);
    if (groups & GROUP_MCP)
        check_key_set(d);
    if (!*d->config->callback_uri)
        doctor_say(
            d, VERDICT_WARN, "own address", "set MCP_SERVER_URI",
            "it is the name that the web server gives each request, which is not known here");
    else if (groups & GROUP_AUTHORIZE)
        check_authorize(d);
    if (groups & GROUP_TOKEN)
        check_token(d);
}

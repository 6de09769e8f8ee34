/* Private part of endpoints.h: the two documents that clients discover us by. Built from the
 * configuration alone: Host and X-Forwarded-* never get into them. */

#include "config/config.h"
#include "oauth/endpoints.h"

#define METADATA_CACHE "public, max-age=300"

static void put_page(struct json *o, const char *member, const char *uri) {
    if (*uri)
        json_put_str(o, member, uri);
}

/* RFC 9728 §2. Without offline_access, which no call needs: clients look for it in the other
 * document (MCP authorization, "Refresh Tokens"). */
enum rc oauth_protected_resource(struct exchange *x, struct err *e) {
    struct json *o = json_new_object(x->rq->arena);
    const char *scopes =
        list_without(x->rq->arena, x->site->config->supported_scopes, "offline_access");

    (void)e;
    json_put_str(o, "resource", x->site->config->mcp_server_uri);
    json_put_words(x->rq->arena, o, "authorization_servers", x->site->config->auth_proxy_uri);
    json_put_words(x->rq->arena, o, "scopes_supported", scopes);
    json_put_words(x->rq->arena, o, "bearer_methods_supported", "header");
    json_put_str(o, "resource_name", x->site->config->server.label);
    put_page(o, "resource_documentation", x->site->config->server.documentation);
    put_page(o, "resource_policy_uri", x->site->config->server.policy);
    put_page(o, "resource_tos_uri", x->site->config->server.terms);
    reply_json(x->rp, 200, o);
    reply_header(x->rp, "Cache-Control", METADATA_CACHE);
    return OK;
}

/* Members of the methods by which clients prove who they are. */
static void put_methods(struct arena *a, struct json *o, const char *endpoint, bool secrets) {
    json_put_words(a, o, arena_printf(a, "%s_auth_methods_supported", endpoint),
                   secrets ? "none private_key_jwt client_secret_basic client_secret_post"
                           : "none private_key_jwt");
    json_put_words(a, o, arena_printf(a, "%s_auth_signing_alg_values_supported", endpoint),
                   "RS256 ES256");
}

/* What OpenID Connect Discovery §3 requires, so that clients that check it take the document. The
 * tokens that go out here are the identity provider's, and so are their keys. */
static void put_openid(struct site *site, struct arena *a, struct json *o) {
    if (!*site->config->idp.jwks_url) /* a service of documents alone may not know it */
        return;
    json_put_str(o, "jwks_uri", site->config->idp.jwks_url);
    json_put_words(a, o, "subject_types_supported", "public");
    json_put_words(a, o, "id_token_signing_alg_values_supported", "RS256");
    json_put_bool(o, "request_uri_parameter_supported", false); /* left out it would be true */
}

/* RFC 8414 §2. Clients look for `none` and client_id_metadata_document_supported before
 * they use their document as client id. */
enum rc oauth_authorization_server(struct exchange *x, struct err *e) {
    const char *issuer = x->site->config->auth_proxy_uri;
    const bool machines = *x->site->config->idp.machine_client_ids;
    struct arena *a = x->rq->arena;
    struct json *o = json_new_object(a);

    (void)e;
    json_put_str(o, "issuer", issuer);
    json_put_str(o, "authorization_endpoint", arena_printf(a, "%s/authorize", issuer));
    json_put_str(o, "token_endpoint", arena_printf(a, "%s/token", issuer));
    if (*x->site->config->idp.revoke_url) {
        json_put_str(o, "revocation_endpoint", arena_printf(a, "%s/revoke", issuer));
        put_methods(a, o, "revocation_endpoint", false);
    }
    if (x->site->config->dynamic_registration)
        json_put_str(o, "registration_endpoint", arena_printf(a, "%s/register", issuer));
    json_put_words(a, o, "scopes_supported", x->site->config->supported_scopes);
    json_put_words(a, o, "response_types_supported", "code");
    json_put_words(a, o, "response_modes_supported", "query");
    json_put_words(a, o, "grant_types_supported",
                   machines ? "authorization_code refresh_token client_credentials"
                            : "authorization_code refresh_token");
    put_methods(a, o, "token_endpoint", machines);
    json_put_words(a, o, "code_challenge_methods_supported", "S256");
    json_put_bool(o, "client_id_metadata_document_supported", true);
    json_put_bool(o, "authorization_response_iss_parameter_supported", true);     /* RFC 9207 §3 */
    json_put_words(a, o, "protected_resources", x->site->config->mcp_server_uri); /* RFC 9728 §4 */
    put_openid(x->site, a, o);
    reply_json(x->rp, 200, o);
    reply_header(x->rp, "Cache-Control", METADATA_CACHE);
    return OK;
}

/* The two documents that clients discover us by. Built from the configuration alone: Host and
 * X-Forwarded-* never get into them. */
#include <string.h>

#include "oauth/oauth.h"

#define METADATA_CACHE "public, max-age=300"

static void put_list(struct arena *a, struct json *o, const char *key, const char *list) {
    struct json *array = json_new_array(a);
    char *copy = arena_strdup(a, list), *save = NULL;

    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        json_add_str(array, w);
    json_put(o, key, array);
}

/* RFC 9728 §2 */
enum rc oauth_protected_resource(struct context *cx, const struct request *rq, struct reply *rp,
                                 struct err *e) {
    struct json *o = json_new_object(rq->arena);

    (void)e;
    json_put_str(o, "resource", cx->config->mcp_server_uri);
    put_list(rq->arena, o, "authorization_servers", cx->config->auth_proxy_uri);
    put_list(rq->arena, o, "scopes_supported", cx->config->supported_scopes);
    put_list(rq->arena, o, "bearer_methods_supported", "header");
    reply_json(rp, 200, o);
    reply_header(rp, "Cache-Control", METADATA_CACHE);
    return OK;
}

/* RFC 8414 §2. Clients of ours look for `none` and client_id_metadata_document_supported before
 * they use their document as client id. */
enum rc oauth_authorization_server(struct context *cx, const struct request *rq, struct reply *rp,
                                   struct err *e) {
    const char *issuer = cx->config->auth_proxy_uri;
    struct arena *a = rq->arena;
    struct json *o = json_new_object(a);

    (void)e;
    json_put_str(o, "issuer", issuer);
    json_put_str(o, "authorization_endpoint", arena_printf(a, "%s/authorize", issuer));
    json_put_str(o, "token_endpoint", arena_printf(a, "%s/token", issuer));
    put_list(a, o, "scopes_supported", cx->config->supported_scopes);
    put_list(a, o, "response_types_supported", "code");
    put_list(a, o, "response_modes_supported", "query");
    put_list(a, o, "grant_types_supported", "authorization_code refresh_token");
    put_list(a, o, "token_endpoint_auth_methods_supported", "none");
    put_list(a, o, "code_challenge_methods_supported", "S256");
    json_put_bool(o, "client_id_metadata_document_supported", true);
    json_put_bool(o, "authorization_response_iss_parameter_supported", true); /* RFC 9207 §3 */
    put_list(a, o, "protected_resources", cx->config->mcp_server_uri);        /* RFC 9728 §4 */
    reply_json(rp, 200, o);
    reply_header(rp, "Cache-Control", METADATA_CACHE);
    return OK;
}

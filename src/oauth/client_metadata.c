#include "oauth/client_metadata.h"

#include "crypto/jose.h"

/* Is what stands before the next slash . or .., a dot also as %2e (RFC 3986 §2.3, §3.3)? */
static bool is_dot_segment(const char *p) {
    int dots = 0;

    for (; *p && *p != '/'; dots++) {
        if (*p == '.')
            p++;
        else if (!strncasecmp(p, "%2e", 3))
            p += 3;
        else
            return false;
    }
    return dots == 1 || dots == 2;
}

static bool has_dot_segment(const char *path) {
    for (const char *p = path; (p = strchr(p, '/')); p++)
        if (is_dot_segment(p + 1))
            return true;
    return false;
}

/* §3: the client identifier URL. */
enum rc client_id_check(struct arena *a, const char *client_id, struct url *u, struct err *e) {
    if (strlen(client_id) > CLIENT_ID_LEN_MAX)
        return invalid_client(e, "client_id is longer than %d bytes", CLIENT_ID_LEN_MAX);
    if (url_parse(a, client_id, u, e))
        return invalid_client(
            e, "client_id is neither known here nor the https URL of a client metadata "
               "document");
    if (strcmp(u->scheme, "https") != 0)
        return invalid_client(e, "a client_id that is a URL must begin with https://");
    if (!*u->path || !strcmp(u->path, "/"))
        return invalid_client(e, "the client_id URL must have a path");
    if (u->fragment || u->userinfo)
        return invalid_client(e, "the client_id URL must not have a fragment or user info");
    if (has_dot_segment(u->path))
        return invalid_client(e, "the client_id URL must not have . or .. segments");
    return OK;
}

bool client_metadata_lists(const struct json *metadata, const char *key, const char *value) {
    const struct json *array = json_get(metadata, key);

    return !array || json_has_str(array, value);
}

/* Its keys: in the document, or at an address of the same origin. Another's are not fetched. */
static void read_keys(struct arena *a, const struct json *d, const char *client_id,
                      struct client *out) {
    const char *uri = json_get_str(d, "jwks_uri");
    struct url id, at;

    if (json_is_array(json_get(json_get(d, "jwks"), "keys")))
        out->jwks = json_get(d, "jwks");
    else if (uri && !url_parse(a, client_id, &id, ERR_IGNORED) &&
             !client_id_check(a, uri, &at, ERR_IGNORED) &&
             !strcmp(url_origin(a, &id), url_origin(a, &at)))
        out->jwks_uri = arena_strdup(a, uri);
}

static bool can_use(const struct json *d, const char *method) {
    return json_get_is(d, "token_endpoint_auth_method", method) ||
           json_has_str(json_get(d, "token_endpoint_auth_methods_supported"), method);
}

static enum rc check_no_secret(const struct json *d, struct err *e) {
    if (json_get(d, "client_secret") || json_get(d, "client_secret_expires_at"))
        return invalid_client(e, "the client's document must not hold a secret");
    if (jwk_set_has_private(json_get(d, "jwks")))
        return invalid_client(e, "jwks in the client's document has a private or symmetric key");
    return OK;
}

/* §4.1: nothing that rests on a shared secret. A client that prefers another method must say that
 * it can do without, or have keys (RFC 7523). */
static enum rc check_authentication(struct arena *a, const struct client_document *document,
                                    struct client *out, struct err *e) {
    const struct json *d = document->json;
    const char *method = json_get_str(d, "token_endpoint_auth_method");
    bool none = !method || can_use(d, "none");

    if (check_no_secret(d, e))
        return e->code;
    if (can_use(d, "private_key_jwt"))
        read_keys(a, d, document->client_id, out);
    out->must_authenticate = !none;
    if (none || out->jwks || out->jwks_uri)
        return OK;
    if (!strcmp(method, "private_key_jwt"))
        return invalid_client(
            e, "the client's document asks for private_key_jwt, but has neither jwks nor a "
               "jwks_uri on its own host");
    return invalid_client(
        e, "the client's document asks for token_endpoint_auth_method other than none and "
           "private_key_jwt");
}

bool client_metadata_redirect_uris(const struct config *c, struct arena *a, const struct json *uris,
                                   struct client *out) {
    for (size_t i = 0; i < json_len(uris) && i < REDIRECT_URIS_MAX; i++) {
        const char *uri = json_str(json_at(uris, i));

        if (!uri)
            return false;
        if (redirect_uri_is_acceptable(c, a, uri))
            out->redirect_uris[out->redirect_uri_count++] = arena_strdup(a, uri);
    }
    return true;
}

static enum rc read_redirect_uris(const struct config *c, struct arena *a, const struct json *d,
                                  struct client *out, struct err *e) {
    const struct json *uris = json_get(d, "redirect_uris");

    if (!json_len(uris))
        return invalid_client(e, "the client's document has no redirect_uris");
    if (json_len(uris) > REDIRECT_URIS_MAX)
        return invalid_client(e, "the client's document has more than %d redirect_uris",
                              REDIRECT_URIS_MAX);
    if (!client_metadata_redirect_uris(c, a, uris, out))
        return invalid_client(e,
                              "redirect_uris in the client's document has something but strings");
    if (!out->redirect_uri_count)
        return err_set(
            e, ERR_INVALID_CLIENT,
            "no redirect URI in the client's document is https, loopback or of a known app");
    return OK;
}

static enum rc check_flows(const struct json *d, struct err *e) {
    if (!client_metadata_lists(d, "grant_types", "authorization_code"))
        return invalid_client(e, "grant_types in the client's document lacks authorization_code");
    if (!client_metadata_lists(d, "response_types", "code"))
        return invalid_client(e, "response_types in the client's document lacks code");
    return OK;
}

static enum rc check_names(const struct client_document *d, struct err *e) {
    const char *id = json_get_str(d->json, "client_id"),
               *name = json_get_str(d->json, "client_name");

    if (!json_is_object(d->json))
        return invalid_client(e, "the client's document is not a JSON object");
    if (!id || strcmp(id, d->client_id) != 0)
        return invalid_client(e,
                              "client_id in the client's document is not the URL it was found at");
    if (!name || !*name || strlen(name) > CLIENT_NAME_LEN_MAX)
        return invalid_client(
            e, "client_name in the client's document is missing or longer than %d bytes",
            CLIENT_NAME_LEN_MAX);
    return OK;
}

enum rc client_document_read(const struct config *c, struct arena *a,
                             const struct client_document *d, struct client *out, struct err *e) {
    struct url u;

    memset(out, 0, sizeof *out);
    if (check_names(d, e) || check_authentication(a, d, out, e) || check_flows(d->json, e) ||
        read_redirect_uris(c, a, d->json, out, e))
        return e->code;
    out->id = arena_strdup(a, d->client_id);
    out->name = arena_strdup(a, json_get_str(d->json, "client_name"));
    out->host = url_parse(a, d->client_id, &u, ERR_IGNORED) ? "" : url_shown_host(a, &u);
    return OK;
}

/* https; http on loopback (RFC 8252 §7.3); or a private-use scheme, which has a dot because it is a
 * reversed domain name (RFC 8252 §7.1), or is named by the admin. That leaves out javascript:,
 * data:, file: and the like. */
bool redirect_uri_is_acceptable(const struct config *c, struct arena *a, const char *uri) {
    struct url u;

    if (url_parse(a, uri, &u, ERR_IGNORED) || u.fragment || u.userinfo)
        return false;
    if (!strcmp(u.scheme, "https"))
        return true;
    if (!strcmp(u.scheme, "http"))
        return url_is_loopback(&u);
    return strchr(u.scheme, '.') || list_has(c->private_use_schemes, u.scheme);
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* RFC 8252 §7.3: the port of a loopback redirect URI is chosen at run time. All else is exact, the
 * host too: a document that names 127.0.0.1 does not name localhost. */
static bool differs_in_loopback_port_only(struct arena *a, const char *registered,
                                          const char *uri) {
    struct url r, u;

    if (url_parse(a, registered, &r, ERR_IGNORED) || url_parse(a, uri, &u, ERR_IGNORED))
        return false;
    return !strcmp(r.scheme, "http") && !strcmp(u.scheme, "http") && url_is_loopback(&r) &&
           same(r.host, u.host) && same(r.path, u.path) && same(r.query, u.query) && !u.userinfo &&
           !u.fragment;
}

bool redirect_uri_is_registered(const struct config *c, struct arena *a,
                                const struct client *client, const char *uri) {
    if (!redirect_uri_is_acceptable(c, a, uri))
        return false;
    for (unsigned i = 0; i < client->redirect_uri_count; i++)
        if (!strcmp(client->redirect_uris[i], uri) ||
            differs_in_loopback_port_only(a, client->redirect_uris[i], uri))
            return true;
    return false;
}

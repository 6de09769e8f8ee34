/* Private part of clients.h: clients that register themselves, at POST /register. */
#include "crypto/seal.h"
#include "oauth/clients.h"
#include "oauth/endpoints.h"

#define PREFIX "dyn."
#define REGISTRATION_BYTES_MAX 16384
#define DEFAULT_NAME "unnamed client"

bool client_is_dynamic(const char *client_id) {
    return !strncmp(client_id, PREFIX, sizeof PREFIX - 1);
}

static enum rc unknown(struct err *e) {
    return invalid_client(
        e, "this client_id was not registered here, or its registration has expired");
}

/* What was registered; NULL: it was not here, or has ended. */
static struct json *open_registration(struct site *site, struct arena *a, const char *client_id) {
    const struct seal_binding binding = {.keys = site->seal, .purpose = "client"};
    int64_t expires_s;
    struct json *o;

    if (!site->config->dynamic_registration || strlen(client_id) > DYNAMIC_CLIENT_ID_LEN_MAX ||
        seal_open_json(a, &binding, client_id + sizeof PREFIX - 1, &o, ERR_IGNORED) ||
        !json_get_int(o, "end", &expires_s) || expires_s <= clock_now_s(&site->clock))
        return NULL;
    return o;
}

enum rc client_dynamic_open(struct site *site, struct arena *a, const char *client_id,
                            struct client *out, struct err *e) {
    const struct json *o = open_registration(site, a, client_id);

    memset(out, 0, sizeof *out);
    if (!o) {
        (void)unknown(e);
        if (site->config->dynamic_registration) /* it is for the user to make the client register */
            e->advice = "advice.registration";
        return e->code;
    }
    /* The rules may have changed since: what they refuse now is left out. */
    (void)client_metadata_redirect_uris(site->config, a, json_get(o, "uris"), out);
    out->id = client_id;
    out->name = json_get_str(o, "name");
    out->host = "";
    return out->name ? OK : unknown(e);
}

#define invalid_metadata(e, ...) err_set(e, ERR_INVALID_CLIENT_METADATA, __VA_ARGS__)

static enum rc check_redirect_uris(const struct config *c, struct arena *a, const struct json *uris,
                                   struct err *e) {
    struct client probe = {.redirect_uri_count = 0};

    if (!json_is_array(uris) || !json_len(uris) || json_len(uris) > REDIRECT_URIS_MAX)
        return err_set(e, ERR_INVALID_REDIRECT_URI, "redirect_uris must have 1 to %d entries",
                       REDIRECT_URIS_MAX);
    if (client_metadata_redirect_uris(c, a, uris, &probe) &&
        probe.redirect_uri_count == json_len(uris))
        return OK;
    return err_set(e, ERR_INVALID_REDIRECT_URI,
                   "each redirect URI must be https, http on loopback, or have a private scheme "
                   "with a dot in it or one that this server's admin has named "
                   "(PRIVATE_USE_SCHEMES), and no fragment");
}

static enum rc read_body(const struct request *rq, struct json **out, struct err *e) {
    if (!request_has_type(rq, "application/json"))
        return invalid_metadata(e, "the metadata must be sent as application/json");
    if (rq->body_len > REGISTRATION_BYTES_MAX)
        return invalid_metadata(e, "the metadata is longer than %d bytes", REGISTRATION_BYTES_MAX);
    if (json_parse(rq->arena, rq->body, rq->body_len, out, e) || !json_is_object(*out))
        return invalid_metadata(e, "the metadata is not a JSON object");
    return OK;
}

/* RFC 7591 §2. Metadata that this server does not support is replaced (§3.2.1), and the answer has
 * what it was replaced by; a client that could not work with that is refused. */
static enum rc read_metadata(const struct config *c, const struct request *rq, struct json **out,
                             struct err *e) {
    const char *name;

    if (read_body(rq, out, e) ||
        check_redirect_uris(c, rq->arena, json_get(*out, "redirect_uris"), e))
        return e->code;
    name = json_get_str(*out, "client_name");
    if ((json_get(*out, "client_name") && !name) || (name && strlen(name) > CLIENT_NAME_LEN_MAX))
        return invalid_metadata(e, "client_name is not a text of at most %d bytes",
                                CLIENT_NAME_LEN_MAX);
    if (!client_metadata_lists(*out, "grant_types", "authorization_code"))
        return invalid_metadata(e, "grant_types lacks authorization_code");
    if (!client_metadata_lists(*out, "response_types", "code"))
        return invalid_metadata(e, "response_types lacks code");
    return OK;
}

static const char *seal_client(struct site *site, struct arena *a, const char *name,
                               struct json *uris) {
    struct json *o = json_new_object(a);

    json_put_str(o, "name", name);
    json_put(o, "uris", uris);
    json_put_int(o, "end", clock_now_s(&site->clock) + DYNAMIC_CLIENT_TTL_S);
    return arena_printf(
        a, PREFIX "%s",
        seal_json(a, &(struct seal_binding){.keys = site->seal, .purpose = "client"}, o));
}

/* RFC 7591 §3.2.1: the answer has the method that the client was registered with. That it is not
 * the one that it asked for, is said there and in the log. */
static void put_warning(const struct request *rq, struct json *o, const char *method,
                        const char *name) {
    if (!method || !strcmp(method, "none"))
        return;
    json_put_str(o, "warning",
                 "clients that register here have no secret and no keys: "
                 "token_endpoint_auth_method is none; private_key_jwt takes a client metadata "
                 "document");
    log_info("registered_without_authentication", kv("request", rq->id), kv("asked", method),
             kv("client_name", name));
}

enum rc oauth_register(struct exchange *x, struct err *e) {
    struct arena *a = x->rq->arena;
    struct json *asked, *o = json_new_object(a), *uris;
    const char *name, *id;

    if (!x->site->config->dynamic_registration)
        return err_set(e, ERR_NOT_FOUND,
                       "clients cannot register here; they name themselves by "
                       "the https URL of a client metadata document");
    if (read_metadata(x->site->config, x->rq, &asked, e))
        return e->code;
    name = json_get_str(asked, "client_name");
    name = name && *name ? name : DEFAULT_NAME;
    uris = json_get(asked, "redirect_uris");
    id = seal_client(x->site, a, name, uris);
    if (strlen(id) > DYNAMIC_CLIENT_ID_LEN_MAX)
        return invalid_metadata(e, "the name and the redirect URIs are too long together");
    json_put_str(o, "client_id", id);
    json_put_int(o, "client_id_issued_at", clock_now_s(&x->site->clock));
    json_put_str(o, "client_name", name);
    json_put(o, "redirect_uris", uris);
    json_put_words(a, o, "grant_types", "authorization_code refresh_token");
    json_put_words(a, o, "response_types", "code");
    json_put_str(o, "token_endpoint_auth_method", "none");
    put_warning(x->rq, o, json_get_str(asked, "token_endpoint_auth_method"), name);
    json_put_str(o, "scope", x->site->config->supported_scopes);
    x->rp->audit.outcome = "registered";
    x->rp->audit.reason = json_str(json_at(uris, 0));
    x->rp->audit.client = name;
    reply_json(x->rp, 201, o);
    reply_header(x->rp, "Cache-Control", "no-store"); /* RFC 7591 §3.2.1 */
    reply_header(x->rp, "Pragma", "no-cache");
    return OK;
}

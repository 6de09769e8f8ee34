/* Private part of clients.h: private_key_jwt, and the client of a form. */
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "oauth/client_fetch.h"
#include "oauth/clients.h"
#include "shared/cache.h"

#define ASSERTION_LEN_MAX 8192 /* bytes */
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define ASSERTION_TTL_MAX_S 600
#define LEEWAY_S 30 /* between the client's clock and ours */
#define JTI_LEN_MAX 256
#define JTIS_MAX 4096 /* of one client at a time */
#define KEY_SET_BYTES_MAX 16384
#define KEY_SET_REFETCH_S 60 /* for a key that is not in it */

struct assertion {
    struct jws jws;
    const struct json *claims;
};

/* Reads a client_assertion without verifying it. ERR_INVALID_CLIENT with the reason. */
static enum rc read_assertion(struct arena *a, const char *text, struct assertion *out,
                              struct err *e) {
    static const struct jws_kind kind = {
        .name = "client_assertion", .len_max = ASSERTION_LEN_MAX, .takes_es256 = true};

    if (jws_read(a, &kind, text, &out->jws, e))
        return e->code = ERR_INVALID_CLIENT;
    out->claims = jws_claims(a, &out->jws, NULL);
    return out->claims ? OK
                       : invalid_client(e, "client_assertion's claims are not JSON in base64url");
}

/* RFC 7523 §3: the issuer or the token endpoint; RFC 7009 has the endpoint it is sent to. And
 * no other audience: a client's id is the same at every server, so another one that is named too
 * could use the assertion here. */
static bool is_for_us(const struct config *c, struct arena *a, const struct json *claims) {
    const char *ours[] = {c->auth_proxy_uri, arena_printf(a, "%s/token", c->auth_proxy_uri),
                          arena_printf(a, "%s/revoke", c->auth_proxy_uri)};
    const struct json *aud = json_get(claims, "aud");
    const char *only = json_str(json_len(aud) == 1 ? json_at(aud, 0) : aud);

    for (size_t i = 0; only && i < sizeof ours / sizeof *ours; i++)
        if (!strcmp(only, ours[i]))
            return true;
    return false;
}

static enum rc check_times(const struct json *claims, int64_t now_s, struct err *e) {
    int64_t exp, at;

    if (!json_get_seconds(claims, "exp", &exp) || exp <= now_s - LEEWAY_S)
        return invalid_client(e, "client_assertion has expired, or has no exp");
    if (exp > now_s + ASSERTION_TTL_MAX_S + LEEWAY_S)
        return invalid_client(e, "client_assertion is valid for more than %d s",
                              ASSERTION_TTL_MAX_S);
    if (json_has(claims, "nbf") && (!json_get_seconds(claims, "nbf", &at) || at > now_s + LEEWAY_S))
        return invalid_client(e, "client_assertion is not valid yet");
    if (json_has(claims, "iat") && (!json_get_seconds(claims, "iat", &at) || at > now_s + LEEWAY_S))
        return invalid_client(e, "client_assertion was issued in the future");
    return OK;
}

static enum rc check_claims(struct site *site, struct arena *a, const struct json *claims,
                            const char *client_id, struct err *e) {
    const char *jti = json_get_str(claims, "jti");

    if (!json_get_is(claims, "iss", client_id) || !json_get_is(claims, "sub", client_id))
        return invalid_client(e, "iss and sub of client_assertion must be the client_id");
    if (!is_for_us(site->config, a, claims))
        return invalid_client(
            e,
            "aud of client_assertion must be the issuer or the token endpoint, and nothing else");
    if (check_times(claims, clock_now_s(&site->clock), e))
        return e->code;
    if (!jti || !*jti || strlen(jti) > JTI_LEN_MAX)
        return invalid_client(e, "jti of client_assertion must have 1 to %d bytes", JTI_LEN_MAX);
    return OK;
}

/* RFC 7523 §3 no. 7: each is taken once, for as long as it is valid; none if the cache fails. */
static enum rc check_first_use(struct site *site, struct arena *a, const struct json *claims,
                               const char *client_id, struct err *e) {
    int64_t now_s = clock_now_s(&site->clock), exp = 0;
    const char *jti = json_get_str(claims, "jti"), *key;
    struct cache_entry entry;

    (void)json_get_seconds(claims, "exp", &exp);
    key = arena_printf(a, "jti-%s:%s", sha256_base64url(a, client_id, SHA256_LEN),
                       sha256_base64url(a, jti, SHA256_LEN));
    entry = cache_text_entry("", exp - now_s + LEEWAY_S + 1);
    switch (cache_add(site->cache, key, &entry, JTIS_MAX, e)) {
    case OK:
        return OK;
    case ERR_EXISTS:
        return invalid_client(e, "client_assertion was used before");
    default:
        return err_set(e, ERR_UPSTREAM, "client assertions cannot be checked now; try again later");
    }
}

static enum rc check_key_set(const struct config *c, struct arena *a, const struct json *v,
                             const char *url, struct err *e) {
    (void)c;
    (void)a;
    (void)url;
    if (!json_is_array(json_get(v, "keys")))
        return invalid_client(e, "the client's key set has no array of keys");
    if (jwk_set_has_private(v))
        return invalid_client(e, "the client's key set has a private or symmetric key");
    return OK;
}

static const struct document_kind key_sets = {"the client's key set", "jwks-of-client",
                                              KEY_SET_BYTES_MAX, check_key_set};

/* With the keys at the client's jwks_uri, which are fetched again if the one that is needed is not
 * among them: the client may have begun to use a new key. */
static enum rc verify_with_fetched(struct site *site, struct arena *a, const char *jwks_uri,
                                   const struct jws *jws, struct err *e) {
    struct document_request rq = {.kind = &key_sets, .url = jwks_uri};
    struct json *keys;
    enum rc rc;

    if (document_get(site, a, &rq, &keys, e))
        return e->code;
    rc = jws_verify(a, jws, keys, e);
    if (rc != ERR_MISSING)
        return rc;
    rq.since_s = clock_now_s(&site->clock) - KEY_SET_REFETCH_S;
    if (document_get(site, a, &rq, &keys, e))
        return e->code;
    return jws_verify(a, jws, keys, e);
}

static enum rc verify(struct site *site, struct arena *a, const struct client *client,
                      const struct jws *jws, struct err *e) {
    enum rc rc;

    if (!client->jwks && !client->jwks_uri)
        return invalid_client(e, "the client's document has no keys for private_key_jwt");
    rc = client->jwks ? jws_verify(a, jws, client->jwks, e)
                      : verify_with_fetched(site, a, client->jwks_uri, jws, e);
    if (rc == ERR_MISSING)
        return invalid_client(e, "the client has no key for this client_assertion");
    return rc == ERR_REFUSED ? e->code = ERR_INVALID_CLIENT : rc;
}

enum rc client_authenticate(struct site *site, struct arena *a, const struct form *f,
                            bool must_authenticate, struct err *e) {
    const char *type = form_get(f, "client_assertion_type"), *id = form_get(f, "client_id");
    const char *assertion = form_get(f, "client_assertion");
    struct client client;
    struct assertion sent;

    if (!assertion && !type)
        return must_authenticate
                   ? invalid_client(e, "client_assertion is missing: the client's document "
                                       "asks for private_key_jwt")
                   : OK;
    if (!assertion || !type || strcmp(type, ASSERTION_TYPE) != 0)
        return invalid_client(e, "client_assertion_type must be " ASSERTION_TYPE);
    if (read_assertion(a, assertion, &sent, e) || check_claims(site, a, sent.claims, id, e) ||
        client_find(site, a, id, &client, e) || verify(site, a, &client, &sent.jws, e))
        return e->code;
    return check_first_use(site, a, sent.claims, id, e);
}

/* RFC 7521 §4.2: beside an assertion client_id may be left out. What the assertion says is checked
 * later against what is then the client_id. */
static void take_client_id(struct arena *a, struct form *f) {
    const char *assertion = form_get(f, "client_assertion"), *sub;
    struct assertion sent;

    if (form_get(f, "client_id") || !assertion || f->count == FORM_FIELDS_MAX ||
        read_assertion(a, assertion, &sent, ERR_IGNORED) ||
        !(sub = json_get_str(sent.claims, "sub")))
        return;
    for (size_t i = 0; i < f->count; i++)
        if (!strcmp(f->fields[i].name, "client_id"))
            f->fields[i].name = ""; /* it is empty */
    f->fields[f->count++] = (struct form_field){"client_id", sub, false};
}

enum rc client_form_read(struct exchange *x, struct form *f, struct err *e) {
    if (!request_has_type(x->rq, "application/x-www-form-urlencoded"))
        return invalid_request(e, "the body must be sent as application/x-www-form-urlencoded");
    if (form_read(x->rq->arena, x->rq->body, x->rq->body_len, f, e) ||
        form_check_repeated(f, NULL, "resource", e)) /* RFC 6749 §3.2, RFC 8707 §2 */
        return e->code;
    if (form_get(f, "client_secret") || request_header(x->rq, "authorization"))
        return invalid_client(e,
                              "clients of this server have no secret: send client_id, and a "
                              "client_assertion if the client's document asks for private_key_jwt");
    take_client_id(x->rq->arena, f);
    if (!form_get(f, "client_id"))
        return invalid_request(e, "client_id is missing");
    return client_admit(x->site, x->rq->arena, form_get(f, "client_id"), e);
}

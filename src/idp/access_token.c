/* Cognito access tokens: signed JWTs (RFC 7515, RFC 7519).
 *
 * libjwt is asked one thing: does this signature verify. As Debian 12 has it (1.10.2), it takes the
 * algorithm from the token, so that a token signed with HMAC under our public key would pass; it
 * accepts "none" when it has no key, ignores exp, and decodes base64 leniently. So the header is
 * read and pinned to RS256 here before libjwt sees the token, a key is always given, and every
 * claim is read here, from the bytes that were signed. tests/unit/test_idp_access_token.c pins each
 * of these.
 */
#include "crypto/crypto.h"

#include <jwt.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "crypto/jwk.h"

struct parts {
    struct part {
        const char *text;
        size_t len;
    } header, payload, signature;
};

static enum rc refuse(struct err *e, const char *why) {
    return err_set(e, ERR_INVALID_TOKEN, "%s", why);
}

/* RFC 7515 §3.1: three parts, none of them empty. */
static enum rc split(const char *token, struct parts *p, struct err *e) {
    size_t len = token ? strnlen(token, TOKEN_LEN_MAX + 1) : 0;

    if (len > TOKEN_LEN_MAX)
        return err_set(e, ERR_INVALID_TOKEN, "the token is longer than %d bytes", TOKEN_LEN_MAX);
    const char *first = len ? strchr(token, '.') : NULL;
    const char *second = first ? strchr(first + 1, '.') : NULL;
    if (!second || strchr(second + 1, '.') || first == token || second == first + 1 || !second[1])
        return refuse(e, "the token is not a JWT of three parts");
    p->header = (struct part){token, (size_t)(first - token)};
    p->payload = (struct part){first + 1, (size_t)(second - first - 1)};
    p->signature = (struct part){second + 1, (size_t)(token + len - second - 1)};
    return OK;
}

static struct json *object_in(struct arena *a, const struct part *part) {
    struct err ignored = {0};
    struct json *v;
    size_t len;
    uint8_t *text = base64url_decode(a, part->text, part->len, &len);

    if (!text || json_parse(a, (const char *)text, len, &v, &ignored) || !json_is_object(v))
        return NULL;
    return v;
}

static bool is_str(const struct json *object, const char *name, const char *expected) {
    const char *s = json_get_str(object, name);

    return s && expected && strcmp(s, expected) == 0;
}

/* RFC 7515 §4.1.9: typ is a media type, compared without case. */
static bool has_type(const struct json *header, const char *type) {
    const char *typ = json_get_str(header, "typ");

    return typ && strcasecmp(typ, type) == 0;
}

/* RFC 9068 §4: the type says that it is an access token. */
static bool is_at_jwt(const struct json *header) {
    return has_type(header, "at+jwt") || has_type(header, "application/at+jwt");
}

static enum rc check_header(const struct json *header, const char **kid, struct err *e) {
    if (!header)
        return refuse(e, "the token's header is not JSON in base64url");
    if (!is_str(header, "alg", "RS256"))
        return refuse(e, "the token is not signed with RS256");
    if (json_has(header, "crit")) /* RFC 7515 §4.1.11: we understand no extension */
        return refuse(e, "the token's header has a critical extension");
    if (json_has(header, "typ") && !has_type(header, "JWT") && !is_at_jwt(header))
        return refuse(e, "the token's type (typ) is neither JWT nor at+jwt");
    const char *id = json_get_str(header, "kid");
    if (!id || !*id || strlen(id) > JWK_KID_MAX)
        return refuse(e, "the token does not name its signing key");
    *kid = id;
    return OK;
}

enum rc token_kid(struct arena *a, const char *token, const char **kid, struct err *e) {
    struct parts p;

    if (split(token, &p, e))
        return e->code;
    return check_header(object_in(a, &p.header), kid, e);
}

static bool libjwt_verifies(const char *token, const struct jwk *key) {
    jwt_t *jwt = NULL;
    bool ok =
        jwt_decode(&jwt, token, (const unsigned char *)key->pem, (int)key->pem_len) == 0 && jwt;

    ok = ok && jwt_get_alg(jwt) == JWT_ALG_RS256; /* what it did, not what we think it should */
    jwt_free(jwt);
    return ok;
}

/* libjwt decodes base64 leniently, so one token could be written in several ways. Only the one that
 * RFC 7515 §2 allows is taken. at+jwt it refuses whatever the signature. */
static enum rc check_signature(struct arena *a, const char *token, const struct parts *p,
                               const struct jwk *key, struct err *e) {
    size_t len;
    uint8_t *signature = base64url_decode(a, p->signature.text, p->signature.len, &len);
    bool ok;

    if (!signature)
        return refuse(e, "the token's signature is not base64url");
    if (is_at_jwt(object_in(a, &p->header)))
        ok = jwk_verifies(key, token, (size_t)(p->signature.text - token) - 1, signature, len);
    else
        ok = libjwt_verifies(token, key);
    return ok ? OK : refuse(e, "the token's signature does not verify");
}

/* Absent, or an integer that lies no further in the future than clocks may differ. */
static bool not_in_the_future(const struct json *claims, const char *name, int64_t now_s) {
    int64_t at;

    return !json_has(claims, name) ||
           (json_get_int(claims, name, &at) && at <= now_s + TOKEN_LEEWAY_S);
}

static enum rc check_times(const struct json *claims, int64_t now_s, struct err *e) {
    int64_t exp;

    if (!json_get_int(claims, "exp", &exp))
        return refuse(e, "the token has no time of expiry");
    if (exp <= now_s - TOKEN_LEEWAY_S) /* RFC 7519 §4.1.4 */
        return refuse(e, "the token has expired");
    if (!not_in_the_future(claims, "nbf", now_s))
        return refuse(e, "the token is not valid yet");
    if (!not_in_the_future(claims, "iat", now_s))
        return refuse(e, "the token was issued in the future");
    return OK;
}

/* Cognito's access tokens have an aud only if a resource was asked for (RFC 8707). Then it must be
 * ours: a token for somebody else's resource is not for us, whoever the client (RFC 9068 §4). */
static bool is_for_us(const struct json *claims, const struct token_expect *expect) {
    const struct json *aud = json_get(claims, "aud");

    if (!json_has(claims, "aud"))
        return true;
    if (json_is_string(aud))
        return is_str(claims, "aud", expect->resource) || is_str(claims, "aud", expect->client_id);
    for (size_t i = 0; json_is_array(aud) && i < json_len(aud); i++) {
        const char *s = json_str(json_at(aud, i));
        if (s && ((expect->resource && strcmp(s, expect->resource) == 0) ||
                  (expect->client_id && strcmp(s, expect->client_id) == 0)))
            return true;
    }
    return false;
}

/* What tells an access token from an ID token: Cognito's token_use, or the type at+jwt, which
 * brings an audience (RFC 9068 §2.2). */
static bool is_access_token(const struct json *claims, bool at_jwt) {
    return json_has(claims, "token_use") || !at_jwt ? is_str(claims, "token_use", "access")
                                                    : json_has(claims, "aud");
}

static enum rc check_claims(const struct json *claims, bool at_jwt,
                            const struct token_expect *expect, struct err *e) {
    if (!is_str(claims, "iss", expect->issuer))
        return refuse(e, "the token's issuer is not accepted");
    if (!is_access_token(claims, at_jwt))
        return refuse(e, "the token is not an access token");
    if (!is_str(claims, "client_id", expect->client_id))
        return refuse(e, "the token was issued for another client");
    if (!is_for_us(claims, expect))
        return refuse(e, "the token was issued for another resource");
    const char *sub = json_get_str(claims, "sub");
    if (!sub || !*sub)
        return refuse(e, "the token has no subject");
    return check_times(claims, expect->now_s, e);
}

static const char *text_or_empty(const struct json *claims, const char *name) {
    const char *s = json_get_str(claims, name);

    return s ? s : "";
}

/* The strings live in the arena, as the JSON does. */
static void copy_claims(const struct json *claims, struct token_claims *out) {
    *out = (struct token_claims){
        .sub = text_or_empty(claims, "sub"),
        .username = text_or_empty(claims, "username"),
        .client_id = text_or_empty(claims, "client_id"),
        .scope = text_or_empty(claims, "scope"),
        .jti = text_or_empty(claims, "jti"),
    };
    (void)json_get_int(claims, "exp", &out->exp);
    (void)json_get_int(claims, "iat", &out->iat);
}

enum rc token_verify(struct arena *a, const char *token, const struct jwk *key,
                     const struct token_expect *expect, struct token_claims *out, struct err *e) {
    struct parts p;
    const char *kid;

    if (split(token, &p, e) || check_header(object_in(a, &p.header), &kid, e))
        return e->code;
    if (!key || strcmp(key->kid, kid) != 0)
        return refuse(e, "no such signing key");
    if (check_signature(a, token, &p, key, e))
        return e->code;
    const struct json *claims = object_in(a, &p.payload);
    if (!claims)
        return refuse(e, "the token's claims are not JSON in base64url");
    if (check_claims(claims, is_at_jwt(object_in(a, &p.header)), expect, e))
        return e->code;
    copy_claims(claims, out);
    return OK;
}

const char *token_unverified_claim(struct arena *a, const char *token, const char *name) {
    struct err ignored = {0};
    struct parts p;

    if (split(token, &p, &ignored))
        return NULL;
    const struct json *claims = object_in(a, &p.payload);
    return claims ? json_get_str(claims, name) : NULL;
}

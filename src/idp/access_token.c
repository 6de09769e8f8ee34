#include "idp/access_token.h"

#include <strings.h>

static const struct jws_kind access_token = {
    .name = "the token", .len_max = TOKEN_LEN_MAX, .needs_kid = true};

static enum rc refuse(struct err *e, const char *why) {
    return err_set(e, ERR_INVALID_TOKEN, "%s", why);
}

static bool is(const char *text, const char *expected) {
    return text && expected && !strcmp(text, expected);
}

static bool is_ours(const char *audience, const struct token_expect *expect) {
    return is(audience, expect->resource) ||
           (!expect->needs_audience && is(audience, expect->client_id));
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

enum rc access_token_read(struct arena *a, const char *text, struct jws *out, struct err *e) {
    if (jws_read(a, &access_token, text, out, e))
        return e->code = ERR_INVALID_TOKEN;
    if (json_has(out->header, "typ") && !has_type(out->header, "JWT") && !is_at_jwt(out->header))
        return refuse(e, "the token's type (typ) is neither JWT nor at+jwt");
    return OK;
}

/* Absent, or a time that lies no further in the future than clocks may differ. */
static bool not_in_the_future(const struct json *claims, const char *name, int64_t now_s) {
    int64_t at;

    return !json_has(claims, name) ||
           (json_get_seconds(claims, name, &at) && at <= now_s + TOKEN_LEEWAY_S);
}

static enum rc check_times(const struct json *claims, int64_t now_s, struct err *e) {
    int64_t exp;

    if (!json_get_seconds(claims, "exp", &exp))
        return refuse(e, "the token has no time of expiry");
    if (exp <= now_s - TOKEN_LEEWAY_S) /* RFC 7519 §4.1.4 */
        return refuse(e, "the token has expired");
    if (!not_in_the_future(claims, "nbf", now_s))
        return refuse(e, "the token is not valid yet");
    if (!not_in_the_future(claims, "iat", now_s))
        return refuse(e, "the token was issued in the future");
    return OK;
}

bool claims_are_for(const struct json *claims, const struct token_expect *expect) {
    const struct json *aud = json_get(claims, "aud");

    if (json_is_string(aud))
        return is_ours(json_str(aud), expect);
    for (size_t i = 0; json_is_array(aud) && i < json_len(aud); i++)
        if (is_ours(json_str(json_at(aud, i)), expect))
            return true;
    return false;
}

static enum rc check_claims(const struct json *claims, bool at_jwt,
                            const struct token_expect *expect, struct err *e) {
    const char *sub = json_get_str(claims, "sub"), *why;

    if (!json_get_is(claims, "iss", expect->issuer))
        return refuse(e, "the token's issuer is not accepted");
    why = expect->provider->refuse_claims(claims, at_jwt, expect);
    if (why)
        return refuse(e, why);
    if (!sub || !*sub)
        return refuse(e, "the token has no subject");
    return check_times(claims, expect->now_s, e);
}

static const char *text_or_empty(const struct json *claims, const char *name) {
    const char *s = json_get_str(claims, name);

    return s ? s : "";
}

/* What is no string is left out: it names no group. */
static const char *groups_of(struct arena *a, const struct json *claims, const char *name) {
    const struct json *list = name ? json_get(claims, name) : NULL;
    struct json *groups = json_new_array(a);

    for (size_t i = 0; json_is_array(list) && i < json_len(list); i++)
        if (json_is_string(json_at(list, i)))
            json_add(groups, json_at(list, i));
    return json_text(a, groups, NULL);
}

enum rc access_token_check_signature(const struct jws *token, const struct jwk *key,
                                     struct err *e) {
    if (!key || !key->kid || strcmp(key->kid, token->kid) != 0)
        return refuse(e, "no such signing key");
    return jws_verifies(token, key) ? OK : refuse(e, TOKEN_IS_FORGED);
}

const struct token_claims *access_token_claims(struct arena *a, const struct jws *token,
                                               const struct token_expect *expect, struct err *e) {
    const struct json *claims;
    const char *all = "";
    struct token_claims *out;

    claims = jws_claims(a, token, &all);
    if (claims ? check_claims(claims, is_at_jwt(token->header), expect, e)
               : refuse(e, "the token's claims are not JSON in base64url"))
        return NULL;
    out = arena_alloc(a, sizeof *out);
    *out = (struct token_claims){
        .sub = text_or_empty(claims, "sub"),
        .username = text_or_empty(claims, expect->provider->username_claim),
        .client_id = text_or_empty(claims, expect->provider->client_claim),
        .scope = text_or_empty(claims, "scope"),
        .jti = text_or_empty(claims, "jti"),
        .groups = groups_of(a, claims, expect->provider->groups_claim),
        .all = all,
    };
    (void)json_get_seconds(claims, "exp", &out->exp);
    (void)json_get_seconds(claims, "iat", &out->iat);
    return out;
}

/* The strings of struct token_claims. */
static const struct claim_string {
    const char *name;
    size_t offset;
} claim_strings[] = {{"sub", offsetof(struct token_claims, sub)},
                     {"username", offsetof(struct token_claims, username)},
                     {"client_id", offsetof(struct token_claims, client_id)},
                     {"scope", offsetof(struct token_claims, scope)},
                     {"jti", offsetof(struct token_claims, jti)},
                     {"groups", offsetof(struct token_claims, groups)},
                     {"all", offsetof(struct token_claims, all)}};
_Static_assert(sizeof claim_strings / sizeof *claim_strings == TOKEN_CLAIM_STRINGS, "all of them");

const char **token_claim_string(struct token_claims *c, size_t i) {
    return (const char **)(void *)((char *)c + claim_strings[i].offset);
}

struct json *token_claims_save(struct arena *a, const struct token_claims *claims) {
    struct json *o = json_new_object(a);
    struct token_claims copy = *claims;

    for (size_t i = 0; i < TOKEN_CLAIM_STRINGS; i++)
        json_put_str(o, claim_strings[i].name, *token_claim_string(&copy, i));
    json_put_int(o, "exp", claims->exp);
    json_put_int(o, "iat", claims->iat);
    return o;
}

const struct token_claims *token_claims_restore(struct arena *a, const struct json *saved) {
    struct token_claims *c = arena_alloc(a, sizeof *c);

    for (size_t i = 0; i < TOKEN_CLAIM_STRINGS; i++)
        if (!(*token_claim_string(c, i) = json_get_str(saved, claim_strings[i].name)))
            return NULL;
    return json_get_int(saved, "exp", &c->exp) && json_get_int(saved, "iat", &c->iat) ? c : NULL;
}

const struct json *access_token_unverified(struct arena *a, const char *token) {
    return token && strnlen(token, TOKEN_LEN_MAX + 1) <= TOKEN_LEN_MAX
               ? jws_unverified_claims(a, token)
               : NULL;
}

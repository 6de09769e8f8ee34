/* A signer, its key set, and Cognito's access token with the changes of a test. */
#ifndef UNIT_TOKEN_FIXTURE_H
#define UNIT_TOKEN_FIXTURE_H

#include "idp/access_token.h"
#include "token_maker.h"

#define NOW 1800000000
#define ISSUER "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1"
#define HEADER "{\"alg\":\"RS256\",\"kid\":\"k1\"}"
/* Cognito's access token, but for one claim or time that a test gives. */
#define CLAIMS_BUT(rest)                                                                           \
    "{\"sub\":\"user-1\",\"iss\":\"" ISSUER                                                        \
    "\",\"client_id\":\"client-1\",\"username\":\"alice\","                                        \
    "\"scope\":\"openid mcp-server/tools\",\"jti\":\"j-1\"," rest "}"
#define TIMES "\"exp\":1800003600,\"iat\":1800000000"
#define CLAIMS CLAIMS_BUT("\"token_use\":\"access\"," TIMES)
#define CLAIMS_AND(more) CLAIMS_BUT("\"token_use\":\"access\"," TIMES "," more)

static struct signer signer, stranger;
static struct jwk_set *set;
static const struct jwk *key;
static struct arena *a;

extern const struct idp_provider idp_cognito;
static const struct token_expect expect = {
    .provider = &idp_cognito,
    .issuer = ISSUER,
    .client_id = "client-1",
    .resource = "https://mcp.example.com/mcp",
    .now_s = NOW,
};

static inline int start_all(void **state) {
    (void)state;
    signer_init(&signer, 2048);
    signer_init(&stranger, 2048);
    a = arena_new(64 << 20);
    set = jwks_of(a, &signer, "k1");
    key = jwk_set_find(set, "k1");
    return 0;
}

static inline int stop_all(void **state) {
    (void)state;
    jwk_set_free(set);
    signer_free(&signer);
    signer_free(&stranger);
    arena_free(a);
    return 0;
}

/* NULL: refused, with the reason in *e. */
static inline const struct token_claims *verify(const char *token, const struct jwk *with,
                                                struct err *e) {
    struct jws read;

    return access_token_read(a, token, &read, e) || access_token_check_signature(&read, with, e)
               ? NULL
               : access_token_claims(a, &read, &expect, e);
}

static inline void is_accepted(const char *token) {
    struct err e = {0};
    struct jws read;

    assert_int_equal(access_token_read(a, token, &read, &e), OK);
    assert_string_equal(read.kid, "k1");
    if (!verify(token, key, &e))
        fail_msg("refused: %s", e.text);
}

static inline void is_refused(const char *token, const char *why) {
    struct err e = {0};

    assert_null(verify(token, key, &e));
    assert_int_equal(e.code, ERR_INVALID_TOKEN);
    assert_string_equal(e.text, why);
}

/* Refused by its header already, before anybody looks for a key. */
static inline void is_refused_at_once(const char *token, const char *why) {
    struct err e = {0};
    struct jws read;

    assert_int_equal(access_token_read(a, token, &read, &e), ERR_INVALID_TOKEN);
    assert_string_equal(e.text, why);
    is_refused(token, why);
}

static inline char *with_header(const char *header) {
    return sign_rs256(a, &signer, header, CLAIMS);
}

static inline char *with_claims(const char *claims) {
    return sign_rs256(a, &signer, HEADER, claims);
}

static inline char *with_times(const char *times) {
    return with_claims(arena_printf(a, CLAIMS_BUT("\"token_use\":\"access\",%s"), times));
}

#endif

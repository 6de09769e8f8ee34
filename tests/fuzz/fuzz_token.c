/* A token that a stranger sends, and claims that Cognito would sign. An input that begins with "!"
 * is signed as claims under a good header, so that the fuzzer reaches what lies behind the
 * signature; any other input is the token itself, and must never verify. */
#include "../unit/token_maker.h"
#include "idp/access_token.h"
#include "standalone.h"

static struct signer signer;
static struct jwk_set *set;

static void set_up_once(void) {
    if (set)
        return;
    struct arena *a = arena_new(1 << 20);
    signer_init(&signer, 2048);
    set = jwks_of(a, &signer, "k");
    arena_free(a);
}

extern const struct idp_provider idp_cognito;
static const struct token_expect expect = {
    .provider = &idp_cognito,
    .issuer = "https://issuer.example",
    .client_id = "c",
    .resource = "https://mcp.example/mcp",
    .now_s = 1800000000,
};

/* What may never come out of a token that was accepted. */
static void check_accepted(const struct token_claims *claims) {
    if (!claims->sub || !*claims->sub || !claims->scope || !claims->username || !claims->jti ||
        strcmp(claims->client_id, "c") != 0 || claims->exp <= expect.now_s - TOKEN_LEEWAY_S)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(64 << 20);
    char *token = arena_strndup(a, (const char *)data, size);
    const struct token_claims *claims = NULL;
    struct err e = {0};
    struct jws read;

    set_up_once();
    int is_claims = token[0] == '!';
    if (is_claims)
        token = sign_rs256(a, &signer, "{\"alg\":\"RS256\",\"kid\":\"k\"}", token + 1);
    (void)access_token_unverified(a, token);
    if (access_token_read(a, token, &read, &e) == OK)
        claims = access_token_check_signature(&read, jwk_set_find(set, "k"), &e)
                     ? NULL
                     : access_token_claims(a, &read, &expect, &e);
    if (claims) {
        if (!is_claims)
            abort();
        check_accepted(claims);
    } else if (e.code != ERR_INVALID_TOKEN || !*e.text) {
        abort();
    }
    arena_free(a);
    return 0;
}

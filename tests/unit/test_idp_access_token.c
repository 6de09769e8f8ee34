/* Access tokens: form, header and signature. Each known fault of libjwt has a test of its name;
 * the last test checks the installed libjwt itself, and its log says which faults that version
 * has. */
#include "unit.h"

#include <jwt.h>

#include "crypto/jose.h"
#include "token_fixture.h"

/* ---- the algorithm ---- */

#define NOT_RS256 "the token is not signed with RS256"

static void hs256_made_with_the_public_key_is_refused(void **state) {
    static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"k1\"}";

    (void)state;
    is_refused_at_once(sign_hs256(a, pem_of(a, key).p, pem_of(a, key).len, header, CLAIMS),
                       NOT_RS256);
    /* The same MAC under a header that says RS256. */
    is_refused(sign_hs256(a, pem_of(a, key).p, pem_of(a, key).len, HEADER, CLAIMS),
               "the token's signature does not verify");
}

static void none_is_refused(void **state) {
    char *input = signing_input(a, "{\"alg\":\"none\",\"kid\":\"k1\"}", CLAIMS);

    (void)state;
    is_refused_at_once(arena_printf(a, "%s.", input), "the token is not a JWT of three parts");
    is_refused_at_once(arena_printf(a, "%s.AAAA", input), NOT_RS256);
    is_refused_at_once(with_header("{\"alg\":\"none\",\"kid\":\"k1\"}"), NOT_RS256);
    is_refused_at_once(with_header("{\"kid\":\"k1\"}"), NOT_RS256);
}

static void other_algorithms_are_refused(void **state) {
    static const char *const algorithms[] = {"RS384", "RS512",  "PS256", "ES256", "HS512", "EdDSA",
                                             "rs256", "RS256 ", "",      "RS25",  "RS2560"};

    (void)state;
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        is_refused_at_once(
            with_header(arena_printf(a, "{\"alg\":\"%s\",\"kid\":\"k1\"}", algorithms[i])),
            NOT_RS256);
    is_refused_at_once(with_header("{\"alg\":[\"RS256\"],\"kid\":\"k1\"}"), NOT_RS256);
    is_refused_at_once(with_header("{\"alg\":null,\"kid\":\"k1\"}"), NOT_RS256);
    is_refused_at_once(with_header("{\"alg\":\"RS256\\u0000\",\"kid\":\"k1\"}"), NOT_RS256);
    is_refused_at_once(with_header("{\"ALG\":\"RS256\",\"kid\":\"k1\"}"), NOT_RS256);
    /* A name that comes twice (RFC 7515 §4). */
    is_refused_at_once(with_header("{\"alg\":\"RS256\",\"alg\":\"HS256\",\"kid\":\"k1\"}"),
                       "the token's header is not JSON in base64url");
    is_refused_at_once(with_header("{\"alg\":\"HS256\",\"alg\":\"RS256\",\"kid\":\"k1\"}"),
                       "the token's header is not JSON in base64url");
}

/* ---- the header ---- */

static void the_type_jwt_is_accepted_in_any_case(void **state) {
    (void)state;
    is_accepted(with_header("{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"JWT\"}"));
    is_accepted(with_header("{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"jwt\"}"));
}

static void a_critical_extension_is_refused(void **state) {
    (void)state;
    is_refused_at_once(with_header("{\"alg\":\"RS256\",\"kid\":\"k1\",\"crit\":[\"b64\"]}"),
                       "the token's header has a critical extension");
    is_refused_at_once(with_header("{\"alg\":\"RS256\",\"kid\":\"k1\",\"crit\":null}"),
                       "the token's header has a critical extension");
}

static void another_type_is_refused(void **state) {
    static const char *const types[] = {"\"at+jwt2\"", "\"application/jwt\"", "\"\"", "null", "7"};

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        is_refused_at_once(
            with_header(arena_printf(a, "{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":%s}", types[i])),
            "the token's type (typ) is neither JWT nor at+jwt");
}

#define AT_JWT "{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}"
#define FOR_US TIMES ",\"aud\":\"https://mcp.example.com/mcp\""

/* RFC 9068: the type says what token_use says in Cognito's, and an audience is there. */
static void an_access_token_of_rfc_9068_is_accepted(void **state) {
    static const char *const types[] = {"at+jwt", "AT+JWT", "application/at+jwt"};

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        is_accepted(sign_rs256(
            a, &signer,
            arena_printf(a, "{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"%s\"}", types[i]),
            CLAIMS_BUT(FOR_US)));
    is_accepted(with_header(AT_JWT)); /* with token_use, and no audience */
    is_refused(sign_rs256(a, &signer, AT_JWT, CLAIMS_BUT(TIMES)),
               "the token is not an access token");
    is_refused(sign_rs256(a, &signer, AT_JWT, CLAIMS_BUT("\"token_use\":\"id\"," FOR_US)),
               "the token is not an access token");
    is_refused(with_claims(CLAIMS_BUT(FOR_US)), "the token is not an access token");
}

/* Its signature is not libjwt's to check. */
static void its_signature_is_checked(void **state) {
    char *good = sign_rs256(a, &signer, AT_JWT, CLAIMS_BUT(FOR_US));
    char *signature = strrchr(good, '.') + 1;
    const char *others =
        sign_rs256(a, &signer, AT_JWT, CLAIMS_BUT(FOR_US ",\"groups\":[\"admin\"]"));
    const char *why = "the token's signature does not verify";

    (void)state;
    is_refused(sign_rs256(a, &stranger, AT_JWT, CLAIMS_BUT(FOR_US)), why);
    is_refused(
        arena_printf(a, "%.*s%s", (int)(strrchr(others, '.') + 1 - others), others, signature),
        why);
    is_refused(arena_printf(a, "%s.AAAA", signing_input(a, AT_JWT, CLAIMS_BUT(FOR_US))), why);
    is_refused(sign_hs256(a, pem_of(a, key).p, pem_of(a, key).len, AT_JWT, CLAIMS_BUT(FOR_US)),
               why);
    *signature = *signature == 'A' ? 'B' : 'A';
    is_refused(good, why);
}

static void a_key_id_must_be_there(void **state) {
    char *kid = arena_alloc(a, JWK_KID_MAX + 2);

    (void)state;
    memset(kid, 'k', JWK_KID_MAX + 1);
    is_refused_at_once(with_header("{\"alg\":\"RS256\"}"),
                       "the token does not name its signing key");
    is_refused_at_once(with_header("{\"alg\":\"RS256\",\"kid\":\"\"}"),
                       "the token does not name its signing key");
    is_refused_at_once(with_header("{\"alg\":\"RS256\",\"kid\":1}"),
                       "the token does not name its signing key");
    is_refused_at_once(with_header(arena_printf(a, "{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid)),
                       "the token does not name its signing key");
}

static void another_key_id_is_refused(void **state) {
    struct err e = {0};

    (void)state;
    is_refused(with_header("{\"alg\":\"RS256\",\"kid\":\"k2\"}"), "no such signing key");
    assert_null(verify(with_claims(CLAIMS), NULL, &e));
    assert_int_equal(e.code, ERR_INVALID_TOKEN);
}

static void keys_that_the_token_brings_are_ignored(void **state) {
    (void)state;
    is_refused(sign_rs256(a, &stranger,
                          arena_printf(a, "{\"alg\":\"RS256\",\"kid\":\"k1\",\"jwk\":%s}",
                                       jwk_json(a, &stranger, "k1")),
                          CLAIMS),
               "the token's signature does not verify");
    is_refused(sign_rs256(a, &stranger,
                          "{\"alg\":\"RS256\",\"kid\":\"k1\",\"jku\":\"http://evil.example/\"}",
                          CLAIMS),
               "the token's signature does not verify");
}

/* ---- the form ---- */

#define NOT_A_JWT "the token is not a JWT of three parts"

static void what_has_not_three_parts_is_refused(void **state) {
    char *token = with_claims(CLAIMS), *input = signing_input(a, HEADER, CLAIMS);

    (void)state;
    is_refused_at_once("", NOT_A_JWT);
    is_refused_at_once(NULL, NOT_A_JWT);
    is_refused_at_once("opaque", NOT_A_JWT);
    is_refused_at_once(".", NOT_A_JWT);
    is_refused_at_once("..", NOT_A_JWT);
    is_refused_at_once("...", NOT_A_JWT);
    is_refused_at_once(input, NOT_A_JWT);
    is_refused_at_once(arena_printf(a, "%s.", input), NOT_A_JWT);
    is_refused_at_once(arena_printf(a, "%s.AAAA", token), NOT_A_JWT);
    is_refused_at_once(arena_printf(a, ".%s", token), NOT_A_JWT);
    is_refused_at_once(arena_printf(a, "%s.", token), NOT_A_JWT);
    is_refused_at_once(arena_printf(a, "%s.%s", token, strchr(token, '.') + 1), NOT_A_JWT);
}

static void space_and_padding_are_refused(void **state) {
    char *token = with_claims(CLAIMS), *signature = strrchr(token, '.') + 1;
    const char *header = "the token's header is not JSON in base64url";

    (void)state;
    is_refused_at_once(arena_printf(a, " %s", token), header);
    is_refused_at_once(
        arena_printf(a, "%.*s=%s", (int)strcspn(token, "."), token, strchr(token, '.')), header);
    is_refused(arena_printf(a, "%s=", token), "the token's signature is not base64url");
    is_refused(arena_printf(a, "%s==", token), "the token's signature is not base64url");
    is_refused(arena_printf(a, "%s ", token), "the token's signature is not base64url");
    is_refused(arena_printf(a, "%s\n", token), "the token's signature is not base64url");
    /* 256 bytes leave 4 bits of the last character unused: only zeros may be there. */
    size_t last = strlen(signature) - 1;
    signature[last]++;
    is_refused(token, "the token's signature is not base64url");
}

static void the_other_base64_alphabet_is_refused(void **state) {
    char *token, *at;
    int tries = 0;

    (void)state;
    do { /* until there is a signature with one of the characters that differ */
        token = with_claims(arena_printf(a, CLAIMS_AND("\"n\":%d"), tries));
        at = strpbrk(strrchr(token, '.'), "-_");
    } while (!at && ++tries < 100);
    assert_non_null(at);
    is_accepted(token);
    *at = *at == '-' ? '+' : '/';
    is_refused(token, "the token's signature is not base64url");
}

static void a_header_that_is_not_json_is_refused(void **state) {
    static const char *const headers[] = {"x",
                                          "[]",
                                          "null",
                                          "\"RS256\"",
                                          "{\"alg\":\"RS256\",\"kid\":\"k1\"",
                                          "{'alg':'RS256'}",
                                          "{\"alg\":\"RS256\",\"kid\":\"k1\"} x",
                                          "{\"alg\":\"RS256\",\"kid\":\"k1\"}{}"};

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        is_refused_at_once(with_header(headers[i]), "the token's header is not JSON in base64url");
}

static void a_huge_token_is_refused(void **state) {
    char *pad = arena_alloc(a, 100001), *token;

    (void)state;
    memset(pad, 'x', 100000);
    token = with_claims(arena_printf(a, CLAIMS_AND("\"pad\":\"%s\""), pad));
    is_refused_at_once(token, "the token is longer than 32768 bytes");
    memset(pad, 'x', 100000);
    is_refused_at_once(pad, "the token is longer than 32768 bytes");
    pad[5000] = 0;
    is_accepted(with_claims(arena_printf(a, CLAIMS_AND("\"pad\":\"%s\""), pad)));
}

/* ---- the signature ---- */

static void every_changed_character_is_refused(void **state) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *token = with_claims(CLAIMS);

    (void)state;
    for (size_t i = 0; token[i]; i++) {
        char kept = token[i];
        struct err e = {0};
        const char *at = kept == '.' ? alphabet : strchr(alphabet, kept);
        token[i] = alphabet[((size_t)(at - alphabet) + 1) % 64];
        assert_null(verify(token, key, &e));
        assert_int_equal(e.code, ERR_INVALID_TOKEN);
        token[i] = kept;
    }
    is_accepted(token);
}

static void a_strangers_signature_is_refused(void **state) {
    char *input = signing_input(a, HEADER, CLAIMS);
    char *other = rs256(a, &signer, signing_input(a, HEADER, CLAIMS_AND("\"x\":1")));

    (void)state;
    is_refused(sign_rs256(a, &stranger, HEADER, CLAIMS), "the token's signature does not verify");
    is_refused(arena_printf(a, "%s.%s", input, other), "the token's signature does not verify");
    is_refused(arena_printf(a, "%s.AAAA", input), "the token's signature does not verify");
}

static void claims_that_are_not_an_object_are_refused(void **state) {
    static const char *const claims[] = {
        "x", "[]", "null", "{", "{} {}", CLAIMS_AND("\"iss\":\"" ISSUER "\\u0000x\"")};

    (void)state;
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        struct err e = {0};
        /* By libjwt, as a signature that does not verify, or by us: both will do. */
        assert_null(verify(with_claims(claims[i]), key, &e));
        assert_int_equal(e.code, ERR_INVALID_TOKEN);
    }
}

/* ---- libjwt itself ---- */

static int libjwt_takes(const char *token, const struct jwk *with) {
    jwt_t *jwt = NULL;
    struct text pem = with ? pem_of(a, with) : (struct text){NULL, 0};
    int rc = jwt_decode(&jwt, token, (const unsigned char *)pem.p, (int)pem.len);

    jwt_free(jwt);
    return rc == 0;
}

/* Asserts only what we need: that it can tell a good signature from a bad one. */
static void what_the_installed_libjwt_does_alone(void **state) {
    char *good = with_claims(CLAIMS);
    char *none = arena_printf(a, "%s.", signing_input(a, "{\"alg\":\"none\"}", CLAIMS));
    const struct {
        const char *what;
        int taken;
    } traps[] = {
        {"HS256 made with the public key",
         libjwt_takes(
             sign_hs256(a, pem_of(a, key).p, pem_of(a, key).len, "{\"alg\":\"HS256\"}", CLAIMS),
             key)},
        {"alg none with a key", libjwt_takes(none, key)},
        {"alg none without a key", libjwt_takes(none, NULL)},
        {"RS256 without a key", libjwt_takes(good, NULL)},
        {"an expired token", libjwt_takes(with_times("\"exp\":1"), key)},
        {"typ at+jwt", libjwt_takes(with_header("{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}"), key)},
        {"alg rs256 in lower case", libjwt_takes(with_header("{\"alg\":\"rs256\"}"), key)},
        {"a critical extension",
         libjwt_takes(with_header("{\"alg\":\"RS256\",\"crit\":[\"b64\"]}"), key)},
        {"a padded signature", libjwt_takes(arena_printf(a, "%s==", good), key)},
        {"a fourth part", libjwt_takes(arena_printf(a, "%s.AAAA", good), key)},
    };

    (void)state;
    assert_true(libjwt_takes(good, key));
    assert_false(libjwt_takes(sign_rs256(a, &stranger, HEADER, CLAIMS), key));
    for (size_t i = 0; i < sizeof traps / sizeof *traps; i++)
        print_message("  libjwt alone %s %s\n", traps[i].taken ? "accepts" : "refuses",
                      traps[i].what);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_type_jwt_is_accepted_in_any_case),
        cmocka_unit_test(hs256_made_with_the_public_key_is_refused),
        cmocka_unit_test(none_is_refused),
        cmocka_unit_test(other_algorithms_are_refused),
        cmocka_unit_test(a_critical_extension_is_refused),
        cmocka_unit_test(another_type_is_refused),
        cmocka_unit_test(an_access_token_of_rfc_9068_is_accepted),
        cmocka_unit_test(its_signature_is_checked),
        cmocka_unit_test(a_key_id_must_be_there),
        cmocka_unit_test(another_key_id_is_refused),
        cmocka_unit_test(keys_that_the_token_brings_are_ignored),
        cmocka_unit_test(what_has_not_three_parts_is_refused),
        cmocka_unit_test(space_and_padding_are_refused),
        cmocka_unit_test(the_other_base64_alphabet_is_refused),
        cmocka_unit_test(a_header_that_is_not_json_is_refused),
        cmocka_unit_test(a_huge_token_is_refused),
        cmocka_unit_test(every_changed_character_is_refused),
        cmocka_unit_test(a_strangers_signature_is_refused),
        cmocka_unit_test(claims_that_are_not_an_object_are_refused),
        cmocka_unit_test(what_the_installed_libjwt_does_alone),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}

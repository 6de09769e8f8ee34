/* Client assertions: which are read, and which of those verify. */
#include "unit.h"

#include "crypto/jose.h"
#include "jws_maker.h"

#define LEN_MAX 8192
static const struct jws_kind assertion = {
    .name = "client_assertion", .len_max = LEN_MAX, .takes_es256 = true};
static struct signer rsa, other_rsa;
static struct ec_signer ec, other_ec;

/* RFC 7515 appendix A.2 (RS256) and A.3 (ES256); both sign this payload. */
#define PAYLOAD                                                                                    \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define A2_N                                                                                       \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4" \
    "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re" \
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX" \
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define A2_SIGNATURE                                                                               \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" \
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" \
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO" \
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define A2 "eyJhbGciOiJSUzI1NiJ9." PAYLOAD "." A2_SIGNATURE
#define A2_KEYS "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAB\"}]}"
#define A3                                                                                         \
    "eyJhbGciOiJFUzI1NiJ9." PAYLOAD                                                                \
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define A3_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define A3_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define A3_KEYS                                                                                    \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y "\"}]}"

#define RS "{\"alg\":\"RS256\",\"kid\":\"r\"}"
#define ES "{\"alg\":\"ES256\",\"kid\":\"e\"}"
#define CLAIMS "{\"sub\":\"c\"}"

static struct json *parse(struct arena *a, const char *text) {
    struct json *v;
    struct err e;

    assert_int_equal(json_parse(a, text, strlen(text), &v, &e), OK);
    return v;
}

static struct json *both_keys(struct arena *a) {
    return parse(
        a, arena_printf(a, "{\"keys\":[%s,%s]}", jwk_json(a, &rsa, "r"), ec_jwk_json(a, &ec, "e")));
}

static enum rc verify(struct arena *a, const char *text, const struct json *keys) {
    struct err e = {0};
    struct jws j;

    assert_int_equal(jws_read(a, &assertion, text, &j, &e), OK);
    return jws_verify(a, &j, keys, &e);
}

static void is_refused(struct arena *a, const char *text, const char *why) {
    struct err e = {0};
    struct jws j;

    assert_int_equal(jws_read(a, &assertion, text, &j, &e), ERR_REFUSED);
    assert_string_equal(e.text, why);
}

static void the_examples_of_rfc_7515_verify(void **state) {
    assert_int_equal(verify(*state, A2, parse(*state, A2_KEYS)), OK);
    assert_int_equal(verify(*state, A3, parse(*state, A3_KEYS)), OK);
}

static void their_claims_and_header_are_read(void **state) {
    const struct json *claims;
    struct err e;
    struct jws j;
    int64_t exp;

    assert_int_equal(jws_read(*state, &assertion, A3, &j, &e), OK);
    claims = jws_claims(*state, &j, NULL);
    assert_true(j.is_ecdsa);
    assert_null(j.kid);
    assert_string_equal(json_get_str(claims, "iss"), "joe");
    assert_true(json_get_int(claims, "exp", &exp));
    assert_int_equal(exp, 1300819380);
    assert_int_equal(j.signature_len, 64);
    assert_int_equal(j.signed_len, strlen("eyJhbGciOiJFUzI1NiJ9." PAYLOAD));
    assert_int_equal(jws_read(*state, &assertion, A2, &j, &e), OK);
    assert_false(j.is_ecdsa);
}

static void what_we_sign_verifies(void **state) {
    struct json *keys = both_keys(*state);

    assert_int_equal(verify(*state, sign_rs256(*state, &rsa, RS, CLAIMS), keys), OK);
    assert_int_equal(verify(*state, sign_es256(*state, &ec, ES, CLAIMS), keys), OK);
}

/* A key of the client's with one more member. */
static enum rc verify_with(struct arena *a, const char *key, const char *member,
                           const char *signed_text) {
    return verify(
        a, signed_text,
        parse(a, arena_printf(a, "{\"keys\":[%.*s,%s}]}", (int)strlen(key) - 1, key, member)));
}

/* RFC 7517 §4.2, §4.3: what is there must offer to verify. */
static void a_key_for_something_else_does_not(void **state) {
    static const char *const wrong[] = {
        "\"key_ops\":[\"encrypt\"]", "\"key_ops\":[\"sign\"]", "\"key_ops\":[]",
        "\"key_ops\":\"verify\"",    "\"use\":\"enc\"",        "\"d\":\"AQAB\""};
    static const char *const good[] = {"\"key_ops\":[\"verify\"]",
                                       "\"key_ops\":[\"encrypt\",\"verify\"]"};
    const char *keys[] = {
        arena_printf(*state, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", rsa.n, rsa.e),
        arena_printf(*state, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", ec.x,
                     ec.y)};
    const char *texts[] = {sign_rs256(*state, &rsa, "{\"alg\":\"RS256\"}", CLAIMS),
                           sign_es256(*state, &ec, "{\"alg\":\"ES256\"}", CLAIMS)};

    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
            assert_int_equal(verify_with(*state, keys[k], wrong[i], texts[k]), ERR_MISSING);
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
            assert_int_equal(verify_with(*state, keys[k], good[i], texts[k]), OK);
    }
}

static void another_ones_key_does_not(void **state) {
    struct json *keys = both_keys(*state);

    assert_int_equal(verify(*state, sign_rs256(*state, &other_rsa, RS, CLAIMS), keys), ERR_REFUSED);
    assert_int_equal(verify(*state, sign_es256(*state, &other_ec, ES, CLAIMS), keys), ERR_REFUSED);
    assert_int_equal(verify(*state, A2, parse(*state, A3_KEYS)), ERR_MISSING);
    assert_int_equal(verify(*state, A3, parse(*state, A2_KEYS)), ERR_MISSING);
}

/* One other byte in the claims or in the signature. */
static void a_changed_one_does_not(void **state) {
    struct json *keys = both_keys(*state);
    const char *texts[] = {sign_rs256(*state, &rsa, RS, CLAIMS),
                           sign_es256(*state, &ec, ES, CLAIMS)};

    for (int i = 0; i < 2; i++) {
        char *signature = arena_strdup(*state, texts[i]);
        const char *claims =
            arena_printf(*state, "%s%s", signing_input(*state, i ? ES : RS, "{\"sub\":\"d\"}"),
                         strrchr(texts[i], '.'));
        char *p = strrchr(signature, '.') + 1;

        *p = *p == 'A' ? 'B' : 'A';
        assert_int_equal(verify(*state, signature, keys), ERR_REFUSED);
        assert_int_equal(verify(*state, claims, keys), ERR_REFUSED);
    }
}

/* RFC 7518 §3.4: 64 bytes, whatever DER would say; and RSA's is as long as the key. */
static void a_signature_of_another_length_does_not(void **state) {
    struct json *keys = both_keys(*state);
    const char *input = signing_input(*state, ES, CLAIMS);
    size_t len;
    uint8_t *signature, longer[65] = {0};

    signature = base64url_decode(*state, es256(*state, &ec, input),
                                 strlen(es256(*state, &ec, input)), &len);
    assert_int_equal(len, 64);
    memcpy(longer + 1, signature, 64);
    for (size_t n = 1; n < 64; n += n < 8 || n > 56 ? 1 : 8)
        assert_int_equal(
            verify(*state,
                   arena_printf(*state, "%s.%s", input, base64url_encode(*state, signature, n)),
                   keys),
            ERR_REFUSED);
    assert_int_equal(
        verify(*state, arena_printf(*state, "%s.%s", input, base64url_encode(*state, longer, 65)),
               keys),
        ERR_REFUSED);
    input = signing_input(*state, RS, CLAIMS);
    signature = base64url_decode(*state, rs256(*state, &rsa, input),
                                 strlen(rs256(*state, &rsa, input)), &len);
    for (size_t n = 1; n < len; n += 51)
        assert_int_equal(
            verify(*state,
                   arena_printf(*state, "%s.%s", input, base64url_encode(*state, signature, n)),
                   keys),
            ERR_REFUSED);
}

/* CVE-2022-21449: r and s of zero are no signature. */
static void a_signature_of_zeros_does_not(void **state) {
    static const uint8_t zeros[64];

    assert_int_equal(verify(*state,
                            arena_printf(*state, "%s.%s", signing_input(*state, ES, CLAIMS),
                                         base64url_encode(*state, zeros, sizeof zeros)),
                            both_keys(*state)),
                     ERR_REFUSED);
}

static void other_algorithms_are_refused(void **state) {
    static const char *const headers[] = {"{\"alg\":\"none\"}",    "{\"alg\":\"HS256\"}",
                                          "{\"alg\":\"RS384\"}",   "{\"alg\":\"PS256\"}",
                                          "{\"alg\":\"ES384\"}",   "{\"alg\":\"rs256\"}",
                                          "{\"alg\":[\"RS256\"]}", "{}"};

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        is_refused(*state, sign_rs256(*state, &rsa, headers[i], CLAIMS),
                   "client_assertion is not signed with RS256 or ES256");
    /* A public key that is used as a secret. */
    is_refused(*state, sign_hs256(*state, rsa.n, strlen(rsa.n), "{\"alg\":\"HS256\"}", CLAIMS),
               "client_assertion is not signed with RS256 or ES256");
}

/* The header says one algorithm, the signature is of the other. */
static void the_header_decides_on_the_kind_of_key(void **state) {
    struct json *keys = both_keys(*state);

    assert_int_equal(verify(*state, sign_es256(*state, &ec, "{\"alg\":\"RS256\"}", CLAIMS), keys),
                     ERR_REFUSED);
    assert_int_equal(verify(*state, sign_rs256(*state, &rsa, "{\"alg\":\"ES256\"}", CLAIMS), keys),
                     ERR_REFUSED);
    assert_int_equal(
        verify(*state, sign_rs256(*state, &rsa, "{\"alg\":\"RS256\",\"kid\":\"e\"}", CLAIMS), keys),
        ERR_MISSING);
}

static void critical_extensions_are_refused(void **state) {
    is_refused(*state,
               sign_rs256(*state, &rsa, "{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", CLAIMS),
               "client_assertion's header has a critical extension");
    is_refused(*state, sign_rs256(*state, &rsa, "{\"alg\":\"RS256\",\"crit\":null}", CLAIMS),
               "client_assertion's header has a critical extension");
}

static void a_kid_must_be_a_short_text(void **state) {
    static const char why[] = "client_assertion does not name its signing key";
    char *kid = arena_alloc(*state, JWK_KID_MAX + 2);

    is_refused(*state, sign_rs256(*state, &rsa, "{\"alg\":\"RS256\",\"kid\":1}", CLAIMS), why);
    is_refused(*state, sign_rs256(*state, &rsa, "{\"alg\":\"RS256\",\"kid\":null}", CLAIMS), why);
    memset(kid, 'k', JWK_KID_MAX + 1);
    is_refused(*state,
               sign_rs256(*state, &rsa,
                          arena_printf(*state, "{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid), CLAIMS),
               why);
}

static void a_kid_chooses_the_key(void **state) {
    struct json *keys = parse(*state, arena_printf(*state, "{\"keys\":[%s,%s]}",
                                                   jwk_json(*state, &other_rsa, "old"),
                                                   jwk_json(*state, &rsa, "new")));

    assert_int_equal(verify(*state,
                            sign_rs256(*state, &rsa, "{\"alg\":\"RS256\",\"kid\":\"new\"}", CLAIMS),
                            keys),
                     OK);
    assert_int_equal(verify(*state,
                            sign_rs256(*state, &rsa, "{\"alg\":\"RS256\",\"kid\":\"old\"}", CLAIMS),
                            keys),
                     ERR_REFUSED);
    assert_int_equal(
        verify(*state, sign_rs256(*state, &rsa, "{\"alg\":\"RS256\",\"kid\":\"gone\"}", CLAIMS),
               keys),
        ERR_MISSING);
    /* Without one, each is tried. */
    assert_int_equal(verify(*state, sign_rs256(*state, &rsa, "{\"alg\":\"RS256\"}", CLAIMS), keys),
                     OK);
}

static void what_is_no_jwt_of_three_parts_is_refused(void **state) {
    static const char *const texts[] = {"",        ".",    "..",   "a",    "a.b",
                                        "a.b.c.d", "....", ".b.c", "a..c", "a.b."};
    char *longer = arena_alloc(*state, LEN_MAX + 2);

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        is_refused(*state, texts[i], "client_assertion is not a JWT of three parts");
    memset(longer, 'a', LEN_MAX + 1);
    longer[1] = longer[3] = '.';
    is_refused(*state, longer, "client_assertion is longer than 8192 bytes");
}

static void what_is_not_base64url_or_json_is_refused(void **state) {
    static const char header[] = "client_assertion's header is not JSON in base64url";
    static const char signature[] = "client_assertion's signature is not base64url";
    const char *good = sign_es256(*state, &ec, ES, CLAIMS);

    is_refused(*state, arena_printf(*state, "%s.AA", signing_input(*state, "[]", CLAIMS)), header);
    is_refused(*state, arena_printf(*state, "%s.AA", signing_input(*state, "{", CLAIMS)), header);
    is_refused(*state, arena_printf(*state, "%s=", good), signature);
    is_refused(*state, arena_printf(*state, "%s.A+", signing_input(*state, ES, CLAIMS)), signature);
}

static void claims_that_are_no_object_are_none(void **state) {
    static const char *const claims[] = {"1", "[]", "{", "null"};
    struct err e;
    struct jws j;

    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        const char *text = sign_es256(*state, &ec, ES, claims[i]);

        assert_int_equal(jws_read(*state, &assertion, text, &j, &e), OK);
        assert_null(jws_claims(*state, &j, NULL));
    }
    assert_null(jws_unverified_claims(*state, sign_es256(*state, &ec, ES, "[]")));
    assert_null(jws_unverified_claims(*state, "a.b"));
    assert_string_equal(json_get_str(jws_unverified_claims(*state, "!.eyJzdWIiOiJjIn0.!"), "sub"),
                        "c");
}

/* The key as it is published, with one member another. */
static enum rc with_member(struct arena *a, const char *text, const char *key, const char *name,
                           const char *value) {
    struct json *jwk = parse(a, key), *keys = json_new_array(a), *set = json_new_object(a);

    json_put(jwk, name, value ? parse(a, value) : NULL);
    json_add(keys, jwk);
    json_put(set, "keys", keys);
    return verify(a, text, set);
}

static void keys_for_something_else_are_not_used(void **state) {
    const char *rs = sign_rs256(*state, &rsa, RS, CLAIMS);
    const char *es = sign_es256(*state, &ec, ES, CLAIMS);
    const char *r = jwk_json(*state, &rsa, "r"), *x = ec_jwk_json(*state, &ec, "e");

    assert_int_equal(with_member(*state, rs, r, "use", "\"enc\""), ERR_MISSING);
    assert_int_equal(with_member(*state, rs, r, "alg", "\"RS512\""), ERR_MISSING);
    assert_int_equal(with_member(*state, rs, r, "kty", "\"EC\""), ERR_MISSING);
    assert_int_equal(with_member(*state, es, x, "use", "\"enc\""), ERR_MISSING);
    assert_int_equal(with_member(*state, es, x, "alg", "\"ES512\""), ERR_MISSING);
    assert_int_equal(with_member(*state, es, x, "crv", "\"P-384\""), ERR_REFUSED);
    assert_int_equal(with_member(*state, es, x, "crv", "\"P-256\""), OK);
}

static void malformed_keys_verify_nothing(void **state) {
    static const char *const bad[] = {"\"\"", "\"AA\"", "\"AQ\"", "1", "null", "\"!\""};
    const char *rs = sign_rs256(*state, &rsa, RS, CLAIMS);
    const char *es = sign_es256(*state, &ec, ES, CLAIMS);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *r = jwk_json(*state, &rsa, "r"), *x = ec_jwk_json(*state, &ec, "e");

        assert_int_equal(with_member(*state, rs, r, "n", bad[i]), ERR_REFUSED);
        assert_int_equal(with_member(*state, rs, r, "e", bad[i]), ERR_REFUSED);
        assert_int_equal(with_member(*state, es, x, "x", bad[i]), ERR_REFUSED);
        assert_int_equal(with_member(*state, es, x, "y", bad[i]), ERR_REFUSED);
    }
    /* Not on the curve. */
    assert_int_equal(with_member(*state, es, ec_jwk_json(*state, &ec, "e"), "y",
                                 arena_printf(*state, "\"%s\"", ec.x)),
                     ERR_REFUSED);
}

/* The signature of an RSA key with e = 1 is the padded hash: anyone can write it. */
static void an_exponent_of_one_verifies_nothing(void **state) {
    static const uint8_t prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    const char *input = signing_input(*state, RS, CLAIMS), *text;
    uint8_t padded[256];

    memset(padded, 0xff, sizeof padded); /* RFC 8017 §9.2 */
    padded[0] = 0;
    padded[1] = 1;
    padded[sizeof padded - SHA256_LEN - sizeof prefix - 1] = 0;
    memcpy(padded + sizeof padded - SHA256_LEN - sizeof prefix, prefix, sizeof prefix);
    sha256(input, strlen(input), padded + sizeof padded - SHA256_LEN);
    text = arena_printf(*state, "%s.%s", input, base64url_encode(*state, padded, sizeof padded));
    assert_int_equal(with_member(*state, text, jwk_json(*state, &rsa, "r"), "e", "\"AQ\""),
                     ERR_REFUSED);
}

static void short_rsa_keys_verify_nothing(void **state) {
    struct signer weak;

    signer_init(&weak, 1024);
    assert_int_equal(verify(*state, sign_rs256(*state, &weak, RS, CLAIMS),
                            parse(*state, jwks_json(*state, &weak, "r"))),
                     ERR_REFUSED);
    signer_free(&weak);
}

static void a_set_without_keys_has_none(void **state) {
    static const char *const sets[] = {"{}", "{\"keys\":[]}", "{\"keys\":{}}", "{\"keys\":[1]}",
                                       "{\"keys\":[null,{}]}"};
    const char *text = sign_rs256(*state, &rsa, RS, CLAIMS);

    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        assert_int_equal(verify(*state, text, parse(*state, sets[i])), ERR_MISSING);
}

/* A stranger's set cannot keep a worker busy: so many keys are tried and no more. */
static void no_more_keys_are_tried_than_a_set_may_have(void **state) {
    struct json *set = json_new_object(*state), *keys = json_new_array(*state);
    const char *text = sign_es256(*state, &ec, "{\"alg\":\"ES256\"}", CLAIMS);

    for (int i = 0; i < JWK_KEYS_MAX; i++)
        json_add(keys, parse(*state, ec_jwk_json(*state, &other_ec, "e")));
    json_put(set, "keys", keys);
    json_add(keys, parse(*state, ec_jwk_json(*state, &ec, "e")));
    assert_int_equal(verify(*state, text, set), ERR_REFUSED);
}

static int start_all(void **state) {
    (void)state;
    signer_init(&rsa, 2048);
    signer_init(&other_rsa, 2048);
    ec_signer_init(&ec);
    ec_signer_init(&other_ec);
    return 0;
}

static int stop_all(void **state) {
    (void)state;
    signer_free(&rsa);
    signer_free(&other_rsa);
    ec_signer_free(&ec);
    ec_signer_free(&other_ec);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(the_examples_of_rfc_7515_verify),
        WITH_ARENA(their_claims_and_header_are_read),
        WITH_ARENA(what_we_sign_verifies),
        WITH_ARENA(a_key_for_something_else_does_not),
        WITH_ARENA(another_ones_key_does_not),
        WITH_ARENA(a_changed_one_does_not),
        WITH_ARENA(a_signature_of_another_length_does_not),
        WITH_ARENA(a_signature_of_zeros_does_not),
        WITH_ARENA(other_algorithms_are_refused),
        WITH_ARENA(the_header_decides_on_the_kind_of_key),
        WITH_ARENA(critical_extensions_are_refused),
        WITH_ARENA(a_kid_must_be_a_short_text),
        WITH_ARENA(a_kid_chooses_the_key),
        WITH_ARENA(what_is_no_jwt_of_three_parts_is_refused),
        WITH_ARENA(what_is_not_base64url_or_json_is_refused),
        WITH_ARENA(claims_that_are_no_object_are_none),
        WITH_ARENA(keys_for_something_else_are_not_used),
        WITH_ARENA(malformed_keys_verify_nothing),
        WITH_ARENA(an_exponent_of_one_verifies_nothing),
        WITH_ARENA(short_rsa_keys_verify_nothing),
        WITH_ARENA(a_set_without_keys_has_none),
        WITH_ARENA(no_more_keys_are_tried_than_a_set_may_have),
    };

    return cmocka_run_group_tests(tests, start_all, stop_all);
}

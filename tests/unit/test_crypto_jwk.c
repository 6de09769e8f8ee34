/* Which keys of a set are kept. */
#include "unit.h"

#include "crypto/jose.h"
#include "token_maker.h"

static struct signer signer, small;

static int start_all(void **state) {
    (void)state;
    signer_init(&signer, 2048);
    signer_init(&small, 1024);
    return 0;
}

static int stop_all(void **state) {
    (void)state;
    signer_free(&signer);
    signer_free(&small);
    return 0;
}

static enum rc parse(const char *text, struct jwk_set **set, struct err *e) {
    *set = NULL;
    memset(e, 0, sizeof *e);
    return jwk_set_parse(text, strlen(text), set, e);
}

/* A set of one key of these members, and one good key, "good". Was the first one kept? */
static bool is_kept(struct arena *a, const char *members) {
    struct jwk_set *set;
    struct err e;

    assert_int_equal(
        parse(arena_printf(a, "{\"keys\":[{%s},%s]}", members, jwk_json(a, &signer, "good")), &set,
              &e),
        OK);
    assert_non_null(jwk_set_find(set, "good"));
    bool kept = jwk_set_find(set, "k") != NULL;
    jwk_set_free(set);
    return kept;
}

static bool is_kept_rsa(struct arena *a, const char *n, const char *e) {
    return is_kept(
        a, arena_printf(a, "\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"%s\",\"e\":\"%s\"", n, e));
}

static void a_key_is_found_by_its_id(void **state) {
    struct jwk_set *set = jwks_of(*state, &signer, "one");
    const struct jwk *key = jwk_set_find(set, "one");

    assert_non_null(key);
    assert_string_equal(key->kid, "one");
    assert_true(jwk_set_has(set, key->print));
    assert_false(jwk_set_has(set, key->print + 1));
    assert_false(jwk_set_has(NULL, key->print));
    assert_null(jwk_set_find(set, "On"));
    assert_null(jwk_set_find(set, "ONE"));
    assert_null(jwk_set_find(set, ""));
    assert_null(jwk_set_find(set, NULL));
    assert_null(jwk_set_find(NULL, "one"));
    jwk_set_free(set);
}

/* RFC 7515 appendix A.2 and its signature: a key and a signature that others made. */
static void the_key_of_rfc_7515_is_imported(void **state) {
    static const char n[] =
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
        "4qPCJrcS2mJPMEzP1Pt0Bm4d4"
        "QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
        "bSf63kpaSHSXndS5z5rexMdb"
        "BYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"
        "I5IhlJH7aGhyxXFvUK-D"
        "WNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    static const char input[] =
        "eyJhbGciOiJSUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb"
        "S9pc19yb290Ijp0cnVlfQ";
    static const char signature[] =
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
        "O8W2Fp5ju"
        "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
        "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07"
        "Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
        "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipU"
        "TI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    struct jwk_set *set;
    struct err e;
    size_t len;

    assert_int_equal(parse(arena_printf(*state,
                                        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"A.2\",\"n\":\"%s\","
                                        "\"e\":\"AQAB\"}]}",
                                        n),
                           &set, &e),
                     OK);
    const struct jwk *jwk = jwk_set_find(set, "A.2");
    gnutls_datum_t data = {(unsigned char *)(uintptr_t)input, sizeof input - 1};
    gnutls_datum_t sig = {base64url_decode(*state, signature, strlen(signature), &len), 0};
    sig.size = (unsigned)len;
    assert_true(gnutls_pubkey_verify_data2(jwk->imported, GNUTLS_SIGN_RSA_SHA256, 0, &data, &sig) >=
                0);
    jwk_set_free(set);
}

static void keys_for_something_else_are_left_out(void **state) {
    struct arena *a = *state;
    const char *rsa =
        arena_printf(a, "\"kid\":\"k\",\"n\":\"%s\",\"e\":\"%s\"", signer.n, signer.e);

    assert_true(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",%s", rsa)));
    assert_true(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"use\":\"sig\",%s", rsa)));
    assert_true(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"key_ops\":[\"verify\"],%s", rsa)));
    assert_true(is_kept(a, arena_printf(a,
                                        "\"kty\":\"RSA\",\"use\":null,\"alg\":null,"
                                        "\"key_ops\":null,\"d\":null,%s",
                                        rsa))); /* as libraries write what is absent */
    assert_false(is_kept(a, rsa));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"rsa\",%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"EC\",%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"oct\",%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"use\":\"enc\",%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"use\":[\"sig\"],%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"alg\":\"RS512\",%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"alg\":\"HS256\",%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"key_ops\":[\"sign\"],%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"key_ops\":\"verify\",%s", rsa)));
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"key_ops\":[],%s", rsa)));
    /* Whoever reads the set can sign with it. */
    assert_false(is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"d\":\"AQAB\",%s", rsa)));
}

static void key_ids_that_are_absent_or_too_long_are_left_out(void **state) {
    struct arena *a = *state;
    char kid[JWK_KID_MAX + 2];
    struct jwk_set *set;
    struct err e;

    memset(kid, 'x', sizeof kid);
    kid[JWK_KID_MAX] = 0;
    set = jwks_of(a, &signer, kid);
    assert_non_null(jwk_set_find(set, kid));
    jwk_set_free(set);
    kid[JWK_KID_MAX] = 'x';
    kid[JWK_KID_MAX + 1] = 0;
    assert_int_equal(parse(jwks_json(a, &signer, kid), &set, &e), ERR_UPSTREAM);
    assert_int_equal(parse(jwks_json(a, &signer, ""), &set, &e), ERR_UPSTREAM);
    assert_false(is_kept(
        a, arena_printf(a, "\"kty\":\"RSA\",\"kid\":1,\"n\":\"%s\",\"e\":\"AQAB\"", signer.n)));
}

static void weak_and_malformed_numbers_are_left_out(void **state) {
    struct arena *a = *state;
    uint8_t *n, *more = arena_alloc(a, 1200);
    size_t len;

    n = base64url_decode(a, signer.n, strlen(signer.n), &len);
    assert_int_equal(len, 256);
    assert_true(is_kept_rsa(a, signer.n, "AQAB"));
    assert_true(is_kept_rsa(a, signer.n, "Aw"));     /* 3 */
    assert_true(is_kept_rsa(a, signer.n, "AAEAAQ")); /* 65537 with a zero before it */
    assert_true(is_kept_rsa(a, signer.n, "_____w")); /* 2^32 - 1 */
    assert_false(is_kept_rsa(a, signer.n, "AQ"));    /* 1: any signature would verify */
    assert_false(is_kept_rsa(a, signer.n, "AQAA"));  /* even */
    assert_false(is_kept_rsa(a, signer.n, "AA"));    /* 0 */
    assert_false(is_kept_rsa(a, signer.n, ""));
    assert_false(is_kept_rsa(a, signer.n, "AQAAAAE")); /* 2^32 + 1 */
    assert_false(is_kept_rsa(a, signer.n, "AQAB="));
    assert_false(is_kept_rsa(a, signer.n, " AQAB"));
    assert_false(is_kept_rsa(a, small.n, "AQAB")); /* 1024 bits */
    assert_false(is_kept_rsa(a, "", "AQAB"));
    assert_false(is_kept_rsa(a, "AAAA", "AQAB"));
    assert_false(is_kept_rsa(a, arena_printf(a, "%s==", signer.n), "AQAB"));
    assert_false(is_kept_rsa(a, arena_printf(a, "+%s", signer.n + 1), "AQAB"));

    memcpy(more + 1, n, len);
    assert_true(is_kept_rsa(a, base64url_encode(a, more, len + 1), "AQAB")); /* a zero before it */
    n[len - 1] &= 0xfe;
    assert_false(is_kept_rsa(a, base64url_encode(a, n, len), "AQAB")); /* even */
    n[len - 1] |= 1;
    n[0] = 0x7f;
    assert_false(is_kept_rsa(a, base64url_encode(a, n, len), "AQAB")); /* 2047 bits */
    memset(more, 0xff, 1200);
    assert_true(is_kept_rsa(a, base64url_encode(a, more, 1024), "AQAB"));  /* 8192 bits */
    assert_false(is_kept_rsa(a, base64url_encode(a, more, 1025), "AQAB")); /* 8200 bits */
    assert_false(is_kept(a, "\"kty\":\"RSA\",\"kid\":\"k\",\"e\":\"AQAB\""));
    assert_false(
        is_kept(a, arena_printf(a, "\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"%s\"", signer.n)));
    assert_false(is_kept(a, "\"kty\":\"RSA\",\"kid\":\"k\",\"n\":5,\"e\":65537"));
}

static void of_two_keys_with_one_id_the_first_counts(void **state) {
    struct arena *a = *state;
    struct jwk_set *set, *alone = jwks_of(a, &signer, "k");
    struct signer other;
    struct err e;

    signer_init(&other, 2048);
    assert_int_equal(parse(arena_printf(a, "{\"keys\":[%s,%s]}", jwk_json(a, &signer, "k"),
                                        jwk_json(a, &other, "k")),
                           &set, &e),
                     OK);
    assert_int_equal(jwk_set_find(set, "k")->print, jwk_set_find(alone, "k")->print);
    jwk_set_free(set);
    jwk_set_free(alone);
    signer_free(&other);
}

static void a_set_without_a_usable_key_is_an_error(void **state) {
    static const char *const texts[] = {
        "",
        "{",
        "null",
        "[]",
        "\"keys\"",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":null}",
        "{\"keys\":[]}",
        "{\"keys\":[null,1,\"x\",[],{}]}",
        "{\"keys\":[]} x",
        "<html>",
    };
    struct jwk_set *set;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(parse(texts[i], &set, &e), ERR_UPSTREAM);
        assert_null(set);
        assert_true(*e.detail);
    }
}

static void limits(void **state) {
    struct arena *a = *state;
    struct jwk_set *set;
    struct err e;
    char *keys = jwk_json(a, &signer, "k0");

    for (int i = 1; i < JWK_KEYS_MAX; i++)
        keys = arena_printf(a, "%s,%s", keys, jwk_json(a, &signer, arena_printf(a, "k%d", i)));
    assert_int_equal(parse(arena_printf(a, "{\"keys\":[%s]}", keys), &set, &e), OK);
    assert_non_null(jwk_set_find(set, "k15"));
    jwk_set_free(set);
    keys = arena_printf(a, "%s,%s", keys, jwk_json(a, &signer, "k16"));
    assert_int_equal(parse(arena_printf(a, "{\"keys\":[%s]}", keys), &set, &e), ERR_UPSTREAM);
    assert_non_null(strstr(e.detail, "too many keys"));

    char *huge = arena_alloc(a, JWK_SET_BYTES_MAX + 2);
    memset(huge, ' ', JWK_SET_BYTES_MAX + 1);
    const char *one = jwks_json(a, &signer, "k");
    memcpy(huge, one, strlen(one));
    assert_int_equal(parse(huge, &set, &e), ERR_UPSTREAM);
    huge[JWK_SET_BYTES_MAX] = 0;
    assert_int_equal(parse(huge, &set, &e), OK);
    jwk_set_free(set);
    jwk_set_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_key_is_found_by_its_id),
        WITH_ARENA(the_key_of_rfc_7515_is_imported),
        WITH_ARENA(keys_for_something_else_are_left_out),
        WITH_ARENA(key_ids_that_are_absent_or_too_long_are_left_out),
        WITH_ARENA(weak_and_malformed_numbers_are_left_out),
        WITH_ARENA(of_two_keys_with_one_id_the_first_counts),
        WITH_ARENA(a_set_without_a_usable_key_is_an_error),
        WITH_ARENA(limits),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}

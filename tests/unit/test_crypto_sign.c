/* What we sign, and the public keys that verify it. */
#include "unit.h"

#include "crypto/jose.h"
#include "crypto/sign.h"

#define PURPOSE "caller-jwt"
#define OLD "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
#define NEW "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8\n"

static const struct jws_kind kind = {"the token", 4096, true, true};
static struct arena *a;

static struct seal_keys *load(const char *text) {
    char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 16];
    struct seal_keys *keys = NULL;
    struct err e = {0};

    folder_make(dir);
    (void)snprintf(path, sizeof path, "%s/secret.key", dir);
    file_write(path, text, 0600);
    assert_int_equal(seal_keys_load(path, false, &keys, &e), OK);
    assert_int_equal(unlink(path) || rmdir(dir), 0);
    return keys;
}

static const char *sign(const struct seal_keys *keys) {
    struct json *claims = json_new_object(a);

    json_put_str(claims, "sub", "ada");
    return jwt_sign(a, keys, PURPOSE, claims);
}

static enum rc verify(const char *jwt, const struct json *set) {
    struct jws jws;
    struct err e = {0};

    assert_int_equal(jws_read(a, &kind, jwt, &jws, &e), OK);
    assert_true(jws.is_ecdsa);
    assert_string_equal(json_get_str(jws_claims(a, &jws, NULL), "sub"), "ada");
    return jws_verify(a, &jws, set, &e);
}

static void test_hosts_that_share_a_key_file_verify_each_other(void **state) {
    struct seal_keys *one = load(OLD), *two = load(OLD), *other = load(NEW);
    const struct json *set = jwt_key_set(a, two, PURPOSE);

    (void)state;
    assert_false(jwk_set_has_private(set));
    assert_string_equal(json_text(a, jwt_key_set(a, one, PURPOSE), NULL), json_text(a, set, NULL));
    for (int i = 0; i < 50; i++) /* numbers of 31 bytes among them */
        assert_int_equal(verify(sign(one), set), OK);
    assert_int_equal(verify(sign(other), set), ERR_MISSING);
    assert_int_equal(verify(sign(one), jwt_key_set(a, two, "other")), ERR_MISSING);
    seal_keys_free(one);
    seal_keys_free(two);
    seal_keys_free(other);
}

/* As sealing keys: a new one first is added, then moved to the top, then the old one goes. */
static void test_a_change_of_keys_leaves_no_token_unverified(void **state) {
    struct seal_keys *before = load(OLD), *added = load(OLD NEW), *moved = load(NEW OLD);

    (void)state;
    assert_int_equal(json_len(json_get(jwt_key_set(a, added, PURPOSE), "keys")), 2);
    assert_int_equal(verify(sign(added), jwt_key_set(a, before, PURPOSE)), OK);
    assert_int_equal(verify(sign(moved), jwt_key_set(a, added, PURPOSE)), OK);
    assert_int_equal(verify(sign(added), jwt_key_set(a, moved, PURPOSE)), OK);
    seal_keys_free(before);
    seal_keys_free(added);
    seal_keys_free(moved);
}

static void test_only_who_has_the_key_for_it_signs(void **state) {
    static const char *const others[] = {"task", NULL}, *const own[] = {PURPOSE, NULL};
    struct seal_keys *keys = load(OLD), *kept = load(OLD);
    const struct json *set = jwt_key_set(a, keys, PURPOSE);

    (void)state;
    assert_null(jwt_sign(a, NULL, PURPOSE, json_new_object(a)));
    seal_keys_keep(kept, own);
    assert_int_equal(verify(sign(kept), set), OK);
    seal_keys_keep(keys, others);
    assert_null(sign(keys));
    assert_int_equal(json_len(json_get(jwt_key_set(a, keys, PURPOSE), "keys")), 0);
    seal_keys_free(keys);
    seal_keys_free(kept);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_that_share_a_key_file_verify_each_other),
        cmocka_unit_test(test_a_change_of_keys_leaves_no_token_unverified),
        cmocka_unit_test(test_only_who_has_the_key_for_it_signs),
    };

    a = arena_new(UNIT_ARENA_BYTES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

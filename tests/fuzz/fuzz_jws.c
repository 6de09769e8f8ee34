/* What a client sends to prove who it is, and the key set that it publishes. By its first byte an
 * input is a client_assertion (against a key set of ours), a key set (for an assertion of ours), or
 * "!" and header and claims, each a line, that are signed here: so the fuzzer reaches what lies
 * behind a signature, and nothing that it makes up may verify. */
#include "../unit/jws_maker.h"
#include "crypto/jose.h"
#include "input.h"
#include "standalone.h"

static const struct jws_kind assertion = {
    .name = "client_assertion", .len_max = 8192, .takes_es256 = true};
static struct signer rsa;
static struct ec_signer ec;
static const char *keys_text, *assertions[2];
static struct json *keys;

static void set_up_once(void) {
    static struct arena *a;
    struct err e;

    if (a)
        return;
    a = arena_new(1 << 20);
    signer_init(&rsa, 2048);
    ec_signer_init(&ec);
    keys_text =
        arena_printf(a, "{\"keys\":[%s,%s]}", jwk_json(a, &rsa, "r"), ec_jwk_json(a, &ec, "e"));
    MUST(!json_parse(a, keys_text, strlen(keys_text), &keys, &e));
    assertions[0] = sign_rs256(a, &rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}", "{\"sub\":\"c\"}");
    assertions[1] = sign_es256(a, &ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}", "{\"sub\":\"c\"}");
}

/* What holds for everything that was read. */
static void check_read(const struct jws *j, const char *text) {
    MUST(json_is_object(j->header));
    MUST(j->signature && j->signature_len);
    MUST(j->text == text && j->signed_len < strlen(text));
    MUST(!j->kid || strlen(j->kid) <= JWK_KID_MAX);
}

static enum rc read_and_verify(struct arena *a, const char *text, const struct json *jwks,
                               bool *was_read) {
    struct err e = {0};
    struct jws j;
    enum rc rc = jws_read(a, &assertion, text, &j, &e);

    *was_read = !rc;
    if (!rc) {
        check_read(&j, text);
        rc = jws_verify(a, &j, jwks, &e);
    }
    MUST(rc == OK || rc == ERR_REFUSED || (rc == ERR_MISSING && *was_read));
    MUST(!rc || *e.text);
    return rc;
}

/* A stranger's assertion verifies only if it is one that we signed. */
static void try_assertion(struct arena *a, const char *text) {
    bool was_read;

    if (!read_and_verify(a, text, keys, &was_read))
        MUST(!strcmp(text, assertions[0]) || !strcmp(text, assertions[1]));
}

/* Our assertion verifies only with a set that has the key that signed it. */
static void try_keys(struct arena *a, const char *text, size_t len) {
    struct json *jwks;
    struct err e;
    bool was_read;

    if (json_parse(a, text, len, &jwks, &e))
        return;
    for (int i = 0; i < 2; i++)
        MUST(read_and_verify(a, assertions[i], jwks, &was_read) != OK && was_read);
}

/* libjwt, which verifies RS256, refuses half a surrogate pair; our parser takes it for U+FFFD. */
static bool may_have_half_a_pair(const char *json) {
    return strcasestr(json, "\\ud") != NULL;
}

/* What was signed with a key of the set verifies whenever it can be read and its header names that
 * key, or none. */
static void try_signed(struct arena *a, const char *header, const char *claims) {
    const char *texts[] = {sign_rs256(a, &rsa, header, claims), sign_es256(a, &ec, header, claims)};

    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        struct jws j;
        bool fits, verifies;

        if (jws_read(a, &assertion, texts[i], &j, &e) || !jws_claims(a, &j, NULL))
            continue;
        fits = j.is_ecdsa == (i == 1) && (!j.kid || !strcmp(j.kid, i ? "e" : "r"));
        verifies = jws_verify(a, &j, keys, &e) == OK;
        MUST(verifies == fits ||
             (!i && !verifies && (may_have_half_a_pair(header) || may_have_half_a_pair(claims))));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    char *header;

    set_up_once();
    if (size && *data == '!') {
        data++;
        size--;
        header = take_line_of(a, &data, &size);
        try_signed(a, header, arena_strndup(a, (const char *)data, size));
    } else if (size && *data == '{') {
        try_keys(a, (const char *)data, size);
    } else {
        try_assertion(a, arena_strndup(a, (const char *)data, size));
    }
    arena_free(a);
    return 0;
}

/* Sealed texts: authenticated encryption of what leaves us and comes back.
 *
 *   base64url( version 1 | key id 4 | random 24 | ChaCha20-Poly1305 ciphertext | tag 16 )
 *
 * Each message has a key of its own:
 *   purpose key = HKDF(key, info = "mcp-authd seal v1 " purpose)
 *   message key = HMAC(purpose key, random)
 * and is sealed under the message key with a nonce of zeros (RFC 8439 §2.8). Why not the random
 * bytes as the nonce: that nonce has 96 bits, so hosts that share a key file and seal with random
 * nonces may meet after some 2^32 messages each at odds that are not negligible, and one meeting
 * gives the authentication key away. With 192 random bits that choose a key, no number of hosts
 * meets, and no counter has to survive a restart.
 *
 * The purpose is in the key and in the associated data; the associated data is
 * purpose 0x00 associated, which is unambiguous because a purpose has no NUL. */
#include "crypto/seal.h"

#include <nettle/chacha-poly1305.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "crypto/nettle_digest.h"

#define SEAL_VERSION 1
#define RANDOM_LEN 24
#define TAG_LEN CHACHA_POLY1305_DIGEST_SIZE
#define RANDOM_AT (1 + SEAL_KEY_ID_LEN)
#define TEXT_AT (RANDOM_AT + RANDOM_LEN)
#define OVERHEAD (TEXT_AT + TAG_LEN)
#define SEALED_TEXT_MAX (((size_t)SEAL_DATA_MAX + OVERHEAD) * 4 / 3 + 4)

_Static_assert(SEAL_KEY_LEN == SHA256_LEN && SEAL_KEY_LEN == CHACHA_POLY1305_KEY_SIZE,
               "an HMAC makes a key");

/* A key given by value, not from a file. Were a file's key to have this id (one in 2^32), nothing
 * would open that should not: the id only finds the key. */
static const uint8_t no_key_id[SEAL_KEY_ID_LEN];

#define INFO "mcp-authd seal v1 "
#define PURPOSE_MAX 32

void seal_purpose_key(const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                      uint8_t out[SEAL_KEY_LEN]) {
    char info[sizeof INFO + PURPOSE_MAX];

    if (snprintf(info, sizeof info, INFO "%s", purpose) >= (int)sizeof info)
        abort(); /* a purpose is a constant */
    hkdf_sha256(key, SEAL_KEY_LEN, info, out, SEAL_KEY_LEN);
}

/* False if the keys are not for this purpose. */
static bool purpose_key_of(const struct seal_keys *k, const struct seal_key *key,
                           const char *purpose, uint8_t out[SEAL_KEY_LEN]) {
    if (!k->purposes) {
        seal_purpose_key(key->key, purpose, out);
        return true;
    }
    for (size_t i = 0; k->purposes[i]; i++)
        if (!strcmp(k->purposes[i], purpose)) {
            memcpy(out, key->of_purpose[i], SEAL_KEY_LEN);
            return true;
        }
    return false;
}

/* A cipher that is keyed, has its nonce, and has taken in the associated data. */
static void cipher_start(struct chacha_poly1305_ctx *ctx, const uint8_t purpose_key[SEAL_KEY_LEN],
                         const uint8_t *random, struct arena *a, const char *purpose,
                         const char *associated) {
    static const uint8_t nonce[CHACHA_POLY1305_NONCE_SIZE];
    uint8_t message_key[SHA256_LEN];
    size_t purpose_len = strlen(purpose), associated_len = strlen(associated);
    uint8_t *ad = arena_alloc(a, purpose_len + 1 + associated_len);

    hmac_sha256(purpose_key, SEAL_KEY_LEN, random, RANDOM_LEN, message_key);
    chacha_poly1305_set_key(ctx, message_key);
    chacha_poly1305_set_nonce(ctx, nonce);
    explicit_bzero(message_key, sizeof message_key);

    memcpy(ad, purpose, purpose_len);
    memcpy(ad + purpose_len + 1, associated, associated_len);
    chacha_poly1305_update(ctx, purpose_len + 1 + associated_len, ad);
}

static char *seal_as(struct arena *a, const uint8_t key[SEAL_KEY_LEN],
                     const uint8_t id[SEAL_KEY_ID_LEN], const char *purpose, const char *associated,
                     const void *data, size_t len) {
    struct chacha_poly1305_ctx ctx;

    if (len > SEAL_DATA_MAX)
        abort(); /* like memory running out: whatever we seal has a limit of its own below this */
    uint8_t *out = arena_alloc(a, len + OVERHEAD);
    out[0] = SEAL_VERSION;
    memcpy(out + 1, id, SEAL_KEY_ID_LEN);
    random_bytes(out + RANDOM_AT, RANDOM_LEN);
    cipher_start(&ctx, key, out + RANDOM_AT, a, purpose, associated ? associated : "");
    if (len)
        chacha_poly1305_encrypt(&ctx, len, out + TEXT_AT, data);
    NETTLE_DIGEST(chacha_poly1305_digest, &ctx, TAG_LEN, out + TEXT_AT + len);
    explicit_bzero(&ctx, sizeof ctx);
    return base64url_encode(a, out, len + OVERHEAD);
}

/* All refusals are one: whoever tries things out learns nothing from the difference. */
static enum rc not_sealed_here(struct err *e) {
    return err_set(e, ERR_REFUSED, "not sealed by this server");
}

/* The bytes of a sealed text of the right version and a possible length, or NULL. */
static uint8_t *sealed_bytes(struct arena *a, const char *text, size_t *len) {
    size_t text_len = text ? strnlen(text, SEALED_TEXT_MAX + 1) : 0;

    if (text_len == 0 || text_len > SEALED_TEXT_MAX)
        return NULL;
    uint8_t *sealed = base64url_decode(a, text, text_len, len);
    if (!sealed || *len < OVERHEAD || sealed[0] != SEAL_VERSION)
        return NULL;
    return sealed;
}

/* The data, or NULL if the tag does not hold under this key. */
static char *open_as(struct arena *a, const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                     const char *associated, const uint8_t *sealed, size_t sealed_len,
                     size_t *len) {
    struct chacha_poly1305_ctx ctx;
    uint8_t tag[TAG_LEN];
    size_t data_len = sealed_len - OVERHEAD;
    char *data = arena_alloc(a, data_len + 1);

    cipher_start(&ctx, key, sealed + RANDOM_AT, a, purpose, associated ? associated : "");
    if (data_len)
        chacha_poly1305_decrypt(&ctx, data_len, (uint8_t *)data, sealed + TEXT_AT);
    NETTLE_DIGEST(chacha_poly1305_digest, &ctx, TAG_LEN, tag);
    explicit_bzero(&ctx, sizeof ctx);
    bool ok = equal_in_constant_time(tag, sealed + TEXT_AT + data_len, TAG_LEN);
    explicit_bzero(tag, sizeof tag); /* the right tag of a forged text */
    if (!ok) {
        explicit_bzero(data, data_len); /* nobody may see what was not authenticated */
        return NULL;
    }
    *len = data_len;
    return data;
}

char *seal(struct arena *a, const struct seal_keys *k, const char *purpose, const char *associated,
           const void *data, size_t len) {
    uint8_t key[SEAL_KEY_LEN];
    char *text;

    if (!purpose_key_of(k, &k->keys[0], purpose, key))
        abort(); /* another service's */
    text = seal_as(a, key, k->keys[0].id, purpose, associated, data, len);
    explicit_bzero(key, sizeof key);
    return text;
}

char *seal_with(struct arena *a, const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                const char *associated, const void *data, size_t len) {
    uint8_t purpose_key[SEAL_KEY_LEN];
    char *text;

    seal_purpose_key(key, purpose, purpose_key);
    text = seal_as(a, purpose_key, no_key_id, purpose, associated, data, len);
    explicit_bzero(purpose_key, sizeof purpose_key);
    return text;
}

enum rc seal_open(struct arena *a, const struct seal_keys *k, const char *purpose,
                  const char *associated, const char *text, char **data, size_t *len,
                  struct err *e) {
    size_t sealed_len;
    uint8_t *sealed = sealed_bytes(a, text, &sealed_len);

    if (!sealed)
        return not_sealed_here(e);
    for (size_t i = 0; i < k->count; i++) {
        uint8_t key[SEAL_KEY_LEN];

        if (memcmp(k->keys[i].id, sealed + 1, SEAL_KEY_ID_LEN) != 0 ||
            !purpose_key_of(k, &k->keys[i], purpose, key))
            continue;
        char *plain = open_as(a, key, purpose, associated, sealed, sealed_len, len);
        explicit_bzero(key, sizeof key);
        if (plain) {
            *data = plain;
            return OK;
        }
    }
    return not_sealed_here(e);
}

enum rc seal_open_with(struct arena *a, const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                       const char *associated, const char *text, char **data, size_t *len,
                       struct err *e) {
    size_t sealed_len;
    uint8_t *sealed = sealed_bytes(a, text, &sealed_len);

    if (!sealed || memcmp(no_key_id, sealed + 1, SEAL_KEY_ID_LEN) != 0)
        return not_sealed_here(e);
    uint8_t purpose_key[SEAL_KEY_LEN];
    seal_purpose_key(key, purpose, purpose_key);
    char *plain = open_as(a, purpose_key, purpose, associated, sealed, sealed_len, len);
    explicit_bzero(purpose_key, sizeof purpose_key);
    if (!plain)
        return not_sealed_here(e);
    *data = plain;
    return OK;
}

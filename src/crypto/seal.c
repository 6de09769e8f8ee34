/*   base64url( version 1 | key id 4 | random 24 | ChaCha20-Poly1305 ciphertext | tag 16 )
 *
 * Each message has a key of its own:
 *   purpose key = HKDF(key, info = "mcp-authd seal v1 " purpose)
 *   message key = HMAC(purpose key, random)
 * and is encrypted under the message key with a nonce of zeros (RFC 8439 §2.8). The random bytes
 * are not used as the nonce, because that has only 96 bits: hosts that share a key file would use a
 * nonce twice after some 2^32 messages with a probability that matters, and that reveals the
 * authentication key. With 192 random bits that choose a key, no two messages meet, and no counter
 * has to survive a restart.
 *
 * The purpose is in the key and in the associated data, which is: purpose 0x00 associated. A
 * purpose has no NUL, so that is unambiguous. */
#include "crypto/seal.h"

#include <nettle/chacha-poly1305.h>

#include "base/encode.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "crypto/nettle_digest.h"
#include "crypto/random.h"

#define SEAL_VERSION 1
#define RANDOM_LEN 24
#define TAG_LEN CHACHA_POLY1305_DIGEST_SIZE
#define RANDOM_AT (1 + SEAL_KEY_ID_LEN)
#define TEXT_AT (RANDOM_AT + RANDOM_LEN)
#define OVERHEAD (TEXT_AT + TAG_LEN)
#define SEALED_TEXT_MAX (((size_t)SEAL_DATA_MAX + OVERHEAD) * 4 / 3 + 4)

_Static_assert(SEAL_KEY_LEN == SHA256_LEN && SEAL_KEY_LEN == CHACHA_POLY1305_KEY_SIZE,
               "an HMAC makes a key");

/* The id of a key that is not from a file. If a file's key had this id too (one in 2^32), nothing
 * wrong would open: the id only finds the key. */
static const uint8_t no_key_id[SEAL_KEY_ID_LEN];

/* The bytes of a sealed text: without the ciphertext they are OVERHEAD. */
struct sealed {
    uint8_t *bytes;
    size_t len;
};

/* A cipher with message key and nonce that has taken in the associated data. */
static void cipher_start(struct chacha_poly1305_ctx *ctx, const uint8_t purpose_key[SEAL_KEY_LEN],
                         const uint8_t *random, struct arena *a, const struct seal_binding *b) {
    static const uint8_t nonce[CHACHA_POLY1305_NONCE_SIZE];
    uint8_t message_key[SHA256_LEN];
    size_t purpose_len = strlen(b->purpose);
    size_t associated_len = b->associated ? strlen(b->associated) : 0;
    uint8_t *ad = arena_alloc(a, purpose_len + 1 + associated_len);

    hmac_sha256(purpose_key, SEAL_KEY_LEN, random, RANDOM_LEN, message_key);
    chacha_poly1305_set_key(ctx, message_key);
    chacha_poly1305_set_nonce(ctx, nonce);
    explicit_bzero(message_key, sizeof message_key);

    memcpy(ad, b->purpose, purpose_len);
    if (associated_len)
        memcpy(ad + purpose_len + 1, b->associated, associated_len);
    chacha_poly1305_update(ctx, purpose_len + 1 + associated_len, ad);
}

char *seal(struct arena *a, const struct seal_binding *b, const void *data, size_t len) {
    struct chacha_poly1305_ctx ctx;
    uint8_t key[SEAL_KEY_LEN], *out;

    if (len > SEAL_DATA_MAX)
        abort(); /* whatever we seal has a limit of its own below this */
    out = arena_alloc(a, len + OVERHEAD);
    if (!b->keys)
        seal_purpose_key(b->key, b->purpose, key);
    else if (!seal_keys_get(b->keys, 0, b->purpose, key))
        abort(); /* a purpose that app.c does not list for this service */
    out[0] = SEAL_VERSION;
    memcpy(out + 1, b->keys ? b->keys->keys[0].id : no_key_id, SEAL_KEY_ID_LEN);
    random_bytes(out + RANDOM_AT, RANDOM_LEN);
    cipher_start(&ctx, key, out + RANDOM_AT, a, b);
    explicit_bzero(key, sizeof key);
    if (len)
        chacha_poly1305_encrypt(&ctx, len, out + TEXT_AT, data);
    NETTLE_DIGEST(chacha_poly1305_digest, &ctx, TAG_LEN, out + TEXT_AT + len);
    explicit_bzero(&ctx, sizeof ctx);
    return base64url_encode(a, out, len + OVERHEAD);
}

/* Of the right version and a possible length. */
static bool decode(struct arena *a, const char *text, struct sealed *out) {
    size_t text_len = text ? strnlen(text, SEALED_TEXT_MAX + 1) : 0;

    if (text_len == 0 || text_len > SEALED_TEXT_MAX)
        return false;
    out->bytes = base64url_decode(a, text, text_len, &out->len);
    return out->bytes && out->len >= OVERHEAD && out->bytes[0] == SEAL_VERSION;
}

/* False if the tag is not that of this key. Wipes the key. */
static bool open_with(struct arena *a, uint8_t purpose_key[SEAL_KEY_LEN],
                      const struct seal_binding *b, const struct sealed *s, struct plaintext *out) {
    struct chacha_poly1305_ctx ctx;
    uint8_t tag[TAG_LEN];
    size_t len = s->len - OVERHEAD;
    char *data = arena_alloc(a, len + 1);
    bool ok;

    cipher_start(&ctx, purpose_key, s->bytes + RANDOM_AT, a, b);
    explicit_bzero(purpose_key, SEAL_KEY_LEN);
    if (len)
        chacha_poly1305_decrypt(&ctx, len, (uint8_t *)data, s->bytes + TEXT_AT);
    NETTLE_DIGEST(chacha_poly1305_digest, &ctx, TAG_LEN, tag);
    explicit_bzero(&ctx, sizeof ctx);
    ok = equal_in_constant_time(tag, s->bytes + TEXT_AT + len, TAG_LEN);
    explicit_bzero(tag, sizeof tag); /* the right tag of a forged text */
    if (ok)
        *out = (struct plaintext){data, len};
    else
        explicit_bzero(data, len); /* nobody may see what was not authenticated */
    return ok;
}

static bool open_with_file(struct arena *a, const struct seal_binding *b, const struct sealed *s,
                           struct plaintext *out) {
    uint8_t key[SEAL_KEY_LEN];

    for (size_t i = 0; i < b->keys->count; i++)
        if (!memcmp(b->keys->keys[i].id, s->bytes + 1, SEAL_KEY_ID_LEN) &&
            seal_keys_get(b->keys, i, b->purpose, key) && open_with(a, key, b, s, out))
            return true;
    return false;
}

static bool open_with_key(struct arena *a, const struct seal_binding *b, const struct sealed *s,
                          struct plaintext *out) {
    uint8_t key[SEAL_KEY_LEN];

    if (memcmp(no_key_id, s->bytes + 1, SEAL_KEY_ID_LEN) != 0)
        return false;
    seal_purpose_key(b->key, b->purpose, key);
    return open_with(a, key, b, s, out);
}

enum rc seal_open(struct arena *a, const struct seal_binding *b, const char *text,
                  struct plaintext *out, struct err *e) {
    struct sealed s;

    if (decode(a, text, &s) &&
        (b->keys ? open_with_file(a, b, &s, out) : open_with_key(a, b, &s, out)))
        return OK;
    /* One refusal for all, so that nobody who tries texts learns from the difference. */
    return err_set(e, ERR_REFUSED, "not sealed by this server");
}

char *seal_json(struct arena *a, const struct seal_binding *b, const struct json *o) {
    size_t len;
    const char *text = json_text(a, o, &len);

    return seal(a, b, text, len);
}

enum rc seal_open_json(struct arena *a, const struct seal_binding *b, const char *text,
                       struct json **out, struct err *e) {
    struct plaintext plain;

    if (seal_open(a, b, text, &plain, e))
        return e->code;
    return json_parse(a, plain.data, plain.len, out, e) ? e->code = ERR_REFUSED : OK;
}

/* By nettle. What passed through a hash state may have been a key or a token, so each state is
 * wiped. */
#include "crypto/digest.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

#include "base/encode.h"
#include "crypto/nettle_digest.h"

void sha256(const void *data, size_t len, uint8_t out[SHA256_LEN]) {
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    if (len)
        sha256_update(&ctx, len, data);
    NETTLE_DIGEST(sha256_digest, &ctx, SHA256_LEN, out);
    explicit_bzero(&ctx, sizeof ctx);
}

const char *sha256_base64url(struct arena *a, const char *text, size_t bytes) {
    uint8_t digest[SHA256_LEN];

    sha256(text, strlen(text), digest);
    return base64url_encode(a, digest, bytes);
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t out[SHA256_LEN]) {
    struct hmac_sha256_ctx ctx;

    hmac_sha256_set_key(&ctx, key_len, key_len ? key : (const uint8_t *)"");
    if (len)
        hmac_sha256_update(&ctx, len, data);
    NETTLE_DIGEST(hmac_sha256_digest, &ctx, SHA256_LEN, out);
    explicit_bzero(&ctx, sizeof ctx);
}

/* RFC 5869 §2.3, T(i) = HMAC(PRK, T(i-1) | info | i). Written out, because nettle's own hkdf_expand
 * takes functions by pointers of another type, which only a cast of function pointers can feed. */
static void hkdf_expand_block(const uint8_t prk[SHA256_LEN], const uint8_t *before,
                              const char *info, uint8_t number, uint8_t out[SHA256_LEN]) {
    struct hmac_sha256_ctx ctx;

    hmac_sha256_set_key(&ctx, SHA256_LEN, prk);
    if (before)
        hmac_sha256_update(&ctx, SHA256_LEN, before);
    hmac_sha256_update(&ctx, strlen(info), (const uint8_t *)info);
    hmac_sha256_update(&ctx, 1, &number);
    NETTLE_DIGEST(hmac_sha256_digest, &ctx, SHA256_LEN, out);
    explicit_bzero(&ctx, sizeof ctx);
}

void hkdf_sha256(const void *secret, size_t secret_len, const char *info, uint8_t *out,
                 size_t out_len) {
    static const uint8_t no_salt[SHA256_LEN]; /* RFC 5869 §2.2 */
    uint8_t prk[SHA256_LEN], block[SHA256_LEN], before[SHA256_LEN];

    if (out_len > (size_t)255 * SHA256_LEN)
        abort(); /* RFC 5869 §2.3: the limit; every caller asks for a constant length */
    hmac_sha256(no_salt, sizeof no_salt, secret, secret_len, prk);
    for (uint8_t number = 1; out_len > 0; number++) {
        size_t part = out_len < SHA256_LEN ? out_len : SHA256_LEN;
        hkdf_expand_block(prk, number > 1 ? before : NULL, info, number, block);
        memcpy(out, block, part);
        memcpy(before, block, sizeof before);
        out += part;
        out_len -= part;
    }
    explicit_bzero(prk, sizeof prk);
    explicit_bzero(block, sizeof block);
    explicit_bzero(before, sizeof before);
}

bool equal_in_constant_time(const void *a, const void *b, size_t len) {
    return len == 0 || memeql_sec(a, b, len);
}

bool text_equal_in_constant_time(const char *a, const char *b) {
    if (!a || !b)
        return false;
    size_t len = strlen(a);
    return len == strlen(b) && equal_in_constant_time(a, b, len);
}

/* By nettle. What passed through a hash state may have been a key or a token, so each state is
 * wiped. */
#include "crypto/digest.h"

#include <nettle/hkdf.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/nettle-meta.h>
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

void hkdf_sha256(const void *secret, size_t secret_len, const char *info, uint8_t *out,
                 size_t out_len) {
    struct hmac_sha256_ctx ctx;
    uint8_t prk[SHA256_LEN];

    hmac_sha256(NULL, 0, secret, secret_len, prk); /* HMAC fills the key with the zeros of §2.2 */
    hmac_sha256_set_key(&ctx, sizeof prk, prk);
    hkdf_expand(&ctx, nettle_hmac_sha256.update, nettle_hmac_sha256.digest, SHA256_LEN,
                strlen(info), (const uint8_t *)info, out_len, out);
    explicit_bzero(&ctx, sizeof ctx);
    explicit_bzero(prk, sizeof prk);
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

/* Each byte comes from the kernel: arc4random_buf(3) of glibc keeps no state in the process, which
 * every worker that is forked later would share. */
char *random_text(struct arena *a, size_t bytes) {
    uint8_t *raw = arena_alloc(a, bytes);

    arc4random_buf(raw, bytes);
    return base64url_encode(a, raw, bytes);
}

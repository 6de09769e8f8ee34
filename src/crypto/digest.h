/* SHA-256, HMAC, HKDF, comparison in constant time, and random texts. */
#pragma once

#include "base/base.h"

#define SHA256_LEN 32
void sha256(const void *data, size_t len, uint8_t out[SHA256_LEN]);
/* The first `bytes` of the hash of a string, as base64url. */
const char *sha256_base64url(struct arena *a, const char *text, size_t bytes);
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t out[SHA256_LEN]);
/* RFC 5869 with an empty salt; out_len is at most 255 * 32. */
void hkdf_sha256(const void *secret, size_t secret_len, const char *info, uint8_t *out,
                 size_t out_len);
/* Takes a time that depends on len alone. */
bool equal_in_constant_time(const void *a, const void *b, size_t len);
/* The same of two strings. Strings of different lengths are unequal, and NULL equals nothing. */
bool text_equal_in_constant_time(const char *a, const char *b);
/* `bytes` random bytes as base64url, in the arena. */
char *random_text(struct arena *a, size_t bytes);

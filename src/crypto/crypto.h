/* The crypto room's table of contents. Everything with a key in it is here; nettle, GnuTLS and
 * libjwt are included nowhere else. */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* digest.c (nettle) */
#define SHA256_LEN 32
void sha256(const void *data, size_t len, uint8_t out[SHA256_LEN]);
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t out[SHA256_LEN]);
/* RFC 5869 with an empty salt; out_len at most 255 * 32. */
void hkdf_sha256(const void *secret, size_t secret_len, const char *info, uint8_t *out,
                 size_t out_len);
/* Compares in a time that depends only on len. */
bool equal_in_constant_time(const void *a, const void *b, size_t len);
/* The same of two strings; unequal lengths are unequal. NULL equals nothing. */
bool text_equal_in_constant_time(const char *a, const char *b);

/* random.c (getrandom): never fails, waits at boot until the kernel is ready. */
void random_bytes(void *out, size_t len);
/* `bytes` random bytes as base64url, in the arena. */
char *random_text(struct arena *a, size_t bytes);

/* seal.c (nettle): authenticated encryption of what leaves us and comes back, or lies in a table.
 * A sealed text is base64url of version, key id, random nonce, ciphertext and tag. A purpose
 * ("consent", "refresh", …) and the associated text are bound in: one cannot pass for another. */
#define SEAL_KEY_LEN 32
#define SEAL_KEYS_MAX 8      /* in a key file; the first seals, all open */
#define SEAL_DATA_MAX 262144 /* bytes to seal; more ends the process, as no memory does */
struct seal_keys;
/* Reads a key file: a line per key, base64url of 32 bytes, # comments. If it does not exist and
 * `create` is set, makes it with one new key and mode 0600, so that two processes that start at
 * once end with the same file. Free with seal_keys_free, which wipes. */
enum rc seal_keys_load(const char *path, bool create, struct seal_keys **out,
                       struct err *e) MUST_USE;
void seal_keys_free(struct seal_keys *k);
/* Leaves the keys of these purposes, derived from the file's, and wipes the file's: a process that
 * gives its memory away gives no others. What was sealed before still opens. `purposes` ends with
 * NULL, has at most SEAL_PURPOSES_MAX, and is borrowed. Sealing for another one ends the process;
 * such a text does not open. */
#define SEAL_PURPOSES_MAX 16
void seal_keys_keep(struct seal_keys *k, const char *const *purposes);
char *seal(struct arena *a, const struct seal_keys *k, const char *purpose, const char *associated,
           const void *data, size_t len);
/* ERR_REFUSED (text: "not sealed by this server") for anything that was not sealed here for
 * this purpose and associated text. *data has a NUL after its len bytes. */
enum rc seal_open(struct arena *a, const struct seal_keys *k, const char *purpose,
                  const char *associated, const char *text, char **data, size_t *len,
                  struct err *e) MUST_USE;
/* The same with one key given by value (not in a file), such as one that only our code carries. */
char *seal_with(struct arena *a, const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                const char *associated, const void *data, size_t len);
enum rc seal_open_with(struct arena *a, const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                       const char *associated, const char *text, char **data, size_t *len,
                       struct err *e) MUST_USE;

/* jwk.c (GnuTLS): a JSON Web Key Set (RFC 7517), of which RSA signing keys are kept. */
#define JWK_SET_BYTES_MAX 65536
#define JWK_KEYS_MAX 16
#define JWK_KID_MAX 128
struct jwk; /* one RSA public key of 2048 to 8192 bits */
struct jwk_set;
/* Keys that are not RSA, not for signing, or malformed are left out; a set without any usable key
 * is an error. The set has memory of its own: free with jwk_set_free. */
enum rc jwk_set_parse(const char *text, size_t len, struct jwk_set **out, struct err *e) MUST_USE;
void jwk_set_free(struct jwk_set *s);
/* Borrowed from the set; NULL if there is none of that id. */
const struct jwk *jwk_set_find(const struct jwk_set *s, const char *kid);
/* Does a key of a published set give its private part away, or is it one that both sides must keep
 * to themselves? */
bool jwk_set_has_private(const struct json *jwks);

/* jws.c (GnuTLS): what a client signed to prove who it is (RFC 7523). */
#define JWS_LEN_MAX 8192
struct jws {
    const char *kid; /* NULL if it names none */
    bool is_ecdsa;   /* ES256, otherwise RS256 */
    struct json *claims;
    const char *signed_text;
    size_t signed_len;
    uint8_t *signature;
    size_t signature_len;
};
/* Reads without verifying. ERR_REFUSED for what is not a JWT with one of those algorithms.
 */
enum rc jws_read(struct arena *a, const char *text, struct jws *out, struct err *e) MUST_USE;
/* With a key of a JSON Web Key Set. ERR_MISSING if it has none of that id and kind,
 * ERR_REFUSED if the signature is wrong. */
enum rc jws_verify(struct arena *a, const struct jws *jws, const struct json *jwks,
                   struct err *e) MUST_USE;

/* certificate.c (GnuTLS): would a client take the certificates that a server shows? */
#define CERTIFICATES_MOST 16 /* in one chain */
enum certificate_fault {
    CERTIFICATE_UNTRUSTED = 1 << 0, /* no authority that is trusted here signed it, or not all of
                                       the certificates between them were shown */
    CERTIFICATE_OTHER_NAME = 1 << 1,
    CERTIFICATE_EXPIRED = 1 << 2,
    CERTIFICATE_NOT_YET = 1 << 3,
    CERTIFICATE_UNFIT = 1 << 4, /* revoked, weak, or not for a server */
};
struct certificate {
    unsigned faults;   /* enum certificate_fault; 0: it is good */
    int64_t until_s;   /* when the server's own ends, in seconds since 1970 */
    const char *names; /* DNS names that it is for, space separated */
};
/* pem: the server's own first. ca_file: authorities that are trusted besides the system's, or "".
 * ERR_INVALID_REQUEST if it is no chain of certificates. */
enum rc certificate_check(struct arena *a, const char *pem, size_t len, const char *host,
                          const char *ca_file, struct certificate *out, struct err *e) MUST_USE;

/* token.c (libjwt, pinned to RS256 and distrusted): access tokens, as Cognito makes them or as
 * RFC 9068 has them. */
#define TOKEN_LEN_MAX 32768
#define TOKEN_LEEWAY_S 30 /* tolerated difference between Cognito's clock and ours */
struct token_claims {
    const char *sub, *username, *client_id, *scope, *jti; /* "" if absent, but sub is required */
    int64_t exp, iat;                                     /* seconds since 1970 */
};
struct token_expect {
    const char *issuer, *client_id; /* must be equal, byte for byte */
    const char *resource;           /* if the token has an `aud`, it must be this or client_id */
    int64_t now_s;
};
/* Reads the header only: *kid is set if alg is RS256 and a key id is there, and nothing in the
 * header asks for what we do not do. ERR_INVALID_TOKEN otherwise. */
enum rc token_kid(struct arena *a, const char *token, const char **kid, struct err *e) MUST_USE;
/* Checks the signature and every claim: iss, client_id, token_use = access (or typ = at+jwt), exp,
 * nbf, iat.
 * ERR_INVALID_TOKEN with the reason; e->text may go to the client. */
enum rc token_verify(struct arena *a, const char *token, const struct jwk *key,
                     const struct token_expect *expect, struct token_claims *out,
                     struct err *e) MUST_USE;
/* A claim of a token that came straight from Cognito over TLS, without checking it; NULL if it is
 * not there or not a string. Never for a token that a client sent. */
const char *token_unverified_claim(struct arena *a, const char *token, const char *name);

/* token_cache.c: tokens that were verified by this worker, by the SHA-256 of the token. Bounded;
 * an entry is never used past its exp. */
struct token_cache;
struct token_cache *token_cache_new(unsigned entries);
void token_cache_free(struct token_cache *c);
/* Borrowed until the next put; NULL if unknown or expired. */
const struct token_claims *token_cache_get(struct token_cache *c, const char *token, int64_t now_s);
void token_cache_put(struct token_cache *c, const char *token, const struct token_claims *claims);

#endif

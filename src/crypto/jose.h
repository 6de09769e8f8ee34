/* JSON Web Keys (RFC 7517) that verify signatures, and JSON Web Signatures in compact form (RFC
 * 7515): access tokens of the identity provider, and what clients sign to prove who they are. Only
 * RS256 and ES256 are known, so that no algorithm is left for which a public key could serve as a
 * secret. */
#pragma once

#include "base/json.h"
#include "base/text.h"

/* ---- keys ---- */

#define JWK_SET_BYTES_MAX 65536
#define JWK_KEYS_MAX 16
#define JWK_KID_MAX 128 /* bytes of a key id */

struct gnutls_pubkey_st;
struct jwk {
    const char *kid; /* NULL if it has none, or one that is longer than JWK_KID_MAX */
    struct gnutls_pubkey_st *imported;
    uint64_t print; /* tells its public key from others: a part of its SHA-256 */
    bool is_ec;     /* on P-256, for ES256; otherwise RSA of 2048 to 8192 bits, for RS256 */
};

/* The RSA signing keys of an identity provider. Keys that cannot be used are left out: a provider
 * may publish keys of other kinds beside them (RFC 7517 §5). ERR_UPSTREAM, with e->detail, if none
 * is left. The set has memory of its own: free with jwk_set_free. */
struct jwk_set;
enum rc jwk_set_parse(const char *text, size_t len, struct jwk_set **out, struct err *e) MUST_USE;
void jwk_set_free(struct jwk_set *s); /* NULL is accepted */
/* Borrowed from the set; NULL if there is none of that id. */
const struct jwk *jwk_set_find(const struct jwk_set *s, const char *kid);

/* Has the set a key of this print, whatever its id? */
bool jwk_set_has(const struct jwk_set *s, uint64_t print);

/* Has a set of public keys a private or a symmetric one? */
bool jwk_set_has_private(const struct json *jwks);

/* ---- signatures ---- */

/* What kind of text is read. */
struct jws_kind {
    const char *name; /* in error texts, such as "the token" */
    size_t len_max;   /* bytes */
    bool takes_es256; /* besides RS256 */
    bool needs_kid;
};
struct jws {
    const struct jws_kind *kind;
    const struct json *header;
    const char *kid;  /* NULL if it names none */
    bool is_ecdsa;    /* ES256, otherwise RS256 */
    const char *text; /* signed up to signed_len */
    size_t signed_len;
    struct text payload; /* base64url */
    const uint8_t *signature;
    size_t signature_len;
};

/* Splits and checks the header, and verifies nothing. `text` is borrowed. ERR_REFUSED if
 * these are not three parts in base64url, or the header asks for what we do not do. */
enum rc jws_read(struct arena *a, const struct jws_kind *kind, const char *text, struct jws *out,
                 struct err *e) MUST_USE;
/* The payload; NULL if it is not a JSON object. *text: as it was signed, in the arena; text may be
 * NULL. */
const struct json *jws_claims(struct arena *a, const struct jws *jws, const char **text);
/* Is the signature that of this key? */
bool jws_verifies(const struct jws *jws, const struct jwk *key);
/* Is it that of one of these keys (of at most JWK_KEYS_MAX that could have made it)? ERR_MISSING if
 * none of them is of the right kind and id; ERR_REFUSED if the signature is wrong. */
enum rc jws_verify(struct arena *a, const struct jws *jws, const struct json *jwks,
                   struct err *e) MUST_USE;

/* The payload of a text that came straight from the identity provider over TLS: neither header nor
 * signature is looked at. NULL if it is not a JSON object. Never for a text that a client sent. */
const struct json *jws_unverified_claims(struct arena *a, const char *text);

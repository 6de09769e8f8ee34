/* JSON Web Signatures in compact form (RFC 7515): access tokens of the identity provider, and what
 * clients sign to prove who they are. Only RS256 and ES256 are known, so that no algorithm is left
 * for which a public key could serve as a secret. */
#pragma once

#include "base/base.h"
#include "base/json.h"
#include "crypto/jwk.h"

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
    const char *kid; /* NULL if it names none */
    bool is_ecdsa;   /* ES256, otherwise RS256 */
    const char *text, *payload;
    size_t signed_len,
        payload_len; /* `text` is signed up to signed_len; the payload is base64url */
    const uint8_t *signature;
    size_t signature_len;
};

/* Splits and checks the header, and verifies nothing. `text` is borrowed. ERR_REFUSED if
 * these are not three parts in base64url, or the header asks for what we do not do. */
enum rc jws_read(struct arena *a, const struct jws_kind *kind, const char *text, struct jws *out,
                 struct err *e) MUST_USE;
/* The payload; NULL if it is not a JSON object. */
const struct json *jws_claims(struct arena *a, const struct jws *jws);
/* Is the signature that of this key? */
bool jws_verifies(const struct jws *jws, const struct jwk *key);
/* Is it that of one of these keys (of at most JWK_KEYS_MAX that could have made it)? ERR_MISSING if
 * none of them is of the right kind and id; ERR_REFUSED if the signature is wrong. */
enum rc jws_verify(struct arena *a, const struct jws *jws, const struct json *jwks,
                   struct err *e) MUST_USE;

/* The payload of a text that came straight from the identity provider over TLS: neither header nor
 * signature is looked at. NULL if it is not a JSON object. Never for a text that a client sent. */
const struct json *jws_unverified_claims(struct arena *a, const char *text);

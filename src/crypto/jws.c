/* The one file that knows libjwt, which is asked one thing: does this RS256 signature verify. As
 * Debian 12 has it (1.10.2), it takes the algorithm from the header, so that a text signed with
 * HMAC under our public key would pass; it accepts "none" when it has no key, ignores exp, decodes
 * base64 leniently, and refuses every typ but JWT. So the header is checked before libjwt sees the
 * text, a key is always given, claims are read by our own parser, and GnuTLS verifies what libjwt
 * cannot: other types, and ES256. tests/unit/test_idp_access_token.c checks each of these. */
#include "crypto/jws.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <jwt.h>
#include <strings.h>

#include "base/encode.h"

#define P256_BYTES 32 /* RFC 7518 §3.4 */

/* ---- reading ---- */

static enum rc refuse(const struct jws *jws, struct err *e, const char *what) {
    return err_set(e, ERR_REFUSED, "%s%s", jws->kind->name, what);
}

struct parts {
    struct part {
        const char *text;
        size_t len;
    } header, payload, signature;
};

/* RFC 7515 §3.1: three parts, none of them empty. */
static bool split(const char *text, size_t len, struct parts *p) {
    const char *first = strchr(text, '.'), *second = first ? strchr(first + 1, '.') : NULL;

    if (!second || strchr(second + 1, '.') || first == text || second == first + 1 || !second[1])
        return false;
    p->header = (struct part){text, (size_t)(first - text)};
    p->payload = (struct part){first + 1, (size_t)(second - first - 1)};
    p->signature = (struct part){second + 1, (size_t)(text + len - second - 1)};
    return true;
}

static const struct json *object_in(struct arena *a, const char *text, size_t text_len) {
    struct err ignored = {0};
    struct json *v;
    size_t len;
    uint8_t *data = base64url_decode(a, text, text_len, &len);

    return data && !json_parse(a, (const char *)data, len, &v, &ignored) && json_is_object(v)
               ? v
               : NULL;
}

static enum rc read_algorithm(struct jws *out, struct err *e) {
    const char *alg = json_get_str(out->header, "alg");

    out->is_ecdsa = alg && !strcmp(alg, "ES256") && out->kind->takes_es256;
    if (out->is_ecdsa || (alg && !strcmp(alg, "RS256")))
        return OK;
    return refuse(out, e,
                  out->kind->takes_es256 ? " is not signed with RS256 or ES256"
                                         : " is not signed with RS256");
}

static enum rc read_header(struct jws *out, struct err *e) {
    const char *kid;

    if (!out->header)
        return refuse(out, e, "'s header is not JSON in base64url");
    if (read_algorithm(out, e))
        return e->code;
    if (json_has(out->header, "crit")) /* RFC 7515 §4.1.11: we understand no extension */
        return refuse(out, e, "'s header has a critical extension");
    kid = json_get_str(out->header, "kid");
    if (!json_has(out->header, "kid") && !out->kind->needs_kid)
        return OK;
    if (!kid || strlen(kid) > JWK_KID_MAX || (!*kid && out->kind->needs_kid))
        return refuse(out, e, " does not name its signing key");
    out->kid = kid;
    return OK;
}

enum rc jws_read(struct arena *a, const struct jws_kind *kind, const char *text, struct jws *out,
                 struct err *e) {
    size_t len;
    struct parts p;

    text = text ? text : "";
    len = strnlen(text, kind->len_max + 1);
    *out = (struct jws){.kind = kind, .text = text};
    if (len > kind->len_max)
        return err_set(e, ERR_REFUSED, "%s is longer than %zu bytes", kind->name, kind->len_max);
    if (!split(text, len, &p))
        return refuse(out, e, " is not a JWT of three parts");
    out->header = object_in(a, p.header.text, p.header.len);
    if (read_header(out, e))
        return e->code;
    out->payload = p.payload.text;
    out->payload_len = p.payload.len;
    out->signed_len = p.header.len + 1 + p.payload.len;
    /* Strictly as RFC 7515 §2 has it: otherwise one token could be written in several ways. */
    out->signature = base64url_decode(a, p.signature.text, p.signature.len, &out->signature_len);
    return out->signature ? OK : refuse(out, e, "'s signature is not base64url");
}

const struct json *jws_claims(struct arena *a, const struct jws *jws) {
    return object_in(a, jws->payload, jws->payload_len);
}

const struct json *jws_unverified_claims(struct arena *a, const char *text) {
    struct parts p;

    return split(text, strlen(text), &p) ? object_in(a, p.payload.text, p.payload.len) : NULL;
}

/* ---- verifying ---- */

static bool is_libjwts(const struct jws *jws) {
    const char *typ = json_get_str(jws->header, "typ");

    return !jws->is_ecdsa && (!json_has(jws->header, "typ") || (typ && !strcasecmp(typ, "JWT")));
}

static bool libjwt_verifies(const struct jws *jws, const struct jwk *key) {
    jwt_t *jwt = NULL;
    bool ok =
        !jwt_decode(&jwt, jws->text, (const unsigned char *)key->pem, (int)key->pem_len) && jwt;

    ok = ok && jwt_get_alg(jwt) == JWT_ALG_RS256; /* the algorithm that it used */
    jwt_free(jwt);
    return ok;
}

static gnutls_datum_t datum(const void *data, size_t len) {
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)data, (unsigned)len};
}

static bool gnutls_verifies(const struct jws *jws, gnutls_pubkey_t key) {
    const gnutls_datum_t text = datum(jws->text, jws->signed_len);
    gnutls_datum_t signature = datum(jws->signature, jws->signature_len), der = {NULL, 0};
    bool ok;

    if (!jws->is_ecdsa)
        return gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_RSA_SHA256, 0, &text, &signature) >= 0;
    if (jws->signature_len != 2 * P256_BYTES)
        return false;
    const gnutls_datum_t r = datum(jws->signature, P256_BYTES),
                         s = datum(jws->signature + P256_BYTES, P256_BYTES);
    ok = !gnutls_encode_rs_value(&der, &r, &s) &&
         gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_ECDSA_SHA256, 0, &text, &der) >= 0;
    gnutls_free(der.data);
    return ok;
}

bool jws_verifies(const struct jws *jws, const struct jwk *key) {
    const gnutls_datum_t pem = datum(key->pem, key->pem_len);
    gnutls_pubkey_t pub;
    bool ok;

    if (jws->is_ecdsa != key->is_ec)
        return false;
    if (is_libjwts(jws))
        return libjwt_verifies(jws, key);
    if (gnutls_pubkey_init(&pub) != GNUTLS_E_SUCCESS)
        return false;
    ok = !gnutls_pubkey_import(pub, &pem, GNUTLS_X509_FMT_PEM) && gnutls_verifies(jws, pub);
    gnutls_pubkey_deinit(pub);
    return ok;
}

enum rc jws_verify(struct arena *a, const struct jws *jws, const struct json *jwks, struct err *e) {
    const struct json *keys = json_get(jwks, "keys");
    size_t tried = 0;

    for (size_t i = 0; i < json_len(keys) && tried < JWK_KEYS_MAX; i++) {
        struct jwk key;

        if (!jwk_is_for(json_at(keys, i), jws->is_ecdsa, jws->kid))
            continue;
        tried++;
        if (jwk_read(a, json_at(keys, i), &key) && jws_verifies(jws, &key))
            return OK;
    }
    if (!tried)
        return err_set(e, ERR_MISSING, "no key for %s", jws->kind->name);
    return err_set(e, ERR_REFUSED, "the signature of %s does not verify", jws->kind->name);
}

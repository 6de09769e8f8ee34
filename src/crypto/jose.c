/* The one file that knows libjwt, which is asked one thing: does this RS256 signature of a client
 * verify. As Debian 12 has it (1.10.2), it takes the algorithm from the header, so that a text
 * signed with HMAC under our public key would pass; it accepts "none" when it has no key, ignores
 * exp, decodes base64 leniently, and refuses every typ but JWT. So the header is checked before
 * libjwt sees the text, a key is always given, claims are read by our own parser, and GnuTLS
 * verifies what libjwt cannot: other types, and ES256. tests/unit/test_idp_access_token.c checks
 * each of these. GnuTLS also verifies access tokens: libjwt would import the key anew for each,
 * which takes as long as verifying. */
#include "crypto/jose.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <jwt.h>

#include "base/encode.h"
#include "crypto/digest.h"

#define RSA_BITS_MIN 2048 /* RFC 7518 §3.3 */
#define RSA_BITS_MAX 8192 /* verifying with a longer key takes too long */
#define RSA_EXPONENT_BYTES_MAX 4
#define P256_BYTES 32 /* RFC 7518 §3.4, §6.2.1.2 */
#define SET_ARENA_MAX ((size_t)64 * 1024)
#define PEM_MAX 4096 /* bytes of a key of RSA_BITS_MAX */

struct jwk_set {
    struct arena *arena;
    size_t count;
    struct jwk keys[JWK_KEYS_MAX];
};

/* ---- keys: imported by GnuTLS ---- */

/* A string of bytes in base64url. */
static bool get_bytes(struct arena *a, const struct json *key, const char *name,
                      gnutls_datum_t *out) {
    const char *text = json_get_str(key, name);
    size_t len = 0;

    out->data = text ? base64url_decode(a, text, strlen(text), &len) : NULL;
    out->size = (unsigned)len;
    return out->data && len;
}

/* An unsigned number in big-endian order. RFC 7518 §6.3.1.1 forbids leading zeros, and names
 * libraries that write one nevertheless. */
static bool get_number(struct arena *a, const struct json *key, const char *name,
                       gnutls_datum_t *out) {
    if (!get_bytes(a, key, name, out))
        return false;
    while (out->size && !*out->data) {
        out->data++;
        out->size--;
    }
    return out->size;
}

static bool is_odd(const gnutls_datum_t *n) {
    return n->data[n->size - 1] & 1;
}

static size_t bits_of(const gnutls_datum_t *n) {
    return ((size_t)n->size - 1) * 8 + (size_t)(32 - __builtin_clz(*n->data));
}

static bool member_is_or_absent(const struct json *key, const char *name, const char *value) {
    return !json_get(key, name) || json_get_is(key, name, value);
}

/* RFC 7518 §6.2.2, §6.3.2, §6.4: what only its owner may know. */
static bool is_private(const struct json *key) {
    static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (json_get(key, members[i]))
            return true;
    return false;
}

bool jwk_set_has_private(const struct json *jwks) {
    const struct json *keys = json_get(jwks, "keys");

    for (size_t i = 0; i < json_len(keys); i++)
        if (is_private(json_at(keys, i)))
            return true;
    return false;
}

/* RFC 7517 §4.2, §4.3. With a private key that is published anybody can sign. */
static bool may_verify(const struct json *key) {
    const struct json *ops = json_get(key, "key_ops");

    return !is_private(key) && member_is_or_absent(key, "use", "sig") &&
           (!ops || json_has_str(ops, "verify"));
}

/* The exponent is odd and above 1 (RFC 8017 §3.1). With 1 a signature would be the text that is
 * signed, and anybody could write it. */
static bool import_rsa(struct arena *a, const struct json *key, gnutls_pubkey_t into) {
    gnutls_datum_t n, e;

    return get_number(a, key, "n", &n) && get_number(a, key, "e", &e) &&
           bits_of(&n) >= RSA_BITS_MIN && bits_of(&n) <= RSA_BITS_MAX && is_odd(&n) &&
           e.size <= RSA_EXPONENT_BYTES_MAX && is_odd(&e) && bits_of(&e) > 1 &&
           !gnutls_pubkey_import_rsa_raw(into, &n, &e);
}

static bool import_ec(struct arena *a, const struct json *key, gnutls_pubkey_t into) {
    gnutls_datum_t x, y;

    return json_get_is(key, "crv", "P-256") && get_bytes(a, key, "x", &x) &&
           get_bytes(a, key, "y", &y) && x.size == P256_BYTES && y.size == P256_BYTES &&
           !gnutls_pubkey_import_ecc_raw(into, GNUTLS_ECC_CURVE_SECP256R1, &x, &y);
}

/* NULL if GnuTLS does not take the key. */
static gnutls_pubkey_t import_key(struct arena *a, const struct json *key, bool ec) {
    gnutls_pubkey_t pub;

    if (gnutls_pubkey_init(&pub) != GNUTLS_E_SUCCESS)
        return NULL;
    if (ec ? import_ec(a, key, pub) : import_rsa(a, key, pub))
        return pub;
    gnutls_pubkey_deinit(pub);
    return NULL;
}

/* Is it published as a public key that verifies ES256 (or else RS256)? kid: its id; NULL: any. */
static bool jwk_is_for(const struct json *key, bool ec, const char *kid) {
    return json_get_is(key, "kty", ec ? "EC" : "RSA") && may_verify(key) &&
           member_is_or_absent(key, "alg", ec ? "ES256" : "RS256") &&
           (!kid || json_get_is(key, "kid", kid));
}

static void jwk_free(struct jwk *key) {
    if (key->imported)
        gnutls_pubkey_deinit(key->imported);
    key->imported = NULL;
}

/* False for a key that is not for ES256 or RS256, or is malformed. out->kid lives in the arena; to
 * be freed. */
static bool jwk_read(struct arena *a, const struct json *key, struct jwk *out) {
    const char *kid = json_get_str(key, "kid");
    uint8_t id[SHA256_LEN];
    size_t id_len = sizeof id;

    *out = (struct jwk){.kid = kid && strlen(kid) <= JWK_KID_MAX ? kid : NULL,
                        .is_ec = json_get_is(key, "kty", "EC")};
    if (!jwk_is_for(key, out->is_ec, NULL) || !(out->imported = import_key(a, key, out->is_ec)))
        return false;
    if (gnutls_pubkey_get_key_id(out->imported, GNUTLS_KEYID_USE_SHA256, id, &id_len)) {
        jwk_free(out);
        return false;
    }
    memcpy(&out->print, id, sizeof out->print);
    return true;
}

static enum rc unusable_set(struct err *e, const char *why) {
    err_set(e, ERR_UPSTREAM, "the identity provider's key set cannot be used");
    return err_detail(e, "key set: %s", why);
}

/* Adds the key if it can be used; of two with one id the first counts. False if the set is full. */
static bool add_if_usable(struct jwk_set *s, struct arena *scratch, const struct json *key) {
    struct jwk read;
    bool usable = jwk_read(scratch, key, &read) && !read.is_ec && read.kid && *read.kid &&
                  !jwk_set_find(s, read.kid);

    if (!usable || s->count == JWK_KEYS_MAX) {
        jwk_free(&read);
        return !usable;
    }
    read.kid = arena_strdup(s->arena, read.kid);
    s->keys[s->count++] = read;
    return true;
}

static enum rc add_keys(struct jwk_set *s, struct arena *scratch, const char *text, size_t len,
                        struct err *e) {
    struct err parse = {0};
    struct json *root;

    if (json_parse(scratch, text, len, &root, &parse))
        return unusable_set(e, parse.text);
    const struct json *keys = json_get(root, "keys");
    if (!json_is_array(keys))
        return unusable_set(e, "it has no array \"keys\"");
    for (size_t i = 0; i < json_len(keys); i++)
        if (!add_if_usable(s, scratch, json_at(keys, i)))
            return unusable_set(e, "it has too many keys");
    return s->count ? OK : unusable_set(e, "it has no RSA key for RS256 signatures");
}

enum rc jwk_set_parse(const char *text, size_t len, struct jwk_set **out, struct err *e) {
    struct arena *own, *scratch;
    struct jwk_set *s;
    enum rc rc;

    if (len > JWK_SET_BYTES_MAX)
        return unusable_set(e, "it is too long");
    own = arena_new(SET_ARENA_MAX);
    s = arena_alloc(own, sizeof *s);
    s->arena = own;
    scratch = arena_new(64 * (size_t)JWK_SET_BYTES_MAX);
    rc = add_keys(s, scratch, text, len, e);
    arena_free(scratch);
    if (rc)
        jwk_set_free(s);
    else
        *out = s;
    return rc;
}

void jwk_set_free(struct jwk_set *s) {
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        jwk_free(&s->keys[i]);
    arena_free(s->arena);
}

const struct jwk *jwk_set_find(const struct jwk_set *s, const char *kid) {
    for (size_t i = 0; s && kid && i < s->count; i++)
        if (!strcmp(s->keys[i].kid, kid))
            return &s->keys[i];
    return NULL;
}

bool jwk_set_has(const struct jwk_set *s, uint64_t print) {
    for (size_t i = 0; s && i < s->count; i++)
        if (s->keys[i].print == print)
            return true;
    return false;
}

/* ---- reading signatures ---- */

static enum rc refuse(const struct jws *jws, struct err *e, const char *what) {
    return err_set(e, ERR_REFUSED, "%s%s", jws->kind->name, what);
}

struct parts {
    struct text header, payload, signature;
};

/* RFC 7515 §3.1: three parts, none of them empty. */
static bool split_jws(const char *text, size_t len, struct parts *p) {
    const char *first = strchr(text, '.'), *second = first ? strchr(first + 1, '.') : NULL;

    if (!second || strchr(second + 1, '.') || first == text || second == first + 1 || !second[1])
        return false;
    p->header = (struct text){text, (size_t)(first - text)};
    p->payload = (struct text){first + 1, (size_t)(second - first - 1)};
    p->signature = (struct text){second + 1, (size_t)(text + len - second - 1)};
    return true;
}

/* *text, unless it is NULL, is set to the object's text. */
static const struct json *decode_object(struct arena *a, struct text part, const char **text) {
    struct json *v;
    size_t len;
    /* With zeros behind it; and there is none in valid JSON. */
    const char *data = (const char *)base64url_decode(a, part.p, part.len, &len);

    if (!data || json_parse(a, data, len, &v, ERR_IGNORED) || !json_is_object(v))
        return NULL;
    if (text)
        *text = data;
    return v;
}

static enum rc read_header(struct jws *out, struct err *e) {
    const char *kid;

    if (!out->header)
        return refuse(out, e, "'s header is not JSON in base64url");
    out->is_ecdsa = out->kind->takes_es256 && json_get_is(out->header, "alg", "ES256");
    if (!out->is_ecdsa && !json_get_is(out->header, "alg", "RS256"))
        return refuse(out, e,
                      out->kind->takes_es256 ? " is not signed with RS256 or ES256"
                                             : " is not signed with RS256");
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
    if (!split_jws(text, len, &p))
        return refuse(out, e, " is not a JWT of three parts");
    out->header = decode_object(a, p.header, NULL);
    if (read_header(out, e))
        return e->code;
    out->payload = p.payload;
    out->signed_len = p.header.len + 1 + p.payload.len;
    /* Strictly as RFC 7515 §2 has it: otherwise one token could be written in several ways. */
    out->signature = base64url_decode(a, p.signature.p, p.signature.len, &out->signature_len);
    return out->signature ? OK : refuse(out, e, "'s signature is not base64url");
}

const struct json *jws_claims(struct arena *a, const struct jws *jws, const char **text) {
    return decode_object(a, jws->payload, text);
}

const struct json *jws_unverified_claims(struct arena *a, const char *text) {
    struct parts p;

    return split_jws(text, strlen(text), &p) ? decode_object(a, p.payload, NULL) : NULL;
}

/* ---- verifying ---- */

static bool libjwt_can_verify(const struct jws *jws) {
    const char *typ = json_get_str(jws->header, "typ");

    return !jws->is_ecdsa && (!json_has(jws->header, "typ") || (typ && !strcasecmp(typ, "JWT")));
}

/* libjwt takes a key as PEM alone (SubjectPublicKeyInfo). */
static bool libjwt_verifies(const struct jws *jws, const struct jwk *key) {
    unsigned char pem[PEM_MAX];
    size_t len = sizeof pem;
    jwt_t *jwt = NULL;
    bool ok = !gnutls_pubkey_export(key->imported, GNUTLS_X509_FMT_PEM, pem, &len) &&
              !jwt_decode(&jwt, jws->text, pem, (int)len) && jwt;

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
    return jws->is_ecdsa == key->is_ec && gnutls_verifies(jws, key->imported);
}

enum rc jws_verify(struct arena *a, const struct jws *jws, const struct json *jwks, struct err *e) {
    const struct json *keys = json_get(jwks, "keys");
    size_t tried = 0;

    for (size_t i = 0; i < json_len(keys) && tried < JWK_KEYS_MAX; i++) {
        struct jwk key;
        bool verifies;

        if (!jwk_is_for(json_at(keys, i), jws->is_ecdsa, jws->kid))
            continue;
        tried++;
        verifies = jwk_read(a, json_at(keys, i), &key) &&
                   (libjwt_can_verify(jws) && !key.is_ec ? libjwt_verifies(jws, &key)
                                                         : jws_verifies(jws, &key));
        jwk_free(&key);
        if (verifies)
            return OK;
    }
    if (!tried)
        return err_set(e, ERR_MISSING, "no key for %s", jws->kind->name);
    return err_set(e, ERR_REFUSED, "the signature of %s does not verify", jws->kind->name);
}

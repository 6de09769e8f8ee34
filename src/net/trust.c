#include "net/trust.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <unistd.h>

#include "base/descriptors.h"

/* Of Debian's package ca-certificates: an authority that an admin has removed is not in it, and one
 * that an admin has added is. */
#define SYSTEM_FILE "/etc/ssl/certs/ca-certificates.crt"
#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define CHAIN_MAX 16        /* certificates that a server shows; more are not looked at */
#define SAME_NAME_MAX 16    /* authorities of one name in one file */
#define AUTHORITY_MAX 65536 /* bytes of PEM of one */
#define NAME_HASH_LEN 32

/* An authority. Of one that has the hash by chance GnuTLS sees that it signed nothing. */
struct trust_place {
    uint64_t name; /* a part of the hash of its subject */
    off_t at;
    size_t len;
};

void trust_open(struct trust *t, const char *file, const char *added) {
    *t = (struct trust){.files[0].path = *file ? file : SYSTEM_FILE, .count = 1};
    if (!*file && *added)
        t->files[t->count++].path = added;
}

static void forget(struct trust_file *f) {
    free(f->places);
    f->places = NULL;
    f->count = 0;
    f->version = (struct file_version){0};
}

void trust_close(struct trust *t) {
    for (size_t i = 0; i < t->count; i++)
        forget(&t->files[i]);
}

/* ---- where in a file which authority is ---- */

/* X.690 §8.1: takes the next value, of which `contents` is what follows tag and length. */
static bool next_value(struct text *in, struct text *contents) {
    const uint8_t *p = (const uint8_t *)in->p;
    size_t head = 2, len;

    if (in->len < head)
        return false;
    len = p[1];
    if (len & 0x80) {
        head += len & 0x7f;
        if (head > 2 + sizeof(uint32_t) || head > in->len)
            return false;
        len = 0;
        for (size_t i = 2; i < head; i++)
            len = len << 8 | p[i];
    }
    if (len > in->len - head)
        return false;
    *contents = (struct text){in->p + head, len};
    *in = (struct text){in->p + head + len, in->len - head - len};
    return true;
}

#define VERSION_TAG 0xa0        /* [0], which a certificate of version 1 has not */
#define FIELDS_BEFORE_SUBJECT 4 /* serialNumber, signature, issuer, validity */

bool trust_subject(struct text certificate, struct text *subject) {
    struct text whole, fields, skipped;

    if (!next_value(&certificate, &whole) || !next_value(&whole, &fields))
        return false;
    if (fields.len && (uint8_t)*fields.p == VERSION_TAG && !next_value(&fields, &skipped))
        return false;
    for (int i = 0; i < FIELDS_BEFORE_SUBJECT; i++)
        if (!next_value(&fields, &skipped))
            return false;
    subject->p = fields.p;
    if (!next_value(&fields, &skipped))
        return false;
    subject->len = (size_t)(fields.p - subject->p);
    return true;
}

static uint64_t hash_of(const void *name, size_t len) {
    uint8_t digest[NAME_HASH_LEN];
    uint64_t out = 0;

    if (!gnutls_hash_fast(GNUTLS_DIG_SHA256, name, len, digest))
        memcpy(&out, digest, sizeof out);
    return out;
}

/* One in PEM. Of what is none, GnuTLS could use nothing either. */
static bool find_name(struct text pem, uint64_t *name) {
    const gnutls_datum_t in = {(unsigned char *)(uintptr_t)pem.p, (unsigned)pem.len};
    gnutls_datum_t der;
    struct text subject;
    bool found;

    if (gnutls_pem_base64_decode2("CERTIFICATE", &in, &der))
        return false;
    found = trust_subject((struct text){(const char *)der.data, der.size}, &subject);
    if (found)
        *name = hash_of(subject.p, subject.len);
    gnutls_free(der.data);
    return found;
}

static void note_places(struct trust_file *f, const char *text) {
    for (const char *begin = text, *end; (begin = strstr(begin, BEGIN)); begin = end) {
        struct trust_place place = {.at = begin - text};

        end = strstr(begin, END);
        if (!end)
            return;
        end += sizeof END - 1;
        place.len = (size_t)(end - begin);
        if (place.len > AUTHORITY_MAX || !find_name((struct text){begin, place.len}, &place.name))
            continue;
        f->places = xrealloc(f->places, (f->count + 1) * sizeof place);
        f->places[f->count++] = place;
        if (f->count == f->most)
            return;
    }
}

static void read_places(struct trust_file *f, int fd, const struct stat *st) {
    const size_t max = st->st_size < (off_t)TRUST_FILE_MAX ? (size_t)st->st_size : TRUST_FILE_MAX;
    char *text = xmalloc(max + 1);
    const ssize_t len = file_read_all(fd, text, max);

    forget(f);
    if (len >= 0) {
        text[len] = 0;
        note_places(f, text);
        f->version = file_version_of(st);
    }
    free(text);
}

/* Opens the file, and reads where its authorities are if it has changed. -1: *why says why. */
static int open_file(struct trust_file *f, const char **why) {
    const int fd = file_open(f->path, why);
    struct file_version version;
    struct stat st;

    if (fd < 0 || fstat(fd, &st))
        return fd;
    version = file_version_of(&st);
    if (!file_version_equal(&version, &f->version))
        read_places(f, fd, &st);
    return fd;
}

bool trust_file_is_good(const char *path, const char **why) {
    struct trust_file f = {.path = path, .most = 1};
    const int fd = open_file(&f, why);
    const bool good = fd >= 0 && f.count;

    descriptor_close(fd);
    forget(&f);
    return good;
}

/* ---- a connection ---- */

/* The authorities that may have signed a chain. */
struct chosen {
    gnutls_x509_trust_list_t list;
    uint64_t names[2 * CHAIN_MAX]; /* subjects and issuers of the chain */
    size_t count;
};

static void add_name(struct chosen *c, int code, gnutls_datum_t *dn) {
    if (code < 0)
        return;
    c->names[c->count++] = hash_of(dn->data, dn->size);
    gnutls_free(dn->data);
}

/* The subjects too: a certificate may itself be trusted. */
static void read_names(struct chosen *c, gnutls_session_t tls) {
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(tls, &count);

    for (unsigned i = 0; chain && i < count && i < CHAIN_MAX; i++) {
        gnutls_x509_crt_t one;
        gnutls_datum_t dn;

        if (gnutls_x509_crt_init(&one))
            return;
        if (!gnutls_x509_crt_import(one, &chain[i], GNUTLS_X509_FMT_DER)) {
            add_name(c, gnutls_x509_crt_get_raw_dn(one, &dn), &dn);
            add_name(c, gnutls_x509_crt_get_raw_issuer_dn(one, &dn), &dn);
        }
        gnutls_x509_crt_deinit(one);
    }
}

static bool has_name(const struct chosen *c, uint64_t name) {
    for (size_t i = 0; i < c->count; i++)
        if (c->names[i] == name)
            return true;
    return false;
}

static void add_authority(struct chosen *c, int fd, const struct trust_place *place) {
    char *pem = xmalloc(place->len);
    const gnutls_datum_t in = {(unsigned char *)pem, (unsigned)place->len};
    gnutls_x509_crt_t authority;

    if (pread(fd, pem, place->len, place->at) == (ssize_t)place->len &&
        !gnutls_x509_crt_init(&authority)) {
        if (gnutls_x509_crt_import(authority, &in, GNUTLS_X509_FMT_PEM) ||
            gnutls_x509_trust_list_add_cas(c->list, &authority, 1, GNUTLS_TL_NO_DUPLICATES) < 1)
            gnutls_x509_crt_deinit(authority);
    }
    free(pem);
}

static void add_file(struct chosen *c, struct trust_file *f, char why[TRUST_WHY_MAX]) {
    const char *reason = "";
    const int fd = open_file(f, &reason);
    size_t added = 0;

    if (fd < 0) {
        (void)snprintf(why, TRUST_WHY_MAX, "%s cannot be read: %s", f->path, reason);
        return;
    }
    for (size_t i = 0; i < f->count && added < SAME_NAME_MAX; i++)
        if (has_name(c, f->places[i].name)) {
            add_authority(c, fd, &f->places[i]);
            added++;
        }
    (void)close(fd);
}

static bool verify(gnutls_session_t tls, char why[TRUST_WHY_MAX]) {
    gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID,
                                     (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER, 0};
    gnutls_datum_t text;
    unsigned status = 0;
    const int code = gnutls_certificate_verify_peers(tls, &purpose, 1, &status);

    if (!code && !status)
        return true;
    if (*why) /* a file that cannot be read */
        return false;
    (void)snprintf(why, TRUST_WHY_MAX, "the server's certificate is not trusted");
    if (!code && !gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0)) {
        (void)snprintf(why, TRUST_WHY_MAX, "%s", (const char *)text.data);
        gnutls_free(text.data);
    }
    return false;
}

/* Sets the authorities for this connection's certificate. Those before are freed. */
static bool set_authorities(gnutls_session_t tls, gnutls_x509_trust_list_t list) {
    gnutls_certificate_credentials_t credentials = NULL;

    if (gnutls_credentials_get(tls, GNUTLS_CRD_CERTIFICATE, (void **)&credentials) || !credentials)
        return false;
    gnutls_certificate_set_trust_list(credentials, list, 0);
    return true;
}

/* They serve the handshake alone, and have some 30 KB each. Who verified with what is there
 * afterwards would trust nobody. */
static void release_authorities(gnutls_session_t tls) {
    gnutls_x509_trust_list_t nobody;

    if (!gnutls_x509_trust_list_init(&nobody, 1) && !set_authorities(tls, nobody))
        gnutls_x509_trust_list_deinit(nobody, 1);
}

bool trust_verify(struct trust *t, void *tls, char why[TRUST_WHY_MAX]) {
    static const char verified; /* its address marks a session in GnuTLS's place for servers */
    struct chosen chosen = {0};
    bool ok;

    *why = 0;
    if (tls && gnutls_db_get_ptr(tls) == &verified)
        return true;
    (void)snprintf(why, TRUST_WHY_MAX, "the server's certificate cannot be verified");
    if (!tls || gnutls_x509_trust_list_init(&chosen.list, 1) ||
        !set_authorities(tls, chosen.list)) {
        if (chosen.list)
            gnutls_x509_trust_list_deinit(chosen.list, 1);
        return false;
    }
    *why = 0;
    read_names(&chosen, tls);
    for (size_t i = 0; i < t->count; i++)
        add_file(&chosen, &t->files[i], why);
    ok = verify(tls, why);
    release_authorities(tls);
    if (ok)
        gnutls_db_set_ptr(tls, (void *)(uintptr_t)&verified);
    return ok;
}

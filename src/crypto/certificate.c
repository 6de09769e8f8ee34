#include "crypto/certificate.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define NAME_BYTES_MAX 256 /* RFC 1035 §2.3.4 */
#define NAMES_MAX 1024     /* bytes of all names together */

struct chain {
    gnutls_x509_crt_t *list;
    unsigned count;
    gnutls_x509_trust_list_t trusted;
};

static void chain_free(struct chain *c) {
    for (unsigned i = 0; i < c->count; i++)
        gnutls_x509_crt_deinit(c->list[i]);
    gnutls_free(c->list);
    if (c->trusted)
        gnutls_x509_trust_list_deinit(c->trusted, 1);
}

static enum rc chain_load(struct chain *c, const struct certificate_chain *sent,
                          const char *ca_file, struct err *e) {
    const gnutls_datum_t data = {(unsigned char *)(uintptr_t)sent->pem, (unsigned)sent->len};

    if (gnutls_x509_crt_list_import2(&c->list, &c->count, &data, GNUTLS_X509_FMT_PEM, 0) < 0)
        return invalid_request(e, "these are no certificates");
    if (!c->count || c->count > CERTIFICATES_MAX)
        return invalid_request(e, "%u certificates; 1 to %d are a chain", c->count,
                               CERTIFICATES_MAX);
    if (gnutls_x509_trust_list_init(&c->trusted, 0) < 0)
        return err_set(e, ERR_INTERNAL, "GnuTLS cannot be used");
    /* If neither has an authority, every certificate will be found untrusted. */
    (void)gnutls_x509_trust_list_add_system_trust(c->trusted, 0, 0);
    if (*ca_file)
        (void)gnutls_x509_trust_list_add_trust_file(c->trusted, ca_file, NULL, GNUTLS_X509_FMT_PEM,
                                                    0, 0);
    return OK;
}

static unsigned faults_of(unsigned status) {
    static const struct {
        unsigned status, fault;
    } table[] = {
        {GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA |
             GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE | GNUTLS_CERT_SIGNATURE_FAILURE,
         CERTIFICATE_UNTRUSTED},
        {GNUTLS_CERT_UNEXPECTED_OWNER, CERTIFICATE_NAME_MISMATCH},
        {GNUTLS_CERT_EXPIRED, CERTIFICATE_EXPIRED},
        {GNUTLS_CERT_NOT_ACTIVATED, CERTIFICATE_NOT_YET_VALID},
        {GNUTLS_CERT_REVOKED | GNUTLS_CERT_INSECURE_ALGORITHM | GNUTLS_CERT_PURPOSE_MISMATCH,
         CERTIFICATE_UNSUITABLE},
    };
    unsigned faults = 0;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (status & table[i].status)
            faults |= table[i].fault;
    /* A status with none of these reasons still means that the certificate is not valid. */
    return status && !faults ? CERTIFICATE_UNSUITABLE : faults;
}

static unsigned verify(const struct chain *c, const char *host) {
    gnutls_typed_vdata_st data[] = {
        {GNUTLS_DT_DNS_HOSTNAME, (unsigned char *)(uintptr_t)host, 0},
        {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER, 0},
    };
    unsigned status = 0;

    if (gnutls_x509_trust_list_verify_crt2(c->trusted, c->list, c->count, data, 2, 0, &status,
                                           NULL) < 0)
        return CERTIFICATE_UNSUITABLE;
    return faults_of(status);
}

static const char *names_of(struct arena *a, gnutls_x509_crt_t leaf) {
    char name[NAME_BYTES_MAX];
    struct buf b;

    buf_init(&b, a, NAMES_MAX);
    for (unsigned i = 0;; i++) {
        size_t size = sizeof name - 1;
        int type = gnutls_x509_crt_get_subject_alt_name(leaf, i, name, &size, NULL);

        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (type != GNUTLS_SAN_DNSNAME)
            continue;
        name[size < sizeof name ? size : sizeof name - 1] = 0;
        buf_addf(&b, "%s%s", b.len ? " " : "", name);
        if (b.overflow)
            break;
    }
    return b.p;
}

enum rc certificate_check(struct arena *a, const struct certificate_chain *sent,
                          const char *ca_file, struct certificate *out, struct err *e) {
    struct chain c = {0};
    enum rc rc = chain_load(&c, sent, ca_file, e);

    if (!rc) {
        out->faults = verify(&c, sent->host);
        out->expires_s = gnutls_x509_crt_get_expiration_time(c.list[0]);
        out->names = names_of(a, c.list[0]);
    }
    chain_free(&c);
    return rc;
}

/* Whom an https server's certificate may come from. What a connection makes of it: the end-to-end
 * tests of TLS. */
#include "unit.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/file.h"
#include "net/trust.h"

#define SYSTEM_FILE "/etc/ssl/certs/ca-certificates.crt"

static void the_systems_is_trusted_and_what_is_added(void **state) {
    struct trust t;

    (void)state;
    trust_open(&t, "", "");
    assert_int_equal(t.count, 1);
    assert_string_equal(t.files[0].path, SYSTEM_FILE);
    trust_open(&t, "", "/some/other.pem");
    assert_int_equal(t.count, 2);
    assert_string_equal(t.files[0].path, SYSTEM_FILE);
    assert_string_equal(t.files[1].path, "/some/other.pem");
    trust_close(&t);
}

static void a_file_in_place_of_the_systems_is_the_only_one(void **state) {
    struct trust t;

    (void)state;
    trust_open(&t, "/some/bundle.pem", "/some/other.pem");
    assert_int_equal(t.count, 1);
    assert_string_equal(t.files[0].path, "/some/bundle.pem");
    trust_close(&t);
}

/* As GnuTLS reads it. */
static void the_subject_of_each_authority_of_the_system_is_found(void **state) {
    gnutls_x509_crt_t *list;
    gnutls_datum_t data, der, name;
    unsigned count;
    struct text pem, subject;
    struct err e = {0};

    assert_int_equal(file_read(*state, SYSTEM_FILE, TRUST_FILE_MAX, &pem, &e), OK);
    data = (gnutls_datum_t){(unsigned char *)(uintptr_t)pem.p, (unsigned)pem.len};
    assert_int_equal(gnutls_x509_crt_list_import2(&list, &count, &data, GNUTLS_X509_FMT_PEM, 0), 0);
    assert_in_range(count, 50, 1000);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(gnutls_x509_crt_export2(list[i], GNUTLS_X509_FMT_DER, &der), 0);
        assert_int_equal(gnutls_x509_crt_get_raw_dn(list[i], &name), 0);
        assert_true(trust_subject((struct text){(const char *)der.data, der.size}, &subject));
        assert_int_equal(subject.len, name.size);
        assert_memory_equal(subject.p, name.data, name.size);
        /* Cut off anywhere, it has none. */
        for (unsigned len = 0; len < der.size; len++)
            assert_false(trust_subject((struct text){(const char *)der.data, len}, &subject));
        gnutls_free(der.data);
        gnutls_free(name.data);
        gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
}

static void a_connection_without_a_session_or_a_certificate_is_refused(void **state) {
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
    char why[TRUST_WHY_MAX];
    struct trust t;

    (void)state;
    trust_open(&t, "", "");
    assert_false(trust_verify(&t, NULL, why));
    assert_string_not_equal(why, "");
    assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT), 0);
    assert_false(trust_verify(&t, session, why)); /* without credentials */
    assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
    assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials), 0);
    assert_false(trust_verify(&t, session, why));
    assert_string_not_equal(why, "");
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    trust_close(&t);
}

static int start(void **state) {
    *state = arena_new(64 << 20);
    return 0;
}

static int stop(void **state) {
    arena_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_systems_is_trusted_and_what_is_added),
        cmocka_unit_test(a_file_in_place_of_the_systems_is_the_only_one),
        cmocka_unit_test_setup_teardown(the_subject_of_each_authority_of_the_system_is_found, start,
                                        stop),
        cmocka_unit_test(a_connection_without_a_session_or_a_certificate_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

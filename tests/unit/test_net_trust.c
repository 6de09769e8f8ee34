/* Whom an https server's certificate may come from. */
#include "unit.h"

#include <gnutls/x509.h>
#include <unistd.h>

#include "base/file.h"
#include "net/trust.h"

#define SYSTEM_FILE "/etc/ssl/certs/ca-certificates.crt"
#define BEGIN "-----BEGIN CERTIFICATE-----"

static char folder[UNIT_PATH_MAX];

static unsigned certificates_in(struct arena *a, const char *path) {
    struct text pem;
    struct err e = {0};
    unsigned count = 0;

    assert_int_equal(file_read(a, path, 2 * TRUST_FILE_MAX, &pem, &e), OK);
    for (const char *p = pem.p; (p = strstr(p, BEGIN)); p++)
        count++;
    return count;
}

static const char *file_of(struct arena *a, const char *name, const char *text, size_t len) {
    char *path = arena_printf(a, "%s/%s", folder, name);

    file_write_bytes(path, text, len, 0600);
    return path;
}

static void amazons_are_a_part_of_the_systems(void **state) {
    struct trust t;

    trust_open(&t, "", "");
    assert_string_equal(t.file, SYSTEM_FILE);
    assert_null(t.folder);
    assert_non_null(t.amazon);
    assert_int_equal(certificates_in(*state, t.amazon), 5);
    assert_in_range(certificates_in(*state, t.file), 50, 1000);
    trust_close(&t);
}

static void a_file_in_place_of_the_systems_is_the_only_one(void **state) {
    struct trust t;

    (void)state;
    trust_open(&t, "/some/bundle.pem", "/some/other.pem");
    assert_string_equal(t.file, "/some/bundle.pem");
    assert_null(t.folder);
    assert_null(t.amazon);
    trust_close(&t);
}

static void what_is_added_is_trusted_besides_the_systems(void **state) {
    static const char text[] = BEGIN "\nAAAA\n-----END CERTIFICATE-----"; /* no end of line */
    const char *added = file_of(*state, "added.pem", text, sizeof text - 1);
    struct trust t;

    trust_open(&t, "", added);
    assert_null(t.folder);
    assert_null(t.amazon);
    assert_int_equal(certificates_in(*state, t.file), certificates_in(*state, SYSTEM_FILE) + 1);
    trust_close(&t);
}

/* Then libcurl reads it where it is. */
static void what_cannot_be_copied_is_trusted_besides_the_folder(void **state) {
    char *long_text = arena_alloc(*state, TRUST_FILE_MAX + 1);
    struct trust t;

    memset(long_text, '\n', TRUST_FILE_MAX + 1);
    const char *longest = file_of(*state, "longest.pem", long_text, TRUST_FILE_MAX);
    const char *too_long = file_of(*state, "long.pem", long_text, TRUST_FILE_MAX + 1);

    trust_open(&t, "", longest);
    assert_null(t.folder);
    trust_close(&t);
    trust_open(&t, "", too_long);
    assert_string_equal(t.file, too_long);
    assert_string_equal(t.folder, "/etc/ssl/certs");
    trust_close(&t);
}

static bool trusts_anybody(gnutls_certificate_credentials_t credentials) {
    gnutls_x509_trust_list_t list;
    gnutls_x509_trust_list_iter_t at = NULL;
    gnutls_x509_crt_t authority;
    bool any;

    gnutls_certificate_get_trust_list(credentials, &list);
    any = !gnutls_x509_trust_list_iter_get_ca(list, &at, &authority);
    if (any) {
        gnutls_x509_crt_deinit(authority);
        gnutls_x509_trust_list_iter_deinit(at);
    }
    return any;
}

static void what_a_connection_has_parsed_is_freed_and_nobody_trusted(void **state) {
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;

    (void)state;
    assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
    assert_true(
        gnutls_certificate_set_x509_trust_file(credentials, SYSTEM_FILE, GNUTLS_X509_FMT_PEM) > 0);
    assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT), 0);
    trust_release(session); /* one that has none yet */
    assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials), 0);
    assert_true(trusts_anybody(credentials));
    trust_release(session);
    assert_false(trusts_anybody(credentials));
    trust_release(session);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
}

static int start(void **state) {
    folder_make(folder);
    *state = arena_new(64 << 20);
    return 0;
}

static int stop(void **state) {
    folder_remove(folder);
    arena_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(amazons_are_a_part_of_the_systems, start, stop),
        cmocka_unit_test_setup_teardown(a_file_in_place_of_the_systems_is_the_only_one, start,
                                        stop),
        cmocka_unit_test_setup_teardown(what_is_added_is_trusted_besides_the_systems, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_copied_is_trusted_besides_the_folder, start,
                                        stop),
        cmocka_unit_test(what_a_connection_has_parsed_is_freed_and_nobody_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What doctor reports about lighttpd's configuration. */
#include "unit.h"

#include "doctor/doctor.h"

#define SHIPPED "conf/lighttpd/50-mcp-authd.conf"
#define DEBIAN "server.feature-flags       += (\"server.graceful-shutdown-timeout\" => 5)\n"

static char folder[UNIT_PATH_MAX];

static int make_folder(void **state) {
    folder_make(folder);
    (void)arena_setup(state);
    return mkdir(arena_printf(*state, "%s/conf-enabled", folder), 0700);
}

static int remove_folder(void **state) {
    folder_remove(folder);
    return arena_teardown(state);
}

static void put(void **state, const char *name, const char *text) {
    (void)state;
    file_write_in(folder, name, text, 0600);
}

static const char *shipped(void **state) {
    char *text = arena_alloc(*state, 65536);
    FILE *f = fopen(SHIPPED, "r");

    assert_non_null(f); /* tests run in the project's folder */
    text[fread(text, 1, 65535, f)] = 0;
    (void)fclose(f);
    return text;
}

static const char *said(void **state) {
    const struct config config = {.endpoints = GROUP_MCP};
    struct doctor d = {.config = &config, .arena = *state};
    char *text = NULL, *copy;
    size_t len;

    d.out = open_memstream(&text, &len);
    check_lighttpd(&d, folder);
    (void)fclose(d.out);
    copy = arena_strdup(*state, text);
    free(text);
    return copy;
}

static void nothing_of_a_server_that_is_another_ones(void **state) {
    assert_string_equal(said(state), "");
    put(state, "lighttpd.conf", DEBIAN);
    assert_string_equal(said(state), "");
}

static void the_shipped_file_is_good(void **state) {
    put(state, "lighttpd.conf", "");
    put(state, "conf-enabled/50.conf", shipped(state));
    assert_non_null(
        strstr(said(state), "ok    lighttpd            a reload with open streams leaves"));
}

static void one_without_the_lines_is_not(void **state) {
    put(state, "lighttpd.conf",
        "include \"/etc/lighttpd/mcp-authd-routes.conf\"\n"
        "server.systemd-socket-activation = \"enable\"\n"
        "#server.feature-flags += (\"server.graceful-restart-bg\" => \"enable\")\n");
    assert_non_null(
        strstr(said(state), "warn  lighttpd            a reload with an open stream silences"));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(nothing_of_a_server_that_is_another_ones),
        CASE(the_shipped_file_is_good),
        CASE(one_without_the_lines_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

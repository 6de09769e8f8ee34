/* What the bridge takes of a server's answer to initialize. */
#include "unit.h"

#include <sys/wait.h>

#include "bridge/session.c"

static struct bridge b;

/* An id and a version of so many bytes. */
static const char *text_with(char letter, size_t len) {
    static char text[4096];

    memset(text, letter, len);
    text[len] = 0;
    return text;
}

/* The exit status of a process that takes it. */
static int ends_with(const char *id) {
    const pid_t pid = fork();
    int status = -1;

    if (!pid) {
        (void)close(STDERR_FILENO);
        take_session(&b, id);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void the_id_of_a_session_has_so_many_bytes(void **state) {
    (void)state;
    take_session(&b, text_with('s', BRIDGE_SESSION_MAX));
    assert_int_equal(strlen(b.session), BRIDGE_SESSION_MAX);
    assert_int_equal(ends_with(text_with('s', BRIDGE_SESSION_MAX)), 0);
    assert_int_equal(ends_with(text_with('s', BRIDGE_SESSION_MAX + 1)), 1);
    assert_int_equal(ends_with("with space"), 1);
    take_session(&b, NULL);
    assert_string_equal(b.session, "");
}

static void a_version_has_so_many_bytes(void **state) {
    (void)state;
    take_version(&b, text_with('2', BRIDGE_VERSION_MAX));
    assert_int_equal(strlen(b.version), BRIDGE_VERSION_MAX);
    take_version(&b, text_with('2', BRIDGE_VERSION_MAX + 1));
    assert_string_equal(b.version, "");
    take_version(&b, "2025\r\nX: y");
    assert_string_equal(b.version, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_id_of_a_session_has_so_many_bytes),
        cmocka_unit_test(a_version_has_so_many_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

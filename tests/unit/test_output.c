/* Files that lines are written to: checked before they are needed, and written without waiting. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "app/app.h"
#include "app/audit.h"
#include "metrics/metrics.h"

#define SMALL_PIPE 4096
#define SOMEBODY 65533 /* a user that owns nothing else */

static char dir[UNIT_PATH_MAX];

static int make_dir(void **state) {
    folder_make(dir);
    if (!metrics_open(1))
        return -1;
    return arena_setup(state);
}

static int remove_dir(void **state) {
    folder_remove(dir);
    metrics_close();
    return arena_teardown(state);
}

static const char *in_dir(void **state, const char *name) {
    return arena_printf(*state, "%s/%s", dir, name);
}

static const char *fifo(void **state) {
    const char *path = in_dir(state, "fifo");

    assert_int_equal(mkfifo(path, 0600), 0);
    return path;
}

static uint64_t lost(enum output_kind kind) {
    return metrics_value(METRIC_LINES_LOST, kind, 0);
}

static const char *content(void **state, const char *path) {
    char *text = arena_alloc(*state, 4096);
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    text[fread(text, 1, 4095, f)] = 0;
    (void)fclose(f);
    return text;
}

/* ---- a line goes out whole, or is counted ---- */

static void lines_of_a_file(void **state) {
    const char *path = in_dir(state, "file");
    struct output o;
    struct err e;

    assert_int_equal(output_open(path, OUTPUT_AUDIT, &o, &e), OK);
    assert_true(output_line(&o, "one\n", 4));
    assert_false(output_moved(&o, path));
    assert_int_equal(rename(path, in_dir(state, "old")), 0);
    assert_true(output_moved(&o, path));
    output_close(&o);
    assert_int_equal(output_open(path, OUTPUT_AUDIT, &o, &e), OK);
    assert_true(output_line(&o, "two\n", 4));
    output_close(&o);
    output_close(&o);
    assert_string_equal(content(state, in_dir(state, "old")), "one\n");
    assert_string_equal(content(state, path), "two\n");
    assert_int_equal(lost(OUTPUT_AUDIT), 0);
}

static void a_full_device(void **state) {
    struct output o;
    struct err e;

    (void)state;
    assert_int_equal(output_open("/dev/full", OUTPUT_AUDIT, &o, &e), OK);
    assert_false(output_line(&o, "one\n", 4));
    assert_int_equal(errno, ENOSPC);
    assert_false(output_line(&o, "two\n", 4));
    assert_int_equal(lost(OUTPUT_AUDIT), 2);
    assert_int_equal(lost(OUTPUT_LOG), 0);
    output_close(&o);
}

/* What is longer than the pipe goes out in part; the next line is not glued to it. */
static void a_fifo_that_nobody_reads(void **state) {
    const char *path = fifo(state);
    static char line[4 * SMALL_PIPE], got[sizeof line * 2];
    struct output o;
    struct err e;
    int reader;
    ssize_t n;

    assert_int_equal(output_open(path, OUTPUT_AUDIT, &o, &e), ERR_MISCONFIGURED);
    assert_int_equal(errno, ENXIO);
    assert_non_null(strstr(e.text, "a FIFO that nobody reads"));
    reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0 && fcntl(reader, F_SETPIPE_SZ, SMALL_PIPE) == SMALL_PIPE);
    assert_int_equal(output_open(path, OUTPUT_AUDIT, &o, &e), OK);
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    assert_false(output_line(&o, line, sizeof line));
    assert_false(output_line(&o, "lost\n", 5));
    assert_int_equal(lost(OUTPUT_AUDIT), 2);
    assert_int_equal(read(reader, got, sizeof got), SMALL_PIPE);
    assert_true(output_line(&o, "next\n", 5));
    n = read(reader, got, sizeof got);
    assert_int_equal(n, 6);
    assert_memory_equal(got, "\nnext\n", 6);
    (void)close(reader);
    assert_false(output_line(&o, "gone\n", 5));
    assert_int_equal(errno, EPIPE);
    output_close(&o);
}

/* ---- the audit log ---- */

static void the_audit_log_waits_for_no_reader(void **state) {
    const char *path = fifo(state);
    struct audit a;
    struct err e;

    assert_int_equal(audit_open(path, &a, &e), OK);
    assert_true(a.failed && a.out.fd < 0);
    output_close(&a.out);
    assert_int_equal(audit_open(in_dir(state, "no/file"), &a, &e), ERR_MISCONFIGURED);
    assert_non_null(strstr(e.text, "AUDIT_LOG: "));
}

/* ---- the configuration ---- */

static bool check(void **state, const struct config *c, const char **said) {
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    bool good = app_check_outputs(c, f);

    (void)fclose(f);
    *said = arena_strdup(*state, text);
    free(text);
    return good;
}

static struct config config_of(const char *audit, const char *metrics, const char *status) {
    return (struct config){.state_dir = dir,
                           .host_state_dir = dir,
                           .audit_log = audit,
                           .audit_events = AUDIT_LOGINS,
                           .metrics_emf = true,
                           .metrics_emf_file = metrics,
                           .status_file = status,
                           .endpoints = GROUP_TOKEN};
}

static void every_path_is_checked(void **state) {
    const char *missing = in_dir(state, "no/file"), *file = in_dir(state, "file"), *said;
    const char *inside = in_dir(state, "status.json"), *pipe = fifo(state);
    struct config c = config_of(file, file, inside);

    assert_true(check(state, &c, &said));
    assert_string_equal(said, "");
    assert_int_equal(access(file, F_OK), -1); /* and nothing is made */
    c = config_of(missing, missing, "/proc/no/status");
    assert_false(check(state, &c, &said));
    assert_non_null(strstr(said, "AUDIT_LOG: "));
    assert_non_null(strstr(said, "METRICS_EMF_FILE: "));
    assert_non_null(strstr(said, "STATUS_FILE: /proc/no/status cannot be written: No such file"));
    c = config_of(pipe, file, inside);
    assert_false(check(state, &c, &said));
    assert_non_null(strstr(said, "a FIFO that nobody reads"));
    c = config_of(dir, file, inside);
    assert_false(check(state, &c, &said));
    assert_non_null(strstr(said, "Is a directory"));
    c.endpoints = GROUP_MCP; /* which writes no audit log */
    assert_true(check(state, &c, &said));
    c.audit_events = AUDIT_CALLS; /* now it does */
    assert_false(check(state, &c, &said));
    c.endpoints = GROUP_TOKEN;
    assert_true(check(state, &c, &said));
}

/* Root may write everywhere; the service's user, who owns STATE_DIR, may not. */
static void root_looks_as_the_service(void **state) {
    const char *file = in_dir(state, "file");
    struct config c = config_of(file, "", in_dir(state, "status.json"));
    int fd = open(file, O_CREAT | O_WRONLY, 0600), status;
    const char *said;
    pid_t pid;

    assert_true(fd >= 0);
    (void)close(fd);
    if (geteuid())
        skip();
    assert_int_equal(chown(dir, SOMEBODY, SOMEBODY), 0);
    assert_true(check(state, &c, &said));
    pid = fork();
    if (pid == 0) {
        app_become_service(&c);
        _exit(geteuid() == SOMEBODY && getegid() == SOMEBODY && !check(state, &c, &said) &&
                      strstr(said, "Permission denied")
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(lines_of_a_file),          IN_DIR(a_full_device),
        IN_DIR(a_fifo_that_nobody_reads), IN_DIR(the_audit_log_waits_for_no_reader),
        IN_DIR(every_path_is_checked),    IN_DIR(root_looks_as_the_service),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/log.h: what a value looks like in a line. */
#include "unit.h"

#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/utf8.h"

/* The line with these fields. */
static const char *line_of(struct log_field a, struct log_field b) {
    static char line[4096];
    int ends[2], saved = dup(STDERR_FILENO);
    ssize_t len;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    log_info("test", a, b);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(ends[1]);
    (void)close(saved);
    len = read(ends[0], line, sizeof line - 1);
    (void)close(ends[0]);
    assert_true(len > 0 && line[len - 1] == '\n');
    line[len - 1] = 0;
    assert_null(strchr(line, '\n'));
    return line;
}

/* The line of a value, from its first quotation mark, or from its first byte. */
static const char *logged(const char *value) {
    return strstr(line_of(kvn("n", 1), kv("value", value)), "value=") + 6;
}

static void text_beyond_ascii_is_shown(void **state) {
    (void)state;
    assert_string_equal(logged("plain"), "plain");
    assert_string_equal(logged("\u2018it\u2019 is \u65e5\u672c\u8a9e, \U0001f600"),
                        "\"\u2018it\u2019 is \u65e5\u672c\u8a9e, \U0001f600\"");
}

static void what_does_not_show_as_itself_is_escaped(void **state) {
    static const char *const pairs[][2] = {
        {"a\nb", "\"a\\x0ab\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\xe2\x80", "\"\\xe2\\x80\""},          /* half a character */
        {"\xc0\xaf", "\"\\xc0\\xaf\""},          /* too long a form */
        {"\xc2\x85", "\"\\xc2\\x85\""},          /* next line */
        {"\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\""}, /* line separator */
        {"\xe2\x80\xae", "\"\\xe2\\x80\\xae\""}, /* right to left from here on */
        {"\xe2\x80\x8b", "\"\\xe2\\x80\\x8b\""}, /* a space without width */
        {"\x1b[31m", "\"\\x1b[31m\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(logged(pairs[i][0]), pairs[i][1]);
}

/* At the limit of a line a character is there whole, or not at all. */
static void a_long_value_is_cut_between_characters(void **state) {
    static char value[3001];

    (void)state;
    for (size_t i = 0; i < 3000; i += 3)
        memcpy(value + i, "\u65e5", 3);
    for (size_t spaces = 0; spaces < 3; spaces++) {
        const char *line;

        memset(value, ' ', 3);
        line = logged(value + 3 - spaces);
        assert_in_range(strlen(line), 1900, 2047);
        assert_int_equal(utf8_valid_length(line, strlen(line)), strlen(line));
        assert_int_equal(line[strlen(line) - 1], '"');
    }
}

/* Not time(2), which may lag behind by a tick. */
static time_t now_s(void) {
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    return now.tv_sec;
}

static void assert_line_of_this_process(void) {
    char head[64], pid[64];
    const char *line;
    time_t before, after;

    do { /* until no second ends between the two */
        before = now_s();
        line = line_of(kvn("least", INT64_MIN), kvn("most", INT64_MAX));
        after = now_s();
    } while (before != after);
    (void)strftime(head, sizeof head, "ts=%Y-%m-%dT%H:%M:%S.", gmtime(&before));
    (void)snprintf(pid, sizeof pid, "Z level=info pid=%d event=test ", (int)getpid());
    assert_memory_equal(line, head, strlen(head));
    line += strlen(head);
    assert_int_equal(strspn(line, "0123456789"), 3);
    line += 3;
    assert_memory_equal(line, pid, strlen(pid));
    assert_string_equal(line + strlen(pid), "least=-9223372036854775808 most=9223372036854775807");
}

static void a_line_names_the_time_and_the_process_that_wrote_it(void **state) {
    int status;
    pid_t pid;

    (void)state;
    assert_line_of_this_process();
    log_open();
    assert_line_of_this_process();
    assert_line_of_this_process();
    pid = fork();
    if (!pid) {
        assert_line_of_this_process();
        _exit(0); /* a failed assertion ends the process otherwise */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_line_of_this_process();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_beyond_ascii_is_shown),
        cmocka_unit_test(what_does_not_show_as_itself_is_escaped),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(a_line_names_the_time_and_the_process_that_wrote_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

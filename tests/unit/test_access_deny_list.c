/* The deny list: who is refused. */
#include "unit.h"

#include "access/deny_list.h"

#define NOW INT64_C(1800000000) /* 2027-01-15T08:00:00Z */

static struct deny_list *loaded_bytes(struct arena *a, const char *text, size_t text_len,
                                      unsigned *bad, const char **said) {
    char path[UNIT_PATH_MAX], *problems = NULL;
    FILE *out;
    struct deny_list *d;
    size_t len;

    file_make(path);
    file_write_bytes(path, text, text_len, 0600);
    out = open_memstream(&problems, &len);
    d = deny_load(path, NOW, out, bad);
    assert_int_equal(fclose(out), 0);
    *said = arena_strdup(a, problems);
    free(problems);
    (void)unlink(path);
    return d;
}

static struct deny_list *loaded(struct arena *a, const char *text, unsigned *bad,
                                const char **said) {
    return loaded_bytes(a, text, strlen(text), bad, said);
}

static void a_nul_cuts_no_line(void **state) {
    static const char text[] = "subject a\0b\nsubject c\nclient d\0e";
    const char *said;
    unsigned bad;
    struct deny_list *d = loaded_bytes(*state, text, sizeof text - 1, &bad, &said);

    assert_int_equal(bad, 2);
    assert_non_null(strstr(said, ":1: the line has a NUL byte in it\n"));
    assert_non_null(strstr(said, ":3: the line has a NUL byte in it\n"));
    assert_false(deny_has_subject(d, "a"));
    assert_true(deny_has_subject(d, "c"));
    assert_false(deny_has_client(d, "d"));
    deny_free(d);
}

static void entries_are_found_exactly(void **state) {
    const char *said;
    unsigned bad;
    struct deny_list *d = loaded(*state,
                                 "# stopped on Sunday\n"
                                 "client https://b.example/client.json\n"
                                 "  client\tpinned-one  # a comment\r\n"
                                 "\n"
                                 "client https://a.example/client.json\n"
                                 "subject 11111111-2222\n"
                                 "subject mallory",
                                 &bad, &said);

    assert_string_equal(said, "");
    assert_int_equal(bad, 0);
    assert_true(deny_has_client(d, "https://a.example/client.json"));
    assert_true(deny_has_client(d, "https://b.example/client.json"));
    assert_true(deny_has_client(d, "pinned-one"));
    assert_false(deny_has_client(d, "https://a.example/client"));
    assert_false(deny_has_client(d, "https://a.example/client.json2"));
    assert_false(deny_has_client(d, "mallory"));
    assert_true(deny_has_subject(d, "mallory"));
    assert_true(deny_has_subject(d, "11111111-2222"));
    assert_false(deny_has_subject(d, ""));
    assert_false(deny_has_subject(d, NULL));
    assert_false(deny_is_issued_before(d, 0));
    deny_free(d);
}

static void nothing_denies_nobody(void **state) {
    unsigned bad;
    struct deny_list *d = deny_load("/nonexistent/deny.conf", NOW, stderr, &bad);

    (void)state;
    assert_int_equal(bad, 0);
    assert_false(deny_has_client(d, "x"));
    assert_false(deny_has_subject(d, "x"));
    assert_false(deny_is_issued_before(d, 0));
    deny_free(d);
    assert_false(deny_has_client(NULL, "x"));
    assert_false(deny_has_subject(NULL, "x"));
    assert_false(deny_is_issued_before(NULL, 0));
}

static void times_are_read(void **state) {
    static const struct {
        const char *text;
        int64_t at;
    } cases[] = {
        {"2026-01-31T12:00:00Z", 1769860800},
        {"2026-01-31T13:00:00+01:00", 1769860800},
        {"2026-01-31T06:30:00-05:30", 1769860800},
        {"2026-01-31T12:00:00.999Z", 1769860800},
        {"1769860800", 1769860800},
        {"2024-02-29T00:00:00Z", 1709164800},
    };
    static const char *const wrong[] = {
        "yesterday",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-01-31T12:00:00+1:00",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00+-1:00",
        "2026-1-31T12:00:00Z",
        "2026-01-31T12:0:00Z",
        "+2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Zx",
        "2026-01-31T12:00:00.Z",
        "-5",
        "12345678901234567890",
        "1769860800s",
    };
    const char *said;
    unsigned bad;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct deny_list *d =
            loaded(*state, arena_printf(*state, "issued-before %s\n", cases[i].text), &bad, &said);

        assert_int_equal(bad, 0);
        if (!deny_is_issued_before(d, cases[i].at - 1) || deny_is_issued_before(d, cases[i].at))
            fail_msg("%s", cases[i].text);
        deny_free(d);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct deny_list *d =
            loaded(*state, arena_printf(*state, "issued-before %s\n", wrong[i]), &bad, &said);

        if (bad != 1 || deny_is_issued_before(d, 0) || !strstr(said, "needs a time such as"))
            fail_msg("%s: %s", wrong[i], said);
        deny_free(d);
    }
}

static void the_latest_time_counts_and_none_in_the_future(void **state) {
    const char *said;
    unsigned bad;
    struct deny_list *d = loaded(*state,
                                 "issued-before 1000\nissued-before 3000\nissued-before 2000\n"
                                 "issued-before 1800086400\n",
                                 &bad, &said);

    assert_int_equal(bad, 1);
    assert_non_null(strstr(said, ":4: issued-before is in the future"));
    assert_true(deny_is_issued_before(d, 2999));
    assert_false(deny_is_issued_before(d, 3000));
    deny_free(d);
}

static void any_number_of_bad_lines_is_reported(void **state) {
    const unsigned lines = 140000;
    char *text = xmalloc(lines * 4 + 1);
    const char *said;
    unsigned bad;
    struct deny_list *d;

    for (unsigned i = 0; i < lines; i++)
        memcpy(text + i * 4, "x y\n", 5);
    d = loaded(*state, text, &bad, &said);
    assert_int_equal(bad, lines);
    deny_free(d);
    free(text);
}

static void bad_lines_are_reported_and_the_rest_counts(void **state) {
    const char *said;
    unsigned bad;
    struct deny_list *d =
        loaded(*state, "client\nuser bob\nsubject a b\nsubject good\nclients x\n", &bad, &said);

    assert_int_equal(bad, 4);
    assert_non_null(strstr(said, ":1: expected one word and one value"));
    assert_non_null(strstr(said, ":2: user: a line begins with client, subject or issued-before"));
    assert_non_null(strstr(said, ":3: expected one word"));
    assert_non_null(strstr(said, ":5: clients: a line begins"));
    assert_true(deny_has_subject(d, "good"));
    deny_free(d);

    char *text = arena_alloc(*state, 6000);
    memset(text, 'x', 5999);
    memcpy(text, "client ", 7);
    d = loaded(*state, text, &bad, &said);
    assert_int_equal(bad, 1);
    assert_non_null(strstr(said, "too long"));
    deny_free(d);

    d = loaded(*state, "\xef\xbb\xbfsubject good\n", &bad, &said); /* as some editors write it */
    assert_int_equal(bad, 0);
    assert_true(deny_has_subject(d, "good"));
    deny_free(d);

    d = deny_load("/tmp", NOW, stderr, &bad); /* no file */
    assert_int_equal(bad, 1);
    deny_free(d);
}

/* Nobody writes to it: whoever reads it as a file waits for ever. */
static void a_fifo_holds_nobody(void **state) {
    char dir[UNIT_PATH_MAX];
    const char *path;
    unsigned bad;

    folder_make(dir);
    path = arena_printf(*state, "%s/fifo", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(60);
    deny_free(deny_load(path, NOW, stderr, &bad));
    (void)alarm(0);
    assert_int_equal(bad, 1);
    folder_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(entries_are_found_exactly),
        WITH_ARENA(a_nul_cuts_no_line),
        WITH_ARENA(any_number_of_bad_lines_is_reported),
        WITH_ARENA(nothing_denies_nobody),
        WITH_ARENA(times_are_read),
        WITH_ARENA(the_latest_time_counts_and_none_in_the_future),
        WITH_ARENA(bad_lines_are_reported_and_the_rest_counts),
        WITH_ARENA(a_fifo_holds_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

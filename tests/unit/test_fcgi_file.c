/* The memory file between web/fcgi.c and libfcgi: what one writes the other reads, and nothing
 * of it is left for the next request. */
#include "unit.h"

#include "web/fcgi_file.h"

#define LARGE (5 * FCGI_FILE_KEPT + 123)

static unsigned char large[LARGE];

static int setup(void **state) {
    static struct fcgi_file f;

    assert_true(fcgi_file_open(&f));
    memset(large, 'x', sizeof large);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    fcgi_file_close(*state);
    fcgi_file_close(*state);
    return 0;
}

static size_t size_of(const struct fcgi_file *f) {
    struct stat st;

    assert_int_equal(fstat(f->fd, &st), 0);
    return (size_t)st.st_size;
}

static void assert_empty(const struct fcgi_file *f) {
    assert_int_equal(size_of(f), FCGI_FILE_KEPT);
    assert_int_equal(f->size, FCGI_FILE_KEPT);
    assert_int_equal(f->end, 0);
    for (size_t i = 0; i < f->size; i++)
        assert_int_equal(f->map[i], 0);
}

static void read_back(struct fcgi_file *f, size_t want) {
    static unsigned char got[LARGE];
    size_t have = 0;

    assert_true(fcgi_file_rewind(f));
    while (have < want) {
        ssize_t n = read(f->fd, got + have, want - have);

        assert_true(n > 0);
        have += (size_t)n;
    }
    assert_memory_equal(got, large, want);
}

static void pieces_are_read_and_wiped(void **state) {
    struct fcgi_file *f = *state;
    struct err e = {.code = OK};

    assert_empty(f);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fcgi_file_add(f, large, 1000, &e), OK);
    read_back(f, 3000);
    fcgi_file_clear(f);
    assert_empty(f);
}

static void one_that_grew_is_cut_back(void **state) {
    struct fcgi_file *f = *state;
    struct err e = {.code = OK};

    assert_int_equal(fcgi_file_add(f, large, FCGI_FILE_KEPT, &e), OK);
    assert_int_equal(f->size, FCGI_FILE_KEPT);
    assert_int_equal(fcgi_file_add(f, large, LARGE - FCGI_FILE_KEPT, &e), OK);
    read_back(f, LARGE);
    fcgi_file_clear(f);
    assert_empty(f);
}

static void what_the_library_writes_is_seen(void **state) {
    static const size_t lengths[] = {1, 100, FCGI_FILE_KEPT, FCGI_FILE_KEPT + 1, LARGE};
    struct fcgi_file *f = *state;
    struct err e = {.code = OK};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const unsigned char *p;
        size_t len;

        assert_int_equal(fcgi_file_add(f, (const unsigned char *)"request", 7, &e), OK);
        assert_true(fcgi_file_rewind(f));
        assert_int_equal(write(f->fd, large, lengths[i]), (ssize_t)lengths[i]);
        assert_true(fcgi_file_written(f, &p, &len));
        assert_int_equal(len, lengths[i]);
        assert_memory_equal(p, large, len);
        fcgi_file_clear(f);
        assert_empty(f);
    }
}

/* libfcgi closes what it takes for a connection when it finds a fault. */
static void one_that_was_closed_is_opened_again(void **state) {
    struct fcgi_file *f = *state;
    struct err e = {.code = OK};

    assert_int_equal(fcgi_file_add(f, large, 10, &e), OK);
    close(f->fd);
    f->fd = -1;
    fcgi_file_clear(f);
    fcgi_file_close(f);
    assert_true(fcgi_file_open(f));
    assert_empty(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_are_read_and_wiped, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_grew_is_cut_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_library_writes_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_was_closed_is_opened_again, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

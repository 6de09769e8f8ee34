/* Messages between processes of one user. */
#include "unit.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "crypto/digest.h"
#include "shared/message_socket.h"

#define LETTER_MAX 100
#define WAIT_MS 10000

/* Sends letters of these lengths, one after the other; 0 ends. */
static pid_t send_from_elsewhere(const char *name, const size_t *lengths) {
    pid_t pid = fork();
    char text[4096];

    assert_true(pid >= 0);
    if (pid)
        return pid;
    memset(text, 'x', sizeof text);
    for (; *lengths; lengths++)
        (void)message_socket_send(name, text, *lengths); /* one that is not taken may fail */
    _exit(0);
}

static void sent_and_received(void **state, const size_t *lengths, size_t expected) {
    const char *name = random_text(*state, 16);
    int m;
    struct buf letter;
    struct err e;
    pid_t pid;

    assert_int_equal(message_socket_open(name, &m, &e), OK);
    pid = send_from_elsewhere(name, lengths);
    buf_init(&letter, *state, LETTER_MAX);
    assert_int_equal(message_socket_wait(m, -1, clock_monotonic_ms() + WAIT_MS, &letter),
                     MESSAGE_SOCKET_RECEIVED);
    assert_int_equal(letter.len, expected);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    descriptor_close(m);
}

static void a_letter_arrives(void **state) {
    sent_and_received(state, (const size_t[]){7, 0}, 7);
    sent_and_received(state, (const size_t[]){LETTER_MAX, 0}, LETTER_MAX);
}

static void one_behind_a_letter_that_was_too_long_arrives(void **state) {
    sent_and_received(state, (const size_t[]){LETTER_MAX + 1, 3, 0}, 3);
    sent_and_received(state, (const size_t[]){4096, 4096, 5, 0}, 5);
}

static void nobody_gets_what_is_sent_to_nobody(void **state) {
    assert_false(message_socket_send(random_text(*state, 16), "x", 1));
}

static void waiting_ends_in_time(void **state) {
    int64_t before = clock_monotonic_ms();
    int m;
    struct buf letter;
    struct err e;

    buf_init(&letter, *state, LETTER_MAX);
    assert_int_equal(message_socket_open(random_text(*state, 16), &m, &e), OK);
    assert_int_equal(message_socket_wait(m, -1, before + 20, &letter), MESSAGE_SOCKET_TIMEOUT);
    assert_true(clock_monotonic_ms() >= before + 20);
    descriptor_close(m);
}

static void waiting_ends_in_time_without_a_free_descriptor(void **state) {
    const char *name = random_text(*state, 16);
    struct rlimit before, none;
    struct buf letter;
    struct err e;
    pid_t pid;
    int m;

    if (under_valgrind()) /* which has limits of its own */
        skip();
    buf_init(&letter, *state, LETTER_MAX);
    assert_int_equal(message_socket_open(name, &m, &e), OK);
    pid = send_from_elsewhere(name, (const size_t[]){7, 0});
    assert_true(descriptor_wait(m, POLLIN, clock_monotonic_ms() + WAIT_MS));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)m + 1, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(message_socket_wait(m, -1, clock_monotonic_ms() + 20, &letter),
                     MESSAGE_SOCKET_TIMEOUT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(message_socket_wait(m, -1, clock_monotonic_ms() + WAIT_MS, &letter),
                     MESSAGE_SOCKET_RECEIVED);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    descriptor_close(m);
}

/* It is there as long as somebody has it, also at another descriptor, and whoever asks is not
 * heard. */
static void it_exists_as_long_as_somebody_has_it(void **state) {
    const char *name = random_text(*state, 16);
    int m;
    struct buf letter;
    struct err e;

    buf_init(&letter, *state, LETTER_MAX);
    assert_false(message_socket_exists(name));
    assert_int_equal(message_socket_open(name, &m, &e), OK);
    assert_true(message_socket_exists(name));
    assert_int_equal(message_socket_wait(m, -1, 0, &letter), MESSAGE_SOCKET_TIMEOUT);
    descriptor_close(m);
    assert_false(message_socket_exists(name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_letter_arrives),
        WITH_ARENA(one_behind_a_letter_that_was_too_long_arrives),
        WITH_ARENA(nobody_gets_what_is_sent_to_nobody),
        WITH_ARENA(waiting_ends_in_time),
        WITH_ARENA(waiting_ends_in_time_without_a_free_descriptor),
        WITH_ARENA(it_exists_as_long_as_somebody_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

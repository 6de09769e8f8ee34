/* Unsent ends of replies: a slow reader does not delay another, and the total is limited. */
#include "unit.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/log.h"
#include "server/stream_holder.h"

#define THIRD (UNSENT_BYTES_MAX / 5 * 2) /* of which two have room, and three have not */

static struct unsent_list r;

static int made(void **state) {
    (void)state;
    r = (struct unsent_list){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return r.epoll >= 0 ? 0 : -1;
}

static int unmade(void **state) {
    (void)state;
    return close(r.epoll);
}

/* Returns the reader's end. The file has holes only. */
static int take(size_t size) {
    struct unsent_message message = {0};
    int ends[2], file = memfd_create("reply", MFD_CLOEXEC);

    (void)snprintf(message.request, sizeof message.request, "request");
    assert_true(file >= 0 && !ftruncate(file, (off_t)size));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    unsent_add(&r, ends[1], file, &message);
    return ends[0];
}

static size_t read_all(int fd) {
    static char buf[1 << 20];
    size_t len = 0;
    ssize_t n;

    while ((n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    return len;
}

static bool has_ended(int fd) {
    char c;

    return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void all_of_it_is_sent(void **state) {
    int fd = take(3 << 20);
    size_t len = 0;

    (void)state;
    while (!has_ended(fd)) {
        unsent_send(&r);
        len += read_all(fd);
    }
    assert_int_equal(len, 3 << 20);
    assert_int_equal(r.count, 0);
    assert_int_equal(r.bytes, 0);
    (void)close(fd);
}

static void an_empty_file_is_not_taken(void **state) {
    int fd = take(0);

    (void)state;
    assert_true(has_ended(fd));
    (void)close(fd);
    assert_int_equal(r.count, 0);
}

static void one_who_goes_away_is_forgotten(void **state) {
    int fd = take(1 << 20);

    (void)state;
    (void)close(fd);
    unsent_send(&r);
    assert_int_equal(r.count, 0);
}

/* The worker that gave it may close its copies later: what comes then is nobody's. */
static void nothing_is_heard_of_one_that_is_done(void **state) {
    struct unsent_message message = {0};
    int ends[2], file = memfd_create("reply", MFD_CLOEXEC);
    struct epoll_event event;

    (void)state;
    assert_true(file >= 0 && !ftruncate(file, 4096));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    unsent_add(&r, dup(ends[1]), file, &message);
    unsent_send(&r);
    assert_int_equal(r.count, 0);
    assert_int_equal(epoll_wait(r.epoll, &event, 1, 0), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* No room for three: of the two that are there the one that reads stays. */
static void the_slowest_makes_room(void **state) {
    int reads = take(THIRD), stands = take(THIRD), next;

    (void)state;
    for (int i = 0; i < 10; i++) {
        unsent_send(&r);
        assert_true(read_all(reads) > 0);
    }
    assert_int_equal(r.count, 2);
    next = take(THIRD);
    assert_int_equal(r.count, 2);
    (void)read_all(stands);
    assert_true(has_ended(stands));
    unsent_send(&r);
    assert_true(read_all(reads) > 0 && !has_ended(reads));
    (void)close(stands);
    (void)close(reads);
    (void)close(next);
    unsent_send(&r);
    assert_int_equal(r.count, 0);
}

static void so_many_and_no_more(void **state) {
    static int fds[UNSENT_MAX + 1];
    struct rlimit most;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
    most.rlim_cur = most.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
    if (most.rlim_cur < 2 * UNSENT_MAX + 64)
        skip();
    for (int i = 0; i < UNSENT_MAX; i++)
        fds[i] = take(4096);
    assert_int_equal(r.count, UNSENT_MAX);
    fds[UNSENT_MAX] = take(4096);
    assert_int_equal(r.count, UNSENT_MAX);
    assert_true(has_ended(fds[0])); /* the one that was there longest */
    for (int i = 0; i <= UNSENT_MAX; i++)
        (void)close(fds[i]);
    while (r.count)
        unsent_send(&r);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, made, unmade)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(all_of_it_is_sent),
        CASE(an_empty_file_is_not_taken),
        CASE(one_who_goes_away_is_forgotten),
        CASE(nothing_is_heard_of_one_that_is_done),
        CASE(the_slowest_makes_room),
        CASE(so_many_and_no_more),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_WARN); /* each that is let go is a line */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

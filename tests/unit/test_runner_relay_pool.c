/* The limits of the relays that the instance pool has started, and of what they count. */
#include "unit.h"

#include "runner/relay_pool.c"

/* relay.c serves a server: none is started here. */
void relay_main(int control, const struct instance_key *key, const int fds[INSTANCE_FDS],
                const struct relay_place *place) {
    (void)control, (void)key, (void)fds, (void)place;
    abort();
}

static struct instance_key key_of(uint32_t number) {
    struct instance_key key = {.name = "test"};

    memcpy(key.id, &number, sizeof number);
    memcpy(key.group, &number, sizeof number);
    return key;
}

static int end_all(void **state) {
    (void)state;
    for (struct relay_entry *x = relays; x < relays + relays_used; x++)
        descriptor_clear(&x->control);
    relays_used = 0;
    memset(startups, 0, sizeof startups);
    return 0;
}

/* Of one server more than are remembered nothing is known. */
static void so_many_servers_are_remembered(void **state) {
    struct instance_key key;
    struct server_state said;
    struct relay_record *last = NULL;

    (void)state;
    counts = counts ? counts : memory_shared(sizeof *counts);
    assert_non_null(counts);
    for (uint32_t i = 0; i < RELAY_RECORDS_MAX; i++) {
        key = key_of(i + 1);
        last = find_record(&key);
        if (!last)
            fail();
    }
    assert_true(relay_pool_state(RELAY_RECORDS_MAX - 1, &said));
    assert_string_equal(said.name, "test");
    assert_false(relay_pool_state(RELAY_RECORDS_MAX, &said));
    assert_ptr_equal(find_record(&key), last);
    key = key_of(RELAY_RECORDS_MAX + 1);
    assert_null(find_record(&key));
    key = key_of(1);
    assert_ptr_equal(find_record(&key), counts->records);
}

/* A relay that runs, as the pool sees it. Returns its end of the control. */
static int add_relay(uint32_t number) {
    static struct relay_figures figures[RELAYS_MAX];
    struct relay_entry *x = find_place();
    int ends[2];

    assert_non_null(x);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    *x = (struct relay_entry){.control = ends[0],
                              .is_usable = true,
                              .key = key_of(number),
                              .place.figures = &figures[x - relays]};
    x->place.figures->called_ms = number;
    return ends[1];
}

/* For one more, the one that was called least recently takes no more callers; there is room when it
 * has ended. */
static void so_many_relays_run(void **state) {
    const struct instance_key next = key_of(RELAYS_MAX + 1);
    uint32_t wait_ms;
    int fd, far[RELAYS_MAX];

    (void)state;
    for (uint32_t i = 1; i < RELAYS_MAX; i++)
        far[i] = add_relay(i);
    assert_int_equal(relay_pool_call(&next, &fd, &wait_ms), INSTANCE_NONE); /* the last place */
    memset(startups, 0, sizeof startups);
    far[0] = add_relay(RELAYS_MAX);
    assert_null(find_place());
    assert_int_equal(relay_pool_call(&next, &fd, &wait_ms), INSTANCE_STARTING);
    assert_false(relays[0].is_usable);
    assert_true(relays[1].is_usable);
    descriptor_clear(&relays[0].control);
    assert_int_equal(relay_pool_call(&next, &fd, &wait_ms), INSTANCE_NONE);
    for (int i = 0; i < RELAYS_MAX; i++)
        (void)close(far[i]);
}

static void a_server_has_so_many_instances(void **state) {
    struct instance_key key = key_of(1);
    const int far[] = {add_relay(1), add_relay(1)};

    (void)state;
    key.id[31] = 7; /* another instance of it */
    key.instances_max = 3;
    assert_true(make_room(&key));
    assert_true(relays[0].is_usable && relays[1].is_usable);
    key.instances_max = 2;
    assert_true(make_room(&key));
    assert_false(relays[0].is_usable);
    assert_true(relays[1].is_usable);
    (void)close(far[0]);
    (void)close(far[1]);
}

static void a_server_that_fails_is_started_again_after_longer_and_longer_waits(void **state) {
    const struct relay_entry x = {.key = key_of(1), .started_ms = clock_monotonic_ms()};
    const struct relay_entry steady = {.key = key_of(1),
                                       .started_ms = clock_monotonic_ms() - STEADY_MS};
    int64_t wait = BACK_OFF_FIRST_MS;

    (void)state;
    for (int i = 0; i < 10; i++) {
        const int64_t before = clock_monotonic_ms();

        note_failure(&x);
        assert_in_range(find_startup(x.key.id)->not_before_ms, before + wait,
                        clock_monotonic_ms() + wait);
        wait = 2 * wait < BACK_OFF_MAX_MS ? 2 * wait : BACK_OFF_MAX_MS;
    }
    assert_int_equal(wait, BACK_OFF_MAX_MS);
    note_failure(&steady);
    assert_in_range(find_startup(x.key.id)->not_before_ms, 0,
                    clock_monotonic_ms() + BACK_OFF_FIRST_MS);
}

/* All of the server and its revision, and no other: it is a JWT for one audience. */
static void a_file_reaches_all_relays_of_its_server(void **state) {
    const int far[] = {add_relay(1), add_relay(2), add_relay(1), add_relay(1)};
    const struct instance_key key = key_of(1);
    const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    relays[2].key.revision[0] = 1;
    relay_pool_renew_service(&key, file);
    for (int i = 0; i < 4; i++) {
        char word = 0;
        int fd = -1;
        struct packet p = {&word, 1, &fd, 1, 0};
        const ssize_t n = packet_receive(far[i], &p);

        if (i == 1 || i == 2) {
            assert_int_equal(n, -1);
        } else {
            assert_int_equal(n, 1);
            assert_int_equal(word, *RELAY_WORD_SERVICE);
            assert_int_equal(p.fd_count, 1);
            (void)close(fd);
        }
        (void)close(far[i]);
    }
    (void)close(file);
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, end_all)
    const struct CMUnitTest tests[] = {
        TEST(so_many_servers_are_remembered),
        TEST(so_many_relays_run),
        TEST(a_server_has_so_many_instances),
        TEST(a_server_that_fails_is_started_again_after_longer_and_longer_waits),
        TEST(a_file_reaches_all_relays_of_its_server),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The share of a site: who is refused while workers are scarce. */
#include "unit.h"

#include "server/scoreboard.h"

#define MAX 8
#define SHARE 2
#define SITE 1
#define OTHER 2

static void occupy(struct scoreboard *b, unsigned count, uint32_t site, int64_t for_ms) {
    for (; count; count--) {
        struct slot *s = &b->slots[b->slots_used++];

        slot_set(s, SLOT_BUSY, clock_monotonic_ms());
        s->site = site;
        s->held_since_ms -= for_ms;
    }
}

static bool is_over(struct scoreboard *b) {
    const struct site_load load = scoreboard_load(b, SITE);

    return site_load_is_over(&load, SHARE, MAX);
}

/* `own` requests of the site that have just come, beside others. */
static bool refuses(unsigned own, unsigned others, unsigned held) {
    struct scoreboard *b = xcalloc(1, sizeof *b);
    bool over;

    occupy(b, own, SITE, 0);
    occupy(b, others, OTHER, 0);
    occupy(b, held, OTHER, HELD_MS + 1000);
    over = is_over(b);
    free(b);
    return over;
}

static void refused_while_workers_are_held(void **state) {
    (void)state;
    assert_true(refuses(3, 0, 4));
    assert_false(refuses(2, 2, 4)); /* it has its share */
    assert_false(refuses(3, 4, 3)); /* most end at once */
    assert_false(refuses(MAX + 4, 0, 0));
}

static void a_call_holds_no_worker(void **state) {
    struct scoreboard *b = xcalloc(1, sizeof *b);

    (void)state;
    occupy(b, MAX, SITE, HELD_MS + 1000);
    assert_true(is_over(b));
    for (unsigned i = 0; i < MAX; i++)
        slot_set_call(&b->slots[i], true);
    assert_int_equal(scoreboard_load(b, SITE).all, 0);
    for (unsigned i = 0; i < MAX; i++)
        slot_set_call(&b->slots[i], false);
    assert_int_equal(scoreboard_load(b, SITE).all, MAX);
    assert_false(is_over(b)); /* the time of the call held no worker */
    free(b);
}

static void one_that_may_have_all_is_not_refused(void **state) {
    const struct site_load load = {.all = MAX + 1, .site = MAX + 1, .held = MAX};

    (void)state;
    assert_true(site_load_is_over(&load, MAX - 1, MAX));
    assert_false(site_load_is_over(&load, MAX, MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(refused_while_workers_are_held),
                                       cmocka_unit_test(a_call_holds_no_worker),
                                       cmocka_unit_test(one_that_may_have_all_is_not_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

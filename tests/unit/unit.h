/* What every unit test includes: cmocka and a fresh arena per test. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/err.h"

static inline int arena_setup(void **state) {
    *state = arena_new(64 << 20);
    return 0;
}

static inline int arena_teardown(void **state) {
    arena_free(*state);
    return 0;
}

/* A test that gets a fresh arena as its state. */
#define WITH_ARENA(fn) cmocka_unit_test_setup_teardown(fn, arena_setup, arena_teardown)

#endif

/* For tests of the runner: an arena and a folder for each test,
 * cmocka_unit_test_setup_teardown(f, begin, end). */
#ifndef RUNNER_FOLDER_H
#define RUNNER_FOLDER_H

#include "unit.h"

static struct arena *a;
static char dir[UNIT_PATH_MAX]; /* where the programs run */

static int begin(void **state) {
    (void)state;
    a = arena_new(UNIT_ARENA_BYTES);
    folder_make(dir);
    return 0;
}

static int end(void **state) {
    (void)state;
    folder_remove(dir);
    arena_free(a);
    return 0;
}

#endif

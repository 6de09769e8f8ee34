/* What every unit test includes: cmocka, a fresh arena for a test, and files and folders of a test
 * below /tmp. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"

#define UNIT_ARENA_BYTES ((size_t)64 << 20)
#define UNIT_PATH_MAX 64

static inline int arena_setup(void **state) {
    *state = arena_new(UNIT_ARENA_BYTES);
    return 0;
}

static inline int arena_teardown(void **state) {
    arena_free(*state);
    return 0;
}

/* A test that gets a fresh arena as its state. */
#define WITH_ARENA(fn) cmocka_unit_test_setup_teardown(fn, arena_setup, arena_teardown)

/* Makes a new folder with mode 0700, and writes its path to `path`. */
static inline void folder_make(char path[UNIT_PATH_MAX]) {
    strcpy(path, "/tmp/mcp-authd-unit-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline int unit_remove_entry(const char *path, const struct stat *st, int type,
                                    struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline bool under_valgrind(void) {
    const char *preload = getenv("LD_PRELOAD");

    return preload && strstr(preload, "vgpreload");
}

/* Removes a folder with everything in it. */
static inline void folder_remove(const char *path) {
    assert_int_equal(nftw(path, unit_remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Makes a new empty file with mode 0600, and writes its path to `path`. */
static inline void file_make(char path[UNIT_PATH_MAX]) {
    int fd;

    strcpy(path, "/tmp/mcp-authd-unit-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

/* Writes a file anew. A file that exists is removed first: root alone can open one that its owner
 * may only read. */
static inline void file_write_bytes(const char *path, const void *bytes, size_t len, mode_t mode) {
    FILE *f;

    (void)unlink(path);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fwrite(bytes, 1, len, f) == len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static inline void file_write(const char *path, const char *text, mode_t mode) {
    file_write_bytes(path, text, strlen(text), mode);
}

static inline void file_write_in(const char *folder, const char *name, const char *text,
                                 mode_t mode) {
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file_write(path, text, mode);
}

#endif

/* What fuzz targets share: properties that abort, files for parsers that read files, and a quiet
 * log. A target that needs something once asks for it with `static bool ready`. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/utf8.h"

#define ARENA_BYTES ((size_t)256 << 20)

/* A property that must hold for every input. */
#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: violated: %s\n", __FILE__, __LINE__, #what);                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- memory ---- */

/* The sanitizers' count of what is allocated now, in bytes; without them there is none. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static inline size_t fuzz_allocated(void) {
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : 0;
}

/* ---- a folder of this process, removed when it ends ---- */

static char fuzz_dir[64];

static inline void fuzz_remove(void) {
    char command[96];

    (void)snprintf(command, sizeof command, "rm -rf %s", fuzz_dir);
    if (system(command))
        perror(fuzz_dir);
}

static inline const char *fuzz_folder(void) {
    if (*fuzz_dir)
        return fuzz_dir;
    (void)snprintf(fuzz_dir, sizeof fuzz_dir, "%s/fuzz-XXXXXX",
                   access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    MUST(mkdtemp(fuzz_dir));
    MUST(!atexit(fuzz_remove));
    log_set_level((enum log_level)(LOG_ERROR + 1)); /* nothing */
    return fuzz_dir;
}

/* A file of that name in it, with these bytes. */
static inline void fuzz_write(const char *path, const void *data, size_t len, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    MUST(fd >= 0);
    MUST(write(fd, data, len) == (ssize_t)len);
    MUST(!close(fd));
}

static inline const char *fuzz_path(struct arena *a, const char *name) {
    return arena_printf(a, "%s/%s", fuzz_folder(), name);
}

/* ---- inputs of several parts ---- */

/* The line at *data, without its end, as a string; what is behind it stays. */
static inline char *take_line_of(struct arena *a, const uint8_t **data, size_t *size) {
    const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
    size_t len = end ? (size_t)(end - *data) : *size;
    char *line = arena_strndup(a, (const char *)*data, len);

    *data += len + (end != NULL);
    *size -= len + (end != NULL);
    return line;
}

/* ---- properties of texts ---- */

static inline bool is_utf8_text(const char *s) {
    return utf8_valid_length(s, strlen(s)) == strlen(s);
}

/* Fit for a terminal and for a line of a log: no control character. */
static inline bool is_plain_line(const char *s, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] < ' ' || s[i] == 127)
            return false;
    return true;
}

/* Each problem that a loader reports is one plain line; how many there are. */
static inline unsigned count_problems(const char *text, size_t len) {
    unsigned count = 0;

    while (len) {
        const char *end = memchr(text, '\n', len);

        MUST(end && end > text);
        MUST(is_plain_line(text, (size_t)(end - text)));
        count++;
        len -= (size_t)(end - text) + 1;
        text = end + 1;
    }
    return count;
}

#endif

/* Reads a small file whole, straight into the arena: what is in it may be a secret, so no copy is
 * left in a buffer of the C library. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "aws/profile.h"
#include "base/read_open.h"

static ssize_t read_all(int fd, char *text, size_t max) {
    size_t len = 0;
    ssize_t got;

    while (len < max && (got = read(fd, text + len, max - len)) != 0) {
        if (got < 0 && errno != EINTR)
            return -1;
        len += got > 0 ? (size_t)got : 0;
    }
    text[len] = 0;
    return (ssize_t)len;
}

enum rc aws_file_read(struct arena *a, const char *path, char **text, struct err *e) {
    const char *why;
    int fd = read_open(path, &why);
    ssize_t len;

    if (fd < 0)
        return err_set(e, ERR_MISSING, "%s cannot be read: %s", path, why);
    *text = arena_alloc(a, AWS_FILE_MAX + 2);
    len = read_all(fd, *text, AWS_FILE_MAX + 1);
    if (len < 0)
        (void)err_set(e, ERR_MISSING, "%s cannot be read: %s", path, strerror(errno));
    else if ((size_t)len > AWS_FILE_MAX)
        (void)err_set(e, ERR_TOO_LARGE, "%s is longer than %zu bytes", path, AWS_FILE_MAX);
    else if (strlen(*text) < (size_t)len)
        (void)err_set(e, ERR_MISCONFIGURED, "%s has a NUL byte in it", path);
    else
        e->code = OK;
    (void)close(fd);
    return e->code;
}

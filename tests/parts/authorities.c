/* For tests, with LD_PRELOAD: the system's file of certificate authorities is the one that
 * $TEST_AUTHORITIES names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *replaced(const char *path) {
    return strcmp(path, "/etc/ssl/certs/ca-certificates.crt") ? path : getenv("TEST_AUTHORITIES");
}

int open(const char *path, int flags, ...) {
    int (*real)(const char *, int, ...);
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    *(void **)&real = dlsym(RTLD_NEXT, "open");
    return real(replaced(path), flags, mode);
}

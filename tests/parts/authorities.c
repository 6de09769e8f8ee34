/* For tests, with LD_PRELOAD: the system's file of certificate authorities is the one that
 * $TEST_AUTHORITIES names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *replaced(const char *path) {
    return strcmp(path, "/etc/ssl/certs/ca-certificates.crt") ? path : getenv("TEST_AUTHORITIES");
}

/* GnuTLS reads it by this. */
FILE *fopen(const char *path, const char *mode) {
    FILE *(*real)(const char *, const char *);

    *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    return real(replaced(path), mode);
}

int access(const char *path, int mode) {
    int (*real)(const char *, int);

    *(void **)&real = dlsym(RTLD_NEXT, "access");
    return real(replaced(path), mode);
}

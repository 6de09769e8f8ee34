/* Stores login sessions as a worker does, for `make bench-instructions`: fill_sessions STATE_DIR
 * COUNT. They expire in an hour, and each is as long as that of a login that has come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/sessions.h"
#include "store/stores.h"

#define TTL_S 3600
#define SEALED_BYTES 400

/* In place of the C library's: LMDB calls it for each session, and nothing here must survive a
 * crash. */
__attribute__((visibility("default"))) int fdatasync(int fd) {
    (void)fd;
    return 0;
}

int main(int argc, char **argv) {
    static char sealed[SEALED_BYTES + 1];
    static const struct clock clock;
    const struct config config = {.state_dir = argc == 3 ? argv[1] : "", .workers_max = 1};
    const long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    struct session_store *store;
    struct err e;
    enum rc rc;

    if (count < 1) {
        fputs("usage: fill_sessions STATE_DIR COUNT\n", stderr);
        return 2;
    }
    memset(sealed, 's', SEALED_BYTES);
    rc = session_store_lmdb.open(&(struct store_options){.config = &config, .clock = &clock},
                                 &store, &e);
    for (long i = 0; i < count && !rc; i++) {
        char id[SESSION_ID_MAX];
        const struct session session = {.id = id,
                                        .state = SESSION_AUTHORIZED,
                                        .browser = "browser",
                                        .login = sealed,
                                        .grant = sealed,
                                        .attempt = "attempt",
                                        .ttl = clock_now_s(&clock) + TTL_S};

        /* An odd factor: all differ, and their order is not that of their making. */
        (void)snprintf(id, sizeof id, "%016llx",
                       (unsigned long long)(i + 1) * 0x9e3779b97f4a7c15ULL);
        rc = session_store_put(store, &session, &e);
    }
    if (rc)
        fprintf(stderr, "fill_sessions: %s\n", e.text);
    session_store_close(store);
    return rc ? 1 : 0;
}

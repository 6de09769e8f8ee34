/* A worker: serves one request at a time until a signal ends it. Signals are blocked, and received
 * between requests only:
 *   TERM  answers its request and those in the listener's queue, and exits
 *   QUIT  answers its request, and exits
 *   USR1  looks for what waits, if it is idle
 * When the master has ended it closes the listener at once, answers its request, and exits. */
#pragma once

#include <signal.h>

#include "app/site_set.h"
#include "server/scoreboard.h"

#define WORKER_EXIT_START 3 /* exit status of a worker that could not start */
#define WORKER_LOOK SIGUSR1
#define WORKER_MASTER_ENDED SIGRTMIN /* the death signal that a worker must be started with */

struct catalog;

struct worker_args {
    const struct site_set *sites;
    const struct config *config; /* of the host */
    struct catalog *catalog;     /* of the one site; NULL: ENDPOINTS has no use for it */
    unsigned manifests_seen;     /* changes of manifests that are in the catalog */
    int listener;
    int stream_channel; /* to the stream holder */
    int resume;         /* from it: parked calls that go on */
    int wake_master;    /* eventfd: written when ready, and when no idle worker is left */
    struct scoreboard *board;
    struct token_memory *shared; /* of struct app_options */
    unsigned slot;
    pid_t master;
    int drain_ms;
};
_Noreturn void worker_main(const struct worker_args *args);

/* A worker: serves one request at a time until it is told to stop. Started with all signals
 * blocked; it takes them between requests only:
 *   TERM  answers what it has and what is waiting at the listener, and leaves
 *   QUIT  answers what it has, and leaves
 * When the master has ended it closes the listener at once, answers what it has, and leaves. */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "config/config.h"
#include "server/scoreboard.h"

#define WORKER_EXIT_START 3          /* exit status of a worker that could not start */
#define WORKER_MASTER_ENDED SIGRTMIN /* the death signal that a worker must be started with */

struct worker_args {
    const struct config *config;
    int listener;
    int stream_channel; /* to the stream holder */
    int wake_master;    /* eventfd: written when ready, and when no idle worker is left */
    struct scoreboard *board;
    unsigned slot;
    pid_t master;
    int drain_ms;
};
_Noreturn void worker_main(const struct worker_args *args);

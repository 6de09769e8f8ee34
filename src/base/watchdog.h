/* Processes of the daemon besides workers, and their signs of life, in memory that the master
 * shares with all of them. The master (server/liveness.c) kills one that gives none for too long.
 * Before watchdog_open (unit tests, -t) all of this does nothing. */
#ifndef BASE_WATCHDOG_H
#define BASE_WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WATCHDOG_PLACES 1040   /* tasks (TASKS_MAX) and a few; one more is not watched */
#define WATCHDOG_EVERY_MS 1000 /* a process should give a sign about this often */

struct watchdog_place {
    _Atomic pid_t pid; /* 0: free */
    _Atomic int limit_ms;
    _Atomic unsigned signs;
};

/* By the master, before it forks; false: errno. */
bool watchdog_open(void);
void watchdog_close(void);
struct watchdog_place *watchdog_place(unsigned i);
pid_t watchdog_master(void); /* 0: there is none */
/* Of this daemon since its start, on this host alone; 0: there is none. */
uint64_t watchdog_instance(void);

/* This process is watched from now on, until it ends and the master has reaped it. */
void watchdog_begin(int limit_ms);
void watchdog_sign(void);

#endif

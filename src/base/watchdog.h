/* Heartbeats of the daemon's processes besides workers, in memory that the master shares with them.
 * The master (server/children.c) kills a process whose heartbeat stops for too long. Before
 * watchdog_open (unit tests, -t) all of this does nothing. */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>

#include "base/base.h"

#define WATCHDOG_SLOTS 1040       /* tasks (TASKS_MAX) and a few; without one there is no watch */
#define WATCHDOG_INTERVAL_MS 1000 /* how often a process should call watchdog_heartbeat */

struct watchdog_slot {
    _Atomic pid_t pid; /* 0: free */
    _Atomic int limit_ms;
    _Atomic unsigned heartbeats;
};

/* By the master, before it forks; false: errno. */
bool watchdog_open(void);
void watchdog_close(void);
struct watchdog_slot *watchdog_slot(unsigned i);
pid_t watchdog_master(void); /* 0: there is none */
/* Of this daemon since its start, on this host alone; 0: there is none. */
uint64_t watchdog_instance(void);

/* This process is watched from now on, until it ends and the master has reaped it. */
void watchdog_begin(int limit_ms);
void watchdog_heartbeat(void);

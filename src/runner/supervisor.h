/* A supervisor: a process of the runner that has one run at a time, from a connection to the
 * answer. It adopts the run's orphans (child.h), so what a program has left behind is its child and
 * is killed at the end. */
#pragma once

#include <sys/types.h>

#include "runner/cgroup.h"
#include "runner/request.h"

#define SUPERVISORS_MAX 2048 /* runs at a time; the daemon's own limits are below it */
#define SUPERVISOR_IDLE_S 10 /* without a run: then it leaves, unless it is the last idle one */
#define HOME_PATH_MAX 64

enum supervisor_state { SUPERVISOR_NONE, SUPERVISOR_IDLE, SUPERVISOR_BUSY, SUPERVISOR_LEAVING };

/* In memory that all processes of the runner share: */
struct supervisor_slot {
    pid_t pid; /* of the runner alone */
    _Atomic int state;
    /* Why the program was not started: written between fork and exec by the child, which may have
     * other memory than its supervisor. */
    struct {
        enum run_step step;
        int error; /* 0: it was started */
    } failure;
    char home[HOME_PATH_MAX]; /* the directory for private directories; "": there is none */
};

struct runner_shared {
    pid_t pid; /* of the runner */
    int64_t started_s;
    _Atomic uint64_t runs; /* that have begun */
    _Atomic unsigned used; /* slots above are free, and were always */
    struct supervisor_slot slots[SUPERVISORS_MAX];
};

struct runner {
    int listener; /* accept(2) on it waits for SUPERVISOR_IDLE_S */
    int wake;     /* eventfd(2): no supervisor is idle */
    int pool;     /* where connections for the instance pool are sent */
    uid_t client; /* who may ask for runs, besides root */
    bool landlock;
    bool notify; /* seccomp_notify.h works */
    struct cgroup_tree cgroups;
    struct runner_shared *shared;
};

/* Until it was idle for long, or SIGTERM has come, after which it still finishes its run. */
_Noreturn void supervisor_main(const struct runner *r, unsigned slot);
/* Removes what one that has ended has left: its group, and private directories. */
void supervisor_remove(const struct runner *r, unsigned slot);

/* ---- memory.c */

/* The resident memory of a process and of those that its main thread has started, in bytes, as
 * proc(5) says it now. */
int64_t memory_of_tree(pid_t pid);

/* ---- private_directory.c */

/* Makes a new empty directory, to which *path is set: it stays valid until the next one is made.
 * false: errno. */
bool private_directory_make(char base[HOME_PATH_MAX], const char **path);
/* Removes everything below it, whatever a program has made of it. */
void private_directory_empty(const char *base);

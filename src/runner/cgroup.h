/* Control groups for runs (cgroups(7), version 2; Linux 5.14 and later, for cgroup.kill): limits
 * that hold for a program with all that it starts, and an end that nothing in the group escapes.
 *
 * They are used where the service manager has delegated the runner's group to its user
 * (Delegate=yes of systemd.resource-control(5)): the group's directory belongs to that user. In it
 * are the group `runner`, with the runner's own processes, and one for each supervisor. */
#pragma once

#include "runner/request.h"

#include <sys/types.h>

struct cgroup_tree {
    int dir;                /* -1: there are no control groups for runs */
    bool memory, pids, cpu; /* controllers that are in force */
};

/* One supervisor's. */
struct cgroup {
    char name[24];
    int dir; /* -1: not made yet */
    int events, kill;
    int64_t oom_kills; /* that have been told */
    bool limited;      /* `now` is what it has */
    struct run_limits now;
};

/* Takes over the group that the calling process is in, or the one at `root`. If there is none that
 * is ours, *t says so: that is no error. What a runner has left behind that was killed is ended. */
void cgroup_tree_open(struct cgroup_tree *t, const char *root);

/* false: errno. */
bool cgroup_open(const struct cgroup_tree *t, unsigned number, struct cgroup *g);
bool cgroup_limit(const struct cgroup_tree *t, struct cgroup *g, const struct run_limits *limits);
/* Starts a child in the group, which calls `child` and shares the caller's memory; the caller waits
 * until it calls execve or ends, as with vfork(2). It is not moved into the group, since a move
 * waits for all processors. `pass`: that of the filter that the caller is held to (seccomp.h).
 * Returns its process id, or -1 with errno. */
pid_t cgroup_vfork(const struct cgroup *g, uint64_t pass, void (*child)(void *arg), void *arg);
/* Has the kernel killed something in it for want of memory since it was asked last? */
bool cgroup_ran_out_of_memory(struct cgroup *g);
/* If there is something in it, kills that, waits until it is empty, and removes the group, since a
 * process that is started in a group after a kill may be killed as well: Linux compares the count
 * of kills with that of the parent's group. The next run makes a new one. false: something is stuck
 * in the kernel. */
bool cgroup_end(const struct cgroup_tree *t, struct cgroup *g, int wait_ms);
/* That of a supervisor that has ended, with what is in it. */
void cgroup_remove(const struct cgroup_tree *t, unsigned number);

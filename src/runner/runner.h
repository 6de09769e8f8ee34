/* The runner: the process that starts programs for the daemon. It is started by exec, so that its
 * memory has no key, with an environment that has nothing of the daemon's; it knows nothing of MCP
 * and reads nothing of a client but arguments within a bounded request (request.h).
 *
 *     runner.c                 its main process, which has supervisors at the ready
 *     supervisor.c             a process that has one run at a time (private_directory.c, cgroup.c,
 *                              landlock.c: what contains a program)
 *     client.c, process.c      the daemon's side
 *     start.c                  how it is started */
#pragma once

#include <sys/types.h>

#include "base/base.h"

#define RUNNER_LISTENER_FD 3 /* the socket that it listens on; sd_listen_fds(3) */

struct runner_options {
    const char *user;        /* that it becomes, if it is root; NULL: the one that it is */
    const char *client_user; /* who may ask for runs, besides root; NULL: who has started it */
    const char *cgroup;      /* the group to use, for tests; NULL: its own, if it is delegated */
};

/* `mcp-authd runner …`: the words behind the command. Returns the exit status. */
int runner_command(int argc, char **argv);
/* Serves the listening socket until SIGTERM, after which runs that have begun are finished. Returns
 * the exit status. */
int runner_main(int listener, const struct runner_options *o);

/* start.c: becomes a runner, by exec, so that nothing of the memory and environment is left in it.
 * `user`: that it becomes, if this process is root; "": none. `quiet`: it logs only errors. */
_Noreturn void runner_exec(int listener, const char *user, bool quiet);
/* For a command: starts a runner, by which this process then starts programs. Returns its process
 * id, for runner_end. -1: errno. */
pid_t runner_begin(const char *user);
void runner_end(pid_t pid);

/* A listening socket of a runner, without a name: only who has the descriptor *connector, or gets
 * it from its parent, can connect to it, so no program can. Made below `dir`. false: errno. */
bool runner_listen(const char *dir, int *listener, int *connector);

/* One daemon for one STATE_DIR: the files in it would bear two, but not what they count and say.
 * The lock is the process's own (fcntl(2)): children do not inherit it, and however the master
 * ends, the next one can start while its workers still finish. */
#pragma once

#include "base/err.h"
#include "config/config.h"

/* *fd holds it until state_unlock, or until this process ends; -1: there is nothing to lock. Waits
 * up to 2 s for a daemon that is about to stop. */
enum rc state_lock(const struct config *config, int *fd, struct err *e) MUST_USE;
void state_unlock(int *fd);

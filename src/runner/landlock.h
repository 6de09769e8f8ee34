/* What a program may open, by Landlock (landlock(7), Linux 5.13 and later): the system's programs
 * and libraries, its own directory, and the paths of its manifest. A program that is contained so
 * also cannot trace another process, and since ABI 6 of Landlock cannot send a signal to one. */
#pragma once

#include "runner/request.h"

/* The version of the kernel's interface; 0: there is none, or it is switched off. */
unsigned landlock_abi(void);
/* Tries it out in a child process: true if a path that is not allowed cannot be opened. */
bool landlock_works(void);

/* A ruleset for this run; `home`: its private directory, or NULL. It stays open and is used again
 * for the same paths: it is not to be closed. -1: errno, of a path of the request that cannot be
 * opened. Only where landlock_abi() is not 0. */
int landlock_ruleset(const struct run_request *r, const char *home);
/* Contains the calling process and all that it starts, for good. no_new_privs must be set
 * (landlock_restrict_self(2)). Safe after vfork. */
bool landlock_enter(int ruleset);

/* landlock_etc.c: does the entry of /etc of this name serve only the machine's administration? */
bool landlock_is_administration(const char *name);

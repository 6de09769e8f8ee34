/* Can a program be started? For a script with a wrong first line the kernel only reports "No such
 * file or directory", and only at the start. */
#pragma once

#include "base/arena.h"

#define PROGRAM_PATH "/usr/local/bin:/usr/bin:/bin" /* where programs look for programs */

/* Why execve would fail for a file with the right permissions; NULL: it would not. */
const char *executable_fault(struct arena *a, const char *path);

/* Can a program be started? The kernel says only "No such file or directory" of a script with a
 * wrong first line, and only when it is called. */
#ifndef CATALOG_EXECUTABLE_H
#define CATALOG_EXECUTABLE_H

#include "base/arena.h"

#define PROGRAM_PATH "/usr/local/bin:/usr/bin:/bin" /* where programs look for programs */

/* Why execve will fail with this file, whose permissions are good; NULL: it will not. */
const char *executable_fault(struct arena *a, const char *path);

#endif

/* The tools that are always there: one to see who the server takes you for, one to see that calls
 * arrive. */
#ifndef EXEC_BUILTIN_H
#define EXEC_BUILTIN_H

#include "catalog/tools.h"
#include "exec/executor.h"

#define BUILTIN_TOOLS 2
extern const struct tool builtin_tools[BUILTIN_TOOLS];
extern const struct executor builtin_executor;

#endif

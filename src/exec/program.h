/* The executor of programs: their input, their messages while they run, and the input that they ask
 * for (docs/tools.md). */
#ifndef EXEC_PROGRAM_H
#define EXEC_PROGRAM_H

#include "exec/executor.h"

extern const struct executor program_executor;

#endif

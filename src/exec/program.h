/* A program of a manifest executes a call: what it reads, its messages on the way, and the input
 * that it asks for (docs/tools.md). */
#ifndef EXEC_PROGRAM_H
#define EXEC_PROGRAM_H

#include "exec/executor.h"

extern const struct executor program_executor;

#endif

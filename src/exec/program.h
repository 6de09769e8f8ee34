/* The executor of programs: their input, their messages while they run, and the input that they ask
 * for (docs/tools.md). */
#pragma once

#include "exec/executor.h"

extern const struct executor program_executor;

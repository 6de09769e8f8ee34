/* The built-in tools: whoami returns the caller's claims, echo its argument. */
#pragma once

#include "catalog/tools.h"
#include "exec/executor.h"

#define BUILTIN_TOOLS 2
extern const struct tool builtin_tools[BUILTIN_TOOLS];
extern const struct executor builtin_executor;

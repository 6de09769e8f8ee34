/* Loads the configuration, and says what is wrong with it. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include <stdio.h>

#include "base/attr.h"
#include "config/config.h"

/* Reads and checks everything, and writes every fault found to `errors`: a line each, with file,
 * line, what was read and what would be right. NULL if there was any. path NULL: environment only.
 * Free with config_free. */
struct config *config_load(const char *path, FILE *errors) MUST_USE;

#endif

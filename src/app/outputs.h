/* The paths that the configuration names for what the service writes, tried before it needs them.
 */
#pragma once

#include "base/base.h"
#include "config/config.h"

/* For commands: root may write where the service's user, who owns STATE_DIR, may not. Root
 * becomes that user for good; others stay who they are. */
void outputs_become_service(const struct config *c);

/* A line to `problems` for each that cannot be written by this user; nothing is made or changed.
 * STATE_DIR is not among them: it may be made later. */
bool outputs_check(const struct config *c, FILE *problems);

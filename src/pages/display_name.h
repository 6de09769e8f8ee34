/* Names that clients give themselves, as they may stand on a page or a terminal. */
#pragma once

#include "base/arena.h"

/* The name on one line, without what could end a quotation, act on the text around it, or not be
 * seen: quotation marks become ', spaces of all kinds and control characters one space, and
 * invisible characters go. "?" if nothing is left. It is no HTML. */
const char *display_name(struct arena *a, const char *name);

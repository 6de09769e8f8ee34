/* Random bytes from the kernel (getrandom). They never fail; at boot they wait until the kernel has
 * collected entropy. */
#pragma once

#include "base/base.h"

void random_bytes(void *out, size_t len);
/* `bytes` random bytes as base64url, in the arena. */
char *random_text(struct arena *a, size_t bytes);

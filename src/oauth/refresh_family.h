/* The refresh tokens of one login, each made from the one before: a family (RFC 9700 §4.14.2). For
 * some time a token that comes again may be one whose answer was lost; after that somebody has
 * what is not theirs, and nobody can say who. What this host remembers of it is in the cache. */
#pragma once

#include "site/site.h"

struct arena;
struct refresh_grant;

/* Reused: this one, or a
 * younger one, was used longer ago than an answer is given again. */
enum family { FAMILY_GOOD, FAMILY_ENDED, FAMILY_REUSED };
const char *family_new(struct arena *a);
enum family family_state(struct site *site, struct arena *a, const struct refresh_grant *grant);
/* Remembers that it was used, and makes it the next one. */
void family_next(struct site *site, struct arena *a, struct refresh_grant *grant);
void family_end(struct site *site, struct arena *a, const struct refresh_grant *grant);

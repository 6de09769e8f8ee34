/* \p{…} of ECMA-262 (§22.2.1, tables 67 to 69): names are exact there, and loose in PCRE2. */
#ifndef JSONSCHEMA_REGEX_PROPERTY_H
#define JSONSCHEMA_REGEX_PROPERTY_H

#include <stdbool.h>

#include "base/arena.h"

/* What stands in the braces, as PCRE2 has it; NULL if ECMA-262 has no such property. *negated is
 * turned over if PCRE2 has only the opposite. */
const char *regex_property(struct arena *a, const char *text, size_t len, bool *negated);

#endif

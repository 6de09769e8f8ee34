/* From a pattern of ECMA-262 with the u flag (§22.2.1), which is what JSON Schema means (Core
 * §6.4), to one for PCRE2 with the options of pattern.c, which make it read \u, \x and [] as
 * ECMA-262 has them. The whole grammar is read, so that nothing that PCRE2 alone knows gets
 * through.
 */
#ifndef JSONSCHEMA_REGEX_H
#define JSONSCHEMA_REGEX_H

#include "base/arena.h"

/* NULL, and *why says what is wrong with it, or is not supported. What is left to PCRE2 to refuse:
 * ranges and repetitions that are out of order, or too large. */
const char *regex_translate(struct arena *a, const char *text, size_t len, size_t *out_len,
                            const char **why);

#endif

/* Patterns of ECMA-262 with the u flag (§22.2.1), which is what JSON Schema means (Core §6.4), by
 * PCRE2. */
#pragma once

#include "base/base.h"

/* `regex` is what regex_translate gives. NULL, and *why says why PCRE2 refuses it. */
struct pattern *pattern_compile(struct arena *keep, const char *regex, size_t len,
                                const char **why);

enum pattern_result { PATTERN_DOES_NOT_MATCH, PATTERN_MATCHES, PATTERN_LIMIT_REACHED };
/* Is there a match in `s`? PATTERN_LIMIT_REACHED at a limit of PCRE2, or after deadline_ms. */
enum pattern_result pattern_match(const struct pattern *p, const char *s, size_t len,
                                  int64_t deadline_ms);
/* What stands in the braces of \p{…}, as PCRE2 has it; NULL if ECMA-262 has no such property.
 * *negated is inverted if PCRE2 has only the opposite. */
const char *regex_property(struct arena *a, const char *text, size_t len, bool *negated);

/* regex.c: from a pattern of ECMA-262 to one for PCRE2 with the options of pattern.c, which make it
 * read \u, \x and [] as ECMA-262 has them. The whole grammar is read, so that nothing that PCRE2
 * alone knows gets through. NULL, and *why says what is wrong with it, or is not supported. What is
 * left to PCRE2 to refuse: ranges and repetitions that are out of order, or too large. */
const char *regex_translate(struct arena *a, const char *text, size_t len, size_t *out_len,
                            const char **why);

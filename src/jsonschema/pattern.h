/* Matching of patterns, by PCRE2. */
#ifndef JSONSCHEMA_PATTERN_H
#define JSONSCHEMA_PATTERN_H

#include <stdint.h>

#include "base/arena.h"

struct pattern;

/* `regex` is what regex_translate gives. NULL, and *why says why PCRE2 refuses it. */
struct pattern *pattern_compile(struct arena *keep, const char *regex, size_t len,
                                const char **why);

enum pattern_result { PATTERN_NO, PATTERN_YES, PATTERN_GAVE_UP };
/* Is there a match in `s`? PATTERN_GAVE_UP at a limit of PCRE2, or after deadline_ms. */
enum pattern_result pattern_match(const struct pattern *p, const char *s, size_t len,
                                  int64_t deadline_ms);

#endif

/* The front matter of a skill's SKILL.md: the YAML between two lines of "---" at its beginning, as
 * the JSON object that clients are shown (SEP-2640 "Frontmatter"). */
#pragma once

#include "base/json.h"

#define FRONT_MATTER_BYTES_MAX ((size_t)65536)
#define FRONT_MATTER_DEPTH_MAX 16 /* mappings and sequences in each other */

/* Reads it from the text of the whole file into `keep`. Plain scalars are null, true, false, a
 * number or a string as in the core schema of YAML 1.2 (§10.3). What cannot be the same in JSON, or
 * in another YAML parser, is refused: anchors, aliases, tags, keys that are no scalars or come
 * twice, numbers that JSON writes otherwise. ERR_INVALID_REQUEST with the reason and the line. */
enum rc front_matter_read(struct arena *keep, struct text file, struct json **out,
                          struct err *e) MUST_USE;

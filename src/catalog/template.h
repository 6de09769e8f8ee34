/* Text with {{name}} in it. */
#pragma once

#include "base/arena.h"
#include "base/json.h"

#define TEMPLATE_BYTES_MAX ((size_t)1 << 20) /* of an expanded value, as JSON */

/* A copy of the value in which {{name}} in strings is replaced by the string values[name], or by
 * nothing if there is no value. {{ }} in values is not replaced. NULL: the copy would have more
 * than TEMPLATE_BYTES_MAX. */
struct json *template_expand(struct arena *a, struct json *v, const struct json *values);
/* The first name in it that is not a member of `names`, or NULL. */
const char *template_unknown(struct arena *a, const struct json *v, const struct json *names);

/* Text with {{name}} in it, and URI templates. */
#ifndef CATALOG_TEMPLATE_H
#define CATALOG_TEMPLATE_H

#include "base/arena.h"
#include "base/json.h"

#define TEMPLATE_BYTES_MAX ((size_t)1 << 20) /* of an expanded value, as JSON */

/* A copy of the value in which {{name}} inside of strings is replaced by the string values[name]; a
 * name without a value becomes nothing. *values may hold anything: what it holds is not looked at
 * for {{ }} again. NULL: the copy would have more than TEMPLATE_BYTES_MAX. */
struct json *template_expand(struct arena *a, struct json *v, const struct json *values);
/* The first name in it that is not a member of `names`, or NULL. */
const char *template_unknown(struct arena *a, const struct json *v, const struct json *names);

#define URI_VARIABLES_MAX 32
#define RESOURCE_URI_MAX 8192 /* bytes of one that a template may match */
#define URI_TEMPLATE_STEPS_MAX 1000000

/* RFC 6570 level 1 and 2 as far as resources need them: {name} stands for a part without a slash,
 * {+name} for anything. The names become members of `names`. ERR_INVALID_REQUEST with the reason.
 */
enum rc uri_template_check(struct arena *a, const char *uri_template, struct json *names,
                           struct err *e) MUST_USE;
/* Does the URI match? Then *out has the decoded values by name: the first variable has the shortest
 * value with which the rest matches, and so on. *steps: bytes that may still be looked at, at first
 * URI_TEMPLATE_STEPS_MAX for all templates together; when there are none left, nothing matches. */
bool uri_template_match(struct arena *a, const char *uri_template, const char *uri, size_t *steps,
                        struct json **out);

#endif

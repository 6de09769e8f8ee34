/* Templates: text with {{name}} in it, and URI templates of resources. */
#pragma once

#include "base/json.h"

#define TEMPLATE_BYTES_MAX ((size_t)1 << 20) /* of an expanded value, as JSON */

/* A copy of the value in which {{name}} in strings is replaced by the string values[name], or by
 * nothing if there is no value. {{ }} in values is not replaced. NULL: the copy would have more
 * than TEMPLATE_BYTES_MAX. */
struct json *template_expand(struct arena *a, struct json *v, const struct json *values);
/* The first name in it that is not a member of `names`, or NULL. */
const char *template_unknown_name(struct arena *a, const struct json *v, const struct json *names);

#define URI_VARIABLES_MAX 32
#define RESOURCE_URI_MAX 8192          /* bytes; no template matches a longer URI */
#define URI_TEMPLATE_STEPS_MAX 1000000 /* bytes compared for one URI, with all templates */

/* Checks a URI template. Of RFC 6570 levels 1 and 2, {name} (matches text without a slash) and
 * {+name} (matches any text) are allowed. The names become members of `names`. ERR_INVALID_REQUEST
 * with the reason. */
enum rc uri_template_check(struct arena *a, const char *uri_template, struct json *names,
                           struct err *e) MUST_USE;
/* For a template that a server has, of any level of RFC 6570: one with {name} and {+name} only that
 * matches what it can expand to, and maybe more. *has_query: it is for a URI without what follows
 * its first '?' or '#'. NULL: it is no template, or it does not begin with a scheme. */
const char *uri_template_simplify(struct arena *a, const char *uri_template, bool *has_query);
/* Does the URI match? Then *out has the decoded values by name: the first variable has the shortest
 * value with which the rest matches, and so on. *steps is how many bytes may still be compared, at
 * first URI_TEMPLATE_STEPS_MAX; at 0 nothing matches. */
bool uri_template_match(struct arena *a, const char *uri_template, const char *uri, size_t *steps,
                        struct json **out);

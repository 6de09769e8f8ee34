/* URI templates of resources. */
#pragma once

#include "base/json.h"

#define URI_VARIABLES_MAX 32
#define RESOURCE_URI_MAX 8192 /* bytes of one that a template may match */
#define URI_TEMPLATE_STEPS_MAX 1000000

/* A part of RFC 6570 level 1 and 2: {name} matches text without a slash, {+name} any text. The
 * names become members of `names`. ERR_INVALID_REQUEST with the reason. */
enum rc uri_template_check(struct arena *a, const char *uri_template, struct json *names,
                           struct err *e) MUST_USE;
/* Does the URI match? Then *out has the decoded values by name: the first variable has the shortest
 * value with which the rest matches, and so on. *steps limits the bytes compared:
 * URI_TEMPLATE_STEPS_MAX at first, for all templates together; at 0 nothing matches. */
bool uri_template_match(struct arena *a, const char *uri_template, const char *uri, size_t *steps,
                        struct json **out);

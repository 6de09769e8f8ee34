/* The `resource` parameter (RFC 8707): is it this server? Compared as RFC 3986 §6.2.2 and §6.2.3
 * say; tolerant of what real clients send: none at all, a query, a slash at the end. */
#pragma once

#include "config/config.h"
#include "web/request.h"
#include <stdbool.h>

bool resource_is_ours(const struct config *config, const char *resource);
/* The same of each that a request has (§2). */
bool resources_are_ours(const struct config *config, const struct form *f);

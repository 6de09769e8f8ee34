/* Who may make which call: what an entry of the catalog demands of the caller's token. */
#pragma once

#include "catalog/catalog.h"
#include "mcp/call.h"

struct caller mcp_caller(const struct mcp_call *c);
/* The entry. NULL: it is NULL, or hidden from the caller: with LIST_FORBIDDEN=no, what the caller's
 * groups or claims do not allow is as if it were not there. (An entry for which the token only
 * lacks a scope is not hidden: the client can ask for the scope.) */
const struct entry *mcp_visible(const struct mcp_call *c, const struct entry *entry);
/* As catalog_resource; NULL also for a resource that is hidden from the caller. */
const struct resource *mcp_find_resource(const struct mcp_call *c, const char *uri,
                                         struct json **variables);
/* May the caller use it? NULL: what is no entry demands nothing. ERR_INSUFFICIENT_SCOPE with a
 * challenge, or ERR_ACCESS_DENIED. */
enum rc mcp_check_access(const struct mcp_call *c, const struct entry *entry,
                         struct err *e) MUST_USE;

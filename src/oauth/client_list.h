/* CLIENTS_ALLOW and CLIENTS_DENY: hosts, *.domains, documents, and addresses that end in a slash,
 * which match all that begin so. Anything else is compared with the whole client_id. */
#ifndef OAUTH_CLIENT_LIST_H
#define OAUTH_CLIENT_LIST_H

#include "base/arena.h"
#include <stdbool.h>

bool client_list_has(struct arena *a, const char *list, const char *client_id);

#endif

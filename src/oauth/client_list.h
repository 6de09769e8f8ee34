/* CLIENTS_ALLOW and CLIENTS_DENY: hosts, *.domains, documents, and addresses that end in a slash
 * and stand for all below. Anything else is a client_id as it is. */
#ifndef OAUTH_CLIENT_LIST_H
#define OAUTH_CLIENT_LIST_H

#include "base/arena.h"
#include <stdbool.h>

bool client_list_has(struct arena *a, const char *list, const char *client_id);

#endif

/* CLIENTS_ALLOW and CLIENTS_DENY: hosts, *.domains, documents, and addresses that end in a slash,
 * which match all that begin so. Anything else is compared with the whole client_id. */
#pragma once

#include "base/base.h"

bool client_list_has(struct arena *a, const char *list, const char *client_id);

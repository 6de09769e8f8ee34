/* Which client is meant by a client_id, and may it be used here? */
#pragma once

#include "oauth/client_document.h"
#include "site/site.h"

/* Pinned first, then what the id itself says if it is a registered one, then the document at the
 * URL that it is. ERR_INVALID_CLIENT with the reason, also for one that CLIENTS_ALLOW or
 * CLIENTS_DENY keeps out; ERR_UPSTREAM if the document's host did not answer. */
enum rc client_find(struct site *site, struct arena *a, const char *client_id, struct client *out,
                    struct err *e) MUST_USE;
/* The operator put its document into CLIENTS_DIR. */
bool client_is_pinned(const struct site *site, const char *client_id);
/* The operator vouches for it: it is pinned, or CLIENTS_ALLOW names it. */
bool client_is_trusted(const struct site *site, struct arena *a, const char *client_id);
/* The part of client_find that needs no document: CLIENTS_ALLOW, CLIENTS_DENY, the end of a
 * registration. */
enum rc client_admit(struct site *site, struct arena *a, const char *client_id,
                     struct err *e) MUST_USE;

/* CLIENTS_ALLOW and CLIENTS_DENY: hosts, *.domains, documents, and addresses that end in a slash,
 * which match all that begin so. Anything else is compared with the whole client_id. */
bool client_list_has(struct arena *a, const char *list, const char *client_id);

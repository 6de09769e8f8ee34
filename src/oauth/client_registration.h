/* Clients that registered themselves (RFC 7591): nothing is stored, the client_id is what was
 * registered, sealed, with its end. */
#pragma once

#include "oauth/client_document.h"
#include "site/site.h"

#define DYNAMIC_CLIENT_ID_LEN_MAX 2048
#define DYNAMIC_CLIENT_TTL_S (90 * 86400)

bool client_is_dynamic(const char *client_id);
enum rc client_dynamic_open(struct site *site, struct arena *a, const char *client_id,
                            struct client *out, struct err *e) MUST_USE;

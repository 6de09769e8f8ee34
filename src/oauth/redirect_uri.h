/* May a client be sent to this address? Exact, but for the port on loopback (RFC 8252 §7.3). */
#pragma once

#include "config/config.h"
#include "oauth/client.h"

/* Could any client have it? */
bool redirect_uri_is_acceptable(const struct config *c, struct arena *a, const char *uri);
bool redirect_uri_is_registered(const struct config *c, struct arena *a,
                                const struct client *client, const char *uri);

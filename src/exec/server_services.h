/* The JWT with which the bridge of a server at an address sends what no user asks for
 * (server_identity.h): it is renewed while the server runs, also when nobody calls. */
#pragma once

#include "site/site.h"

/* Of each server of the site that wants one, if it is time. To be called between requests. */
void server_services_renew(struct site *site);

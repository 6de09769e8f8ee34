/* One site: the server of one MCP_SERVER_URI, as a worker sees it. What OAuth and MCP both use
 * stands here; what only one of them uses is a part that its room defines. Nothing of a site is
 * global, so that one daemon can serve several. */
#pragma once

#include "base/clock.h"

struct config;
struct deny_list;
struct cache;
struct idp;
struct rate_limits;
struct revoked;
struct seal_keys;
struct oauth_site; /* oauth/site.h */
struct mcp_site;   /* mcp/call.h */

/* Made once for each worker, after the fork, by app_new. What the site's ENDPOINTS do not need is
 * NULL, here and in the parts. */
struct site {
    const struct config *config;
    struct clock clock;
    struct cache *cache;        /* what the workers of this host share */
    struct seal_keys *seal;     /* keys of everything that leaves us sealed */
    struct idp *idp;            /* the identity provider */
    struct deny_list *deny;     /* DENY_FILE; NULL: nobody */
    struct rate_limits *limits; /* how often what may happen; NULL: there are none */
    struct revoked *revoked;    /* access tokens that were; NULL: none can be */
    struct oauth_site *oauth;
    struct mcp_site *mcp;
};

/* One site: the server of one MCP_SERVER_URI, as a worker sees it. What OAuth and MCP both use
 * stands here; what only one of them uses is a part that its module defines. Nothing of a site is
 * global, so that one daemon can serve several. */
#pragma once

#include "base/clock.h"

/* Made by app/loaded_site.h in a worker, when its site is opened. What the site's ENDPOINTS do not
 * need is NULL, here and in the parts. */
struct site {
    const struct config *config;
    bool has_others; /* the daemon serves other sites too: shares are in force */
    struct clock clock;
    struct cache *cache;         /* what the workers of this host share */
    struct seal_keys *seal;      /* keys of all sealed values that clients and browsers keep */
    struct idp *idp;             /* the identity provider */
    struct deny_list *deny;      /* denied users and clients (DENY_FILE); NULL: none */
    struct rate_limits *limits;  /* rate limits; NULL: there are none */
    struct daily_counts *quotas; /* calls that count towards a quota; NULL: they are not counted */
    struct revoked *revoked;     /* revoked access tokens; NULL: none can be revoked */
    struct oauth_site *oauth;    /* oauth/site.h */
    struct mcp_site *mcp;        /* mcp/call.h */
};

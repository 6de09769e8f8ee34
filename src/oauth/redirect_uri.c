#include "oauth/redirect_uri.h"

#include <string.h>

#include "base/text.h"
#include "base/url.h"

/* https; http on loopback (RFC 8252 §7.3); or a private-use scheme, which has a dot because it is a
 * reversed domain name (RFC 8252 §7.1), or is named by the admin. That leaves out javascript:,
 * data:, file: and the like. */
bool redirect_uri_is_acceptable(const struct config *c, struct arena *a, const char *uri) {
    struct url u;
    struct err e;

    if (url_parse(a, uri, &u, &e) || u.fragment || u.userinfo)
        return false;
    if (!strcmp(u.scheme, "https"))
        return true;
    if (!strcmp(u.scheme, "http"))
        return url_is_loopback(&u);
    return strchr(u.scheme, '.') || list_has(c->private_use_schemes, u.scheme);
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* RFC 8252 §7.3: the port of a loopback redirect URI is chosen at run time. All else is exact, the
 * host too: a document that names 127.0.0.1 does not name localhost. */
static bool differs_in_loopback_port_only(struct arena *a, const char *registered,
                                          const char *uri) {
    struct url r, u;
    struct err e;

    if (url_parse(a, registered, &r, &e) || url_parse(a, uri, &u, &e))
        return false;
    return !strcmp(r.scheme, "http") && !strcmp(u.scheme, "http") && url_is_loopback(&r) &&
           same(r.host, u.host) && same(r.path, u.path) && same(r.query, u.query) && !u.userinfo &&
           !u.fragment;
}

bool redirect_uri_is_registered(const struct config *c, struct arena *a,
                                const struct client *client, const char *uri) {
    if (!redirect_uri_is_acceptable(c, a, uri))
        return false;
    for (unsigned i = 0; i < client->redirect_uri_count; i++)
        if (!strcmp(client->redirect_uris[i], uri) ||
            differs_in_loopback_port_only(a, client->redirect_uris[i], uri))
            return true;
    return false;
}

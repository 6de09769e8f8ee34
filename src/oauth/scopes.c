#include "oauth/scopes.h"

#include "base/text.h"
#include "oauth/refresh_token.h"

const char *scopes_needed(const struct config *config, struct arena *a) {
    return list_among(a, config->required_scopes, config->supported_scopes);
}

const char *scopes_of_login(const struct config *config, struct arena *a, const char *asked) {
    const char *known, *more;

    if (!asked || list_covers("offline_access", asked))
        return config->supported_scopes;
    known = list_among(a, asked, config->supported_scopes);
    more = list_without(a, scopes_needed(config, a), known);
    return *known && *more ? arena_printf(a, "%s %s", known, more) : known;
}

bool scopes_were_granted(const struct config *config, struct arena *a, const char *asked,
                         const struct refresh_grant *grant) {
    const char *known = list_among(a, asked, config->supported_scopes);

    return list_covers(grant->asked, list_without(a, known, grant->scope)) &&
           (*known || list_covers("offline_access", asked));
}

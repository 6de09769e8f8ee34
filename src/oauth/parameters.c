#include "oauth/parameters.h"

#include "base/url.h"
#include "crypto/digest.h"
#include "oauth/refresh.h"

#define VERIFIER_MIN 43 /* RFC 7636 §4.1 */
#define VERIFIER_MAX 128
#define CHALLENGE_LEN 43 /* base64url of 32 bytes */

bool pkce_challenge_is_valid(const char *challenge) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    return strlen(challenge) == CHALLENGE_LEN && strspn(challenge, alphabet) == CHALLENGE_LEN;
}

const char *pkce_challenge(struct arena *a, const char *verifier) {
    return sha256_base64url(a, verifier, SHA256_LEN);
}

/* RFC 7636 §4.6 */
bool pkce_verifier_matches(struct arena *a, const char *verifier, const char *challenge) {
    size_t len = strlen(verifier);

    return len >= VERIFIER_MIN && len <= VERIFIER_MAX &&
           text_equal_in_constant_time(pkce_challenge(a, verifier), challenge);
}

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

/* Without a slash at its end, which makes no difference to anybody. */
static const char *canonical(struct arena *a, const char *uri) {
    struct url u;
    const char *path;
    size_t len;

    if (url_parse(a, uri, &u, ERR_IGNORED) || !u.host || u.userinfo || u.fragment) /* RFC 8707 §2 */
        return NULL;
    path = url_normal_path(a, &u);
    len = strlen(path);
    return arena_printf(a, "%s%.*s", url_origin(a, &u), (int)(len - (path[len - 1] == '/')), path);
}

bool resource_is_ours(const struct config *config, const char *resource) {
    struct arena *a;
    const char *theirs, *ours_is;
    bool ours;

    if (!resource || !strcmp(resource, config->mcp_server_uri))
        return true;
    a = arena_new(16 * URL_LEN_MAX);
    theirs = canonical(a, resource);
    ours_is = canonical(a, config->mcp_server_uri);
    ours = theirs && ours_is && !strcmp(theirs, ours_is);
    arena_free(a);
    return ours;
}

bool resources_are_ours(const struct config *config, const struct form *f) {
    for (size_t i = 0; i < f->count; i++)
        if (!strcmp(f->fields[i].name, "resource") && *f->fields[i].value &&
            !resource_is_ours(config, f->fields[i].value))
            return false;
    return true;
}

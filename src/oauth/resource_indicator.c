#include "oauth/resource_indicator.h"

#include <string.h>

#include "base/url.h"

/* Without a slash at its end, which makes no difference to anybody. */
static const char *canonical(struct arena *a, const char *uri) {
    struct url u;
    struct err ignored;
    const char *path;
    size_t len;

    if (url_parse(a, uri, &u, &ignored) || !u.host || u.userinfo || u.fragment) /* RFC 8707 §2 */
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

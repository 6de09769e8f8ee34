#include "oauth/client_list.h"

#include <strings.h>

#include "base/url.h"

/* An IPv6 address can be written in many ways (RFC 5952 §2.1). */
static bool is_same_address(const char *item, const char *host) {
    struct sockaddr_storage a, b;

    return url_host_address(item, &a) && url_host_address(host, &b) && !memcmp(&a, &b, sizeof a);
}

/* example.com or *.example.com; a name that ends in a dot is the same name (RFC 1034 §3.1). */
static bool host_matches(const char *item, const char *host) {
    size_t len = strlen(host), n;

    if (is_same_address(item, host))
        return true;
    if (len && host[len - 1] == '.')
        len--;
    if (strncmp(item, "*.", 2) != 0)
        return strlen(item) == len && !strncasecmp(item, host, len);
    n = strlen(++item); /* with its dot */
    return len > n && !strncasecmp(host + len - n, item, n);
}

static bool url_matches(const char *item, const char *client_id) {
    size_t n = strlen(item);

    return !strcmp(item, client_id) || (n && item[n - 1] == '/' && !strncmp(item, client_id, n));
}

bool client_list_has(struct arena *a, const char *list, const char *client_id) {
    char *copy = arena_strdup(a, list), *save = NULL;
    struct err ignored;
    struct url u;
    bool is_url = !url_parse(a, client_id, &u, &ignored) && u.host && !strcmp(u.scheme, "https");

    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        if (url_matches(w, client_id) || (is_url && host_matches(w, u.host)))
            return true;
    return false;
}

#include "net/no_proxy.h"

#include "base/text.h"

/* Is an entry the host, or the end of it after a dot? */
static bool covers(struct text entry, struct text host) {
    const char *end;

    if (!entry.len || entry.len > host.len)
        return false;
    end = host.p + host.len - entry.len;
    return !strncasecmp(end, entry.p, entry.len) && (end == host.p || end[-1] == '.');
}

bool no_proxy_has(const char *list, const char *host) {
    size_t host_len = strlen(host);

    if (host_len && host[host_len - 1] == '.')
        host_len--;
    for (list += strspn(list, " "); *list; list += strspn(list, " ")) {
        const size_t len = strcspn(list, " "), dot = *list == '.';

        if (covers((struct text){list + dot, len - dot}, (struct text){host, host_len}))
            return true;
        list += len;
    }
    return false;
}

#include <string.h>
#include <strings.h>

#include "net/http.h"

const char *http_header(struct arena *a, const struct http_reply *rp, const char *name) {
    size_t len = strlen(name);
    const char *found = NULL, *p = rp->head ? rp->head : "";

    while (*p) {
        size_t line = strcspn(p, "\r\n");

        if (line > len && p[len] == ':' && !strncasecmp(p, name, len)) {
            const char *v = p + len + 1, *end = p + line;

            v += strspn(v, " \t");
            while (end > v && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
            if (v > end)
                v = end;
            found = found ? arena_printf(a, "%s, %.*s", found, (int)(end - v), v)
                          : arena_strndup(a, v, (size_t)(end - v));
        }
        p += line;
        p += strspn(p, "\r\n");
    }
    return found;
}

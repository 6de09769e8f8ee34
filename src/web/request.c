#include "web/request.h"

#include <ctype.h>
#include <strings.h>

const char *request_param(const struct request *rq, const char *name) {
    size_t len = strlen(name);

    for (char *const *p = rq->params; p && *p; p++)
        if (!strncmp(*p, name, len) && (*p)[len] == '=')
            return *p + len + 1;
    return NULL;
}

/* CGI (RFC 3875 §4.1.18): HTTP_, upper case, dashes become underscores. */
static int is_header(const char *param, const char *name) {
    if (strncmp(param, "HTTP_", 5) != 0)
        return 0;
    for (param += 5; *name; name++, param++) {
        char c = *name == '-' ? '_' : (char)toupper((unsigned char)*name);

        if (*param != c)
            return 0;
    }
    return *param == '=';
}

const char *request_header(const struct request *rq, const char *name) {
    for (char *const *p = rq->params; p && *p; p++)
        if (is_header(*p, name))
            return strchr(*p, '=') + 1;
    return NULL;
}

int request_has_type(const struct request *rq, const char *media_type) {
    size_t len = strlen(media_type);
    const char *rest;

    if (strncasecmp(rq->content_type, media_type, len) != 0)
        return 0;
    rest = rq->content_type + len;
    rest += strspn(rest, " \t");
    return !*rest || *rest == ';';
}

const char *request_cookie(const struct request *rq, const char *name) {
    const char *p = request_header(rq, "cookie");
    size_t len = strlen(name), n;

    while (p && *p) {
        p += strspn(p, " ;");
        n = strcspn(p, ";");
        if (n > len && !strncmp(p, name, len) && p[len] == '=')
            return arena_strndup(rq->arena, p + len + 1, n - len - 1);
        p += n;
    }
    return NULL;
}

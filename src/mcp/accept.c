/* MCP clients list both application/json and text/event-stream, mostly with the same weight: then
 * the first one is preferred. */
#include "mcp/accept.h"

#include <string.h>
#include <strings.h>

#include "web/preference.h"

/* What the header says about one type. */
struct wish {
    int weight;      /* 0: it is not acceptable */
    size_t at;       /* index of the range that decides */
    int specificity; /* of that range; 0: no range matches */
};

/* 1 for any type, 2 for type/any, 3 for the type itself; 0: the range does not cover it. */
static int coverage(const char *range, size_t len, const char *type) {
    size_t major = strcspn(type, "/") + 1;

    if (len == 3 && !strncmp(range, "*/*", 3))
        return 1;
    if (len == major + 1 && range[major] == '*')
        return strncasecmp(range, type, major) ? 0 : 2;
    return len == strlen(type) && !strncasecmp(range, type, len) ? 3 : 0;
}

/* "The most specific reference has precedence". */
static struct wish wish_for(const char *accept, const char *type) {
    struct preference p;
    struct wish wish = {0};

    for (size_t at = 0; preference_next(&accept, &p); at++) {
        int c = coverage(p.range, p.len, type);

        if (c > wish.specificity)
            wish = (struct wish){p.weight, at, c};
    }
    return wish;
}

static const char *accept_header(const struct request *rq) {
    const char *accept = request_header(rq, "accept");

    return accept && accept[strspn(accept, " \t")] ? accept : "*/*";
}

bool mcp_accepts(const struct request *rq, const char *type) {
    return wish_for(accept_header(rq), type).weight > 0;
}

bool mcp_prefers_stream(const struct request *rq) {
    const char *accept = accept_header(rq);
    struct wish json = wish_for(accept, "application/json");
    struct wish stream = wish_for(accept, "text/event-stream");

    return stream.weight > json.weight ||
           (stream.weight && stream.weight == json.weight && stream.at < json.at);
}

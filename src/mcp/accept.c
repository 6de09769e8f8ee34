/* What a client would take, and what it would rather have (RFC 9110 §12.5.1). Clients of MCP name
 * both application/json and text/event-stream, mostly as equals: then the first is preferred. */
#include <string.h>
#include <strings.h>

#include "mcp/call.h"

#define WEIGHT_MAX 1000 /* of q=1: there are three decimals */

/* What the header says about one type. */
struct wish {
    int weight;      /* 0: it is not acceptable */
    size_t at;       /* the number of the range that says so */
    int specificity; /* of that range; 0: none says anything */
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

/* §12.4.2: q is 0 to 1 with up to three decimals. Anything else counts as 1. */
static int read_weight(const char *p, const char *end) {
    int weight = 0, unit = WEIGHT_MAX;

    for (; p < end && ((*p >= '0' && *p <= '9') || *p == '.'); p++) {
        if (*p == '.')
            continue;
        weight += (*p - '0') * unit;
        unit /= 10;
    }
    return weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
}

/* The weight among the parameters of a range. */
static int weight_of(const char *p, const char *end) {
    for (; p < end; p++) {
        if (*p != ';')
            continue;
        p += 1 + strspn(p + 1, " \t");
        if (end - p > 2 && (*p == 'q' || *p == 'Q') && p[1] == '=')
            return read_weight(p + 2, end);
        p--; /* it may be the next semicolon */
    }
    return WEIGHT_MAX;
}

/* "The most specific reference has precedence". */
static struct wish wish_for(const char *accept, const char *type) {
    struct wish wish = {0};

    for (size_t at = 0; *accept; at++) {
        const char *end;
        int c;

        accept += strspn(accept, " \t,");
        end = accept + strcspn(accept, ",");
        c = coverage(accept, strcspn(accept, "; \t,"), type);
        if (c > wish.specificity)
            wish = (struct wish){weight_of(accept, end), at, c};
        accept = end;
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

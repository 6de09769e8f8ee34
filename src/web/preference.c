#include "web/preference.h"

/* Behind the quoted string at p (RFC 9110 §5.6.4), which ends with the header at the latest. */
static const char *skip_quoted(const char *p) {
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return p + (*p == '"');
}

/* §12.4.2: 0 to 1 with up to three decimals. */
static int read_weight(const char *p) {
    int weight = 0, unit = WEIGHT_MAX;

    if (*p < '0' || *p > '9')
        return WEIGHT_MAX;
    for (; (*p >= '0' && *p <= '9') || *p == '.'; p++) {
        if (*p == '.')
            continue;
        weight += (*p - '0') * unit;
        unit /= 10;
    }
    return weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
}

bool preference_next(const char **at, struct preference *out) {
    const char *p = *at + strspn(*at, " \t,");

    if (!*p)
        return false;
    *out = (struct preference){p, strcspn(p, ";, \t\""), WEIGHT_MAX};
    p += out->len;
    while (*p && *p != ',') {
        if (*p == '"') {
            p = skip_quoted(p);
            continue;
        }
        if (*p++ != ';')
            continue;
        p += strspn(p, " \t");
        if ((*p == 'q' || *p == 'Q') && p[1] == '=')
            out->weight = read_weight(p + 2);
    }
    *at = p;
    return true;
}

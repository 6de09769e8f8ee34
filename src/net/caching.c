#include "net/caching.h"

#include <string.h>
#include <strings.h>

#define SECONDS_MAX ((int64_t)1 << 31) /* RFC 9111 §1.2.2: more is this */

/* A number of seconds, or -1. */
static int64_t read_seconds(const char *text, size_t len) {
    int64_t n = 0;

    if (!len)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        n = n * 10 + (text[i] - '0');
        if (n > SECONDS_MAX)
            n = SECONDS_MAX;
    }
    return n;
}

struct directive {
    const char *name, *value;
    size_t name_len, value_len;
};

/* The next directive of a Cache-Control value (RFC 9111 §5.2); false at the end. */
static bool next_directive(const char **at, struct directive *d) {
    const char *p = *at + strspn(*at, " \t,");

    if (!*p)
        return false;
    d->name = p;
    d->name_len = strcspn(p, "=, \t");
    p += d->name_len;
    d->value = p;
    d->value_len = 0;
    if (*p == '=' && p[1] == '"') {
        d->value = p += 2;
        d->value_len = strcspn(p, "\"");
        p += d->value_len + (p[d->value_len] == '"');
    } else if (*p == '=') {
        d->value = ++p;
        d->value_len = strcspn(p, ", \t");
        p += d->value_len;
    }
    *at = p + strcspn(p, ",");
    return true;
}

static bool is_named(const struct directive *d, const char *name) {
    return strlen(name) == d->name_len && !strncasecmp(d->name, name, d->name_len);
}

/* The shorter one counts if it is said twice, and 0 if it is not a number. */
static void take_seconds(int64_t *into, const struct directive *d) {
    int64_t n = read_seconds(d->value, d->value_len);

    if (n < 0)
        n = 0;
    if (*into < 0 || n < *into)
        *into = n;
}

/* RFC 9111 §4.2.3: the greater of what caches say and of what has passed since the server's clock.
 */
static int64_t age_of(struct arena *a, const struct http_reply *rp, int64_t date_s, int64_t now_s) {
    const char *age = http_header(a, rp, "age");
    int64_t said_s = age ? read_seconds(age, strcspn(age, ", ")) : 0;
    int64_t apparent_s = date_s && now_s > date_s ? now_s - date_s : 0;

    return said_s > apparent_s ? said_s : apparent_s;
}

/* RFC 9111 §4.1: with a member that is an asterisk no request is like this one. */
static bool varies_by_all(const char *vary) {
    for (const char *p = vary; p && *p; p += strcspn(p, ",")) {
        p += strspn(p, ", \t");
        if (*p == '*')
            return true;
    }
    return false;
}

void http_caching_read(struct arena *a, const struct http_reply *rp, int64_t now_s,
                       struct http_caching *out) {
    const char *control = http_header(a, rp, "cache-control");
    const char *expires = http_header(a, rp, "expires");
    int64_t max_age = -1, shared = -1, date = http_date(http_header(a, rp, "date"));
    struct directive d;

    *out = (struct http_caching){!varies_by_all(http_header(a, rp, "vary")), false, 0, true, -1};
    while (control && next_directive(&control, &d)) {
        if (is_named(&d, "no-store") || is_named(&d, "private") || is_named(&d, "no-cache"))
            out->may_store = false;
        else if (is_named(&d, "must-revalidate") || is_named(&d, "proxy-revalidate"))
            out->may_be_stale = false;
        else if (is_named(&d, "max-age"))
            take_seconds(&max_age, &d);
        else if (is_named(&d, "s-maxage"))
            take_seconds(&shared, &d);
        else if (is_named(&d, "stale-if-error"))
            take_seconds(&out->stale_if_error_s, &d);
    }
    if (shared >= 0) { /* RFC 9111 §5.2.2.10: it also means proxy-revalidate */
        max_age = shared;
        out->may_be_stale = false;
    }
    out->has_lifetime = max_age >= 0 || expires;
    if (max_age >= 0) {
        out->fresh_s = max_age;
    } else if (expires) {
        out->fresh_s = http_date(expires) - (date ? date : now_s);
    }
    if (out->has_lifetime)
        out->fresh_s -= age_of(a, rp, date, now_s);
}

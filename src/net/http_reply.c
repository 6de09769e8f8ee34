#include "net/http_reply.h"

#define SECONDS_MAX ((int64_t)1 << 31) /* RFC 9111 §1.2.2: more is this */

const char *http_reply_header(const struct http_reply *reply, const char *name) {
    for (size_t i = 0; i < reply->field_count; i++)
        if (!strcasecmp(reply->fields[i].name, name))
            return reply->fields[i].value;
    return NULL;
}

const char *http_reply_joined_header(struct arena *a, const struct http_reply *rp,
                                     const char *name) {
    const char *joined = NULL;

    for (size_t i = 0; i < rp->field_count; i++)
        if (!strcasecmp(rp->fields[i].name, name))
            joined = joined ? arena_printf(a, "%s, %s", joined, rp->fields[i].value)
                            : rp->fields[i].value;
    return joined;
}

/* strptime also takes other case, more white space, and a weekday that is not this date's. */
int64_t http_date(const char *text) {
    static const char form[] = "%a, %d %b %Y %H:%M:%S GMT";
    char same[sizeof "Sun, 06 Nov 1994 08:49:37 GMT"];
    struct tm tm = {0};
    time_t t;

    if (!text || !strptime(text, form, &tm))
        return 0;
    t = timegm(&tm);
    return gmtime_r(&t, &tm) && strftime(same, sizeof same, form, &tm) && !strcmp(same, text) ? t
                                                                                              : 0;
}

/* ---- caching ---- */

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

/* RFC 9111 §4.2.3: the greater of what caches say and what has passed since the server's clock. */
static int64_t age_of(struct arena *a, const struct http_reply *rp, int64_t date_s, int64_t now_s) {
    const char *age = http_reply_joined_header(a, rp, "age");
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

/* What Cache-Control says (RFC 9111 §5.2.2); -1: nothing. */
struct control {
    int64_t max_age_s, shared_max_age_s, stale_if_error_s;
    bool no_store, no_stale;
};

static void take_directive(struct control *c, const struct directive *d) {
    const struct {
        const char *name;
        bool *flag;
        int64_t *seconds;
    } known[] = {
        {"no-store", &c->no_store, NULL},
        {"private", &c->no_store, NULL},
        {"no-cache", &c->no_store, NULL},
        {"must-revalidate", &c->no_stale, NULL},
        {"proxy-revalidate", &c->no_stale, NULL},
        {"max-age", NULL, &c->max_age_s},
        {"s-maxage", &c->no_stale, &c->shared_max_age_s}, /* §5.2.2.10: also proxy-revalidate */
        {"stale-if-error", NULL, &c->stale_if_error_s},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!is_named(d, known[i].name))
            continue;
        if (known[i].flag)
            *known[i].flag = true;
        if (known[i].seconds)
            take_seconds(known[i].seconds, d);
    }
}

void http_caching_read(struct arena *a, const struct http_reply *rp, int64_t now_s,
                       struct http_caching *out) {
    const char *control = http_reply_joined_header(a, rp, "cache-control");
    const char *expires = http_reply_joined_header(a, rp, "expires");
    int64_t max_age_s, date_s = http_date(http_reply_joined_header(a, rp, "date"));
    struct control c = {.max_age_s = -1, .shared_max_age_s = -1, .stale_if_error_s = -1};
    struct directive d;

    while (control && next_directive(&control, &d))
        take_directive(&c, &d);
    max_age_s = c.shared_max_age_s >= 0 ? c.shared_max_age_s : c.max_age_s;
    *out = (struct http_caching){
        .may_store = !c.no_store && !varies_by_all(http_reply_joined_header(a, rp, "vary")),
        .has_lifetime = max_age_s >= 0 || expires,
        .may_be_stale = !c.no_stale,
        .stale_if_error_s = c.stale_if_error_s,
    };
    if (!out->has_lifetime)
        return;
    out->fresh_s = max_age_s >= 0 ? max_age_s : http_date(expires) - (date_s ? date_s : now_s);
    out->fresh_s -= age_of(a, rp, date_s, now_s);
}

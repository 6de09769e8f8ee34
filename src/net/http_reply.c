#include "net/http_reply.h"

#include <strings.h>
#include <time.h>

const char *http_reply_header(const struct http_reply *reply, const char *name) {
    for (size_t i = 0; i < reply->field_count; i++)
        if (!strcasecmp(reply->fields[i].name, name))
            return reply->fields[i].value;
    return NULL;
}

const char *http_header(struct arena *a, const struct http_reply *rp, const char *name) {
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

#include "base/text.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

struct text text_of(const char *s) {
    return (struct text){s, strlen(s)};
}

bool text_equal(struct text a, struct text b) {
    return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

struct text text_join(struct arena *a, const struct text *parts, size_t count) {
    size_t len = 0;
    char *p, *start;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    start = p = arena_alloc(a, len + 1);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(p, parts[i].p, parts[i].len);
        p += parts[i].len;
    }
    return (struct text){start, len};
}

const char *text_quotable(struct arena *a, const char *s) {
    size_t len = strlen(s);
    char *copy = arena_strndup(a, s, len < TEXT_QUOTE_MAX ? len : TEXT_QUOTE_MAX);

    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = '?';
    return copy;
}

bool placeholder_next(const char *p, const char *end, struct placeholder *out) {
    const char *start = p < end ? memmem(p, (size_t)(end - p), "{{", 2) : NULL, *close;

    if (!start)
        return false;
    p = start + 2;
    close = memmem(p, (size_t)(end - p), "}}", 2);
    *out =
        (struct placeholder){start, {p, close ? (size_t)(close - p) : 0}, close ? close + 2 : NULL};
    return true;
}

void text_mask_controls(char *s) {
    for (; *s; s++)
        if (iscntrl((unsigned char)*s))
            *s = '?';
}

const char *text_rfc3339(struct arena *a, int64_t seconds) {
    time_t t = (time_t)seconds;
    char text[sizeof "+999999999-12-31T23:59:59Z"];
    struct tm tm;

    if (!gmtime_r(&t, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return "";
    return arena_strdup(a, text);
}

#include "base/text.h"

#include <ctype.h>
#include <sys/param.h>
#include <time.h>

#include "base/utf8.h"

struct text text_of(const char *s) {
    return (struct text){s, strlen(s)};
}

bool text_equal(struct text a, struct text b) {
    return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

char *text_lower(struct arena *a, const char *s, size_t len) {
    char *copy = arena_strndup(a, s, len);

    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

bool text_ends_with(const char *s, const char *end) {
    size_t len = strlen(s), n = strlen(end);

    return len >= n && !strcmp(s + len - n, end);
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

size_t utf8_repair(struct arena *a, const char **s, size_t *len) {
    static const char replacement[] = "\xef\xbf\xbd";
    const size_t n = sizeof replacement - 1;
    size_t wrong = 0, good;
    char *out, *p;

    for (size_t i = 0; (i += utf8_valid_length(*s + i, *len - i)) < *len; i++)
        wrong++;
    if (!wrong)
        return 0;
    p = out = arena_alloc(a, *len + (n - 1) * wrong + 1);
    for (size_t i = 0;; i++) {
        good = utf8_valid_length(*s + i, *len - i);
        memcpy(p, *s + i, good);
        p += good;
        i += good;
        if (i == *len)
            break;
        memcpy(p, replacement, n);
        p += n;
    }
    *s = out;
    *len = (size_t)(p - out);
    return wrong;
}

/* ---- lists ---- */

/* The length of the next item, to which *p is moved; 0: there is none. */
static size_t next_item(const char **p) {
    *p += strspn(*p, " ");
    return strcspn(*p, " ");
}

static bool has(const char *list, const char *item, size_t len) {
    size_t n;

    for (; (n = next_item(&list)); list += n)
        if (n == len && !memcmp(list, item, len))
            return true;
    return false;
}

bool list_has(const char *list, const char *item) {
    return has(list, item, strlen(item));
}

bool list_covers(const char *whole, const char *part) {
    size_t n;

    for (; (n = next_item(&part)); part += n)
        if (!has(whole, part, n))
            return false;
    return true;
}

static const char *list_select(struct arena *a, const char *list, const char *others, bool wanted) {
    struct buf b;
    size_t n;

    buf_init(&b, a, strlen(list) + 1);
    for (; (n = next_item(&list)); list += n)
        if (has(others, list, n) == wanted && !has(b.p, list, n)) {
            buf_adds(&b, b.len ? " " : "");
            buf_add(&b, list, n);
        }
    return b.p;
}

const char *list_among(struct arena *a, const char *list, const char *others) {
    return list_select(a, list, others, true);
}

const char *list_without(struct arena *a, const char *list, const char *others) {
    return list_select(a, list, others, false);
}

/* ---- suggestions ---- */

static char plain(char c) {
    return c == '-' ? '_' : (char)toupper((unsigned char)c);
}

/* Levenshtein's distance of two words that are not too long. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t row[SUGGEST_NAME_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t other = diagonal + (plain(a[i - 1]) != plain(b[j - 1]));

            diagonal = row[j];
            row[j] = MIN(MIN(row[j], row[j - 1]) + 1, other);
        }
    }
    return row[b_len];
}

const char *suggest(const char *word, const char *const *names) {
    size_t len = strlen(word), best = len / 3 + 2;
    const char *found = NULL;

    for (; *names && len <= SUGGEST_NAME_MAX; names++) {
        size_t n = strlen(*names), d;

        if (n > SUGGEST_NAME_MAX)
            continue;
        d = distance(word, len, *names, n);
        if (d < best) {
            best = d;
            found = *names;
        }
    }
    return found;
}

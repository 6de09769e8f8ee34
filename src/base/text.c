#include "base/text.h"

#include <ctype.h>
#include <sys/param.h>

#include "base/utf8.h"

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

int text_compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void text_cut_comment(char *s, const char *marks) {
    for (char *p = s; *p; p++)
        if (strchr(marks, *p) && (p == s || isspace((unsigned char)p[-1]))) {
            *p = 0;
            return;
        }
}

bool text_is_one_of(const char *s, const char *const *list) {
    while (s && *list && strcmp(s, *list) != 0)
        list++;
    return s && *list;
}

uint64_t fnv_add(uint64_t hash, const void *data, size_t len) {
    for (const uint8_t *p = data; len; len--)
        hash = (hash ^ *p++) * 0x100000001b3U;
    return hash;
}

size_t text_find_place(const void *array, size_t count,
                       const char *(*name_of)(const void *array, size_t i), const char *name) {
    size_t from = 0, to = count;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;

        if (strcmp(name_of(array, middle), name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct text text_join(struct arena *a, const struct text *parts, size_t count) {
    size_t len = 0;
    char *p, *start;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    start = p = arena_alloc(a, len + 1);
    for (size_t i = 0; i < count; i++)
        p = parts[i].len ? mempcpy(p, parts[i].p, parts[i].len) : p;
    return (struct text){start, len};
}

char *text_concat_all(struct arena *a, const char *const *strings) {
    size_t len = 0;
    char *out;

    for (size_t i = 0; strings[i]; i++)
        len += strlen(strings[i]);
    out = arena_alloc(a, len + 1);
    for (char *p = out; *strings; strings++)
        p = stpcpy(p, *strings);
    return out;
}

const char *text_quotable(struct arena *a, const char *s) {
    size_t len = strlen(s);
    char *copy = arena_strndup(a, s, len < TEXT_QUOTE_MAX ? len : TEXT_QUOTE_MAX);

    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
            *p = '?';
    return copy;
}

/* The first two of a character, one behind the other. memmem reads byte by byte for so few. */
static const char *find_two(const char *p, const char *end, char c) {
    while (p < end && (p = memchr(p, c, (size_t)(end - p))) && p + 1 < end && p[1] != c)
        p += 2;
    return p && p + 1 < end ? p : NULL;
}

bool placeholder_next(const char *p, const char *end, struct placeholder *out) {
    const char *start = find_two(p, end, '{'), *close;

    if (!start)
        return false;
    p = start + 2;
    close = find_two(p, end, '}');
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

/* Does the text begin as the shape says: a digit for each d, every other character as it is?
 * strptime alone would also accept fewer digits, and signs. */
static bool has_shape(const char *text, const char *shape) {
    for (; *shape; shape++, text++)
        if (*shape == 'd' ? !isdigit((unsigned char)*text) : *text != *shape)
            return false;
    return true;
}

/* The offset from UTC at the end of an RFC 3339 time, in seconds. */
static bool parse_offset(const char *text, int64_t *out) {
    long hours, minutes;

    *out = 0;
    if (!strcasecmp(text, "Z"))
        return true;
    if ((*text != '+' && *text != '-') || !has_shape(text + 1, "dd:dd") || text[6])
        return false;
    hours = strtol(text + 1, NULL, 10);
    minutes = strtol(text + 4, NULL, 10);
    *out = (*text == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
    return hours <= 23 && minutes <= 59;
}

bool text_parse_rfc3339(const char *text, int64_t *out) {
    struct tm tm = {.tm_isdst = 0}, normal;
    const char *p;
    int64_t offset_s;

    p = has_shape(text, "dddd-dd-ddTdd:dd:dd") ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (p && has_shape(p, ".d"))
        p += 1 + strspn(p + 1, "0123456789");
    if (!p || !parse_offset(p, &offset_s))
        return false;
    normal = tm;
    *out = timegm(&normal) - offset_s;
    return normal.tm_mday == tm.tm_mday && normal.tm_mon == tm.tm_mon; /* no February 30 */
}

size_t utf8_repair(struct arena *a, const char **s, size_t *len) {
    static const char replacement[] = "\xef\xbf\xbd";
    const size_t n = sizeof replacement - 1;
    size_t wrong = 0, good;
    char *out, *p;

    if (!*len) /* without a text, too */
        return 0;
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

/* The length of the next item, to which *p is moved; 0: there is none. */
static size_t next_item(const char **p) {
    while (**p == ' ')
        ++*p;
    return (size_t)(strchrnul(*p, ' ') - *p);
}

char *list_next(struct arena *a, const char **list) {
    size_t n = next_item(list);

    *list += n;
    return n ? arena_strndup(a, *list - n, n) : NULL;
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

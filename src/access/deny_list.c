#include "access/deny_list.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "base/utf8.h"

#define ENTRIES_MAX 65536
#define LINE_BYTES_MAX 4096
#define PROBLEM_BYTES_MAX 512 /* of a message about a line */
#define CLOCKS_APART_S 300    /* how far in the future a time may lie */

struct entries {
    const char **all; /* sorted */
    size_t count;
};

struct deny_list {
    struct arena *arena;
    struct entries clients, subjects;
    int64_t issued_before_s; /* 0: none */
};

struct loading {
    struct deny_list *d;
    const char *path;
    int line;
    int64_t now_s;
    FILE *problems;
    unsigned bad;
};

/* Control characters are masked, since a message may repeat text of the file and be shown on a
 * terminal. */
static void PRINTF_LIKE(2, 3) bad_line(struct loading *l, const char *fmt, ...) {
    char text[PROBLEM_BYTES_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    text_mask_controls(text);
    (void)fprintf(l->problems, "%s:%d: %s\n", l->path, l->line, text);
    l->bad++;
}

static void add(struct loading *l, struct entries *e, const char *text) {
    if (e->count == ENTRIES_MAX) {
        bad_line(l, "there are too many of these");
        return;
    }
    if (!e->all)
        e->all = xcalloc(ENTRIES_MAX, sizeof *e->all);
    e->all[e->count++] = arena_strdup(l->d->arena, text);
}

/* Does the text begin as the shape says: a digit for each d, every other character as it is?
 * strptime and sscanf alone would also accept fewer digits, and signs. */
static bool has_shape(const char *text, const char *shape) {
    for (; *shape; shape++, text++)
        if (*shape == 'd' ? !isdigit((unsigned char)*text) : *text != *shape)
            return false;
    return true;
}

/* RFC 3339 §5.6, or a number of seconds. */
static bool parse_time(const char *text, int64_t *out) {
    struct tm tm = {.tm_isdst = 0}, again;
    const char *p = text + strspn(text, "0123456789");
    int hours, minutes;
    time_t t;

    if (!*p && p > text && p - text <= 12) {
        *out = strtoll(text, NULL, 10);
        return true;
    }
    p = has_shape(text, "dddd-dd-ddTdd:dd:dd") ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!p)
        return false;
    again = tm;
    t = timegm(&again);
    if (again.tm_mday != tm.tm_mday || again.tm_mon != tm.tm_mon) /* February 30 */
        return false;
    if (*p == '.') {
        size_t digits = strspn(p + 1, "0123456789");

        if (!digits)
            return false;
        p += 1 + digits;
    }
    if (!strcmp(p, "Z") || !strcmp(p, "z")) {
        *out = t;
        return true;
    }
    if ((*p != '+' && *p != '-') || !has_shape(p + 1, "dd:dd") || p[6] ||
        sscanf(p + 1, "%2d:%2d", &hours, &minutes) != 2 || hours > 23 || minutes > 59)
        return false;
    *out = t - (*p == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
    return true;
}

static void add_time(struct loading *l, const char *text) {
    int64_t t;

    if (!parse_time(text, &t))
        bad_line(l, "%s: issued-before needs a time such as 2026-01-31T12:00:00Z", text);
    else if (t > l->now_s + CLOCKS_APART_S)
        bad_line(l, "issued-before is in the future: until then every new login would be refused");
    else if (t > l->d->issued_before_s)
        l->d->issued_before_s = t;
}

static void read_line(struct loading *l, char *line) {
    char *save = NULL, *what = strtok_r(line, " \t\r\n", &save), *value, *more;

    if (!what || *what == '#')
        return;
    value = strtok_r(NULL, " \t\r\n", &save);
    more = strtok_r(NULL, " \t\r\n", &save);
    if (!value || (more && *more != '#'))
        bad_line(l, "expected one word and one value, such as: subject 1234");
    else if (!strcmp(what, "client"))
        add(l, &l->d->clients, value);
    else if (!strcmp(what, "subject"))
        add(l, &l->d->subjects, value);
    else if (!strcmp(what, "issued-before"))
        add_time(l, value);
    else
        bad_line(l, "%s: a line begins with client, subject or issued-before", what);
}

static void read_file(struct loading *l, FILE *f) {
    size_t bytes = 0, room = 0;
    char *line = NULL;
    ssize_t len;

    while ((len = getline(&line, &room, f)) >= 0) {
        l->line++;
        bytes += (size_t)len;
        if (len >= LINE_BYTES_MAX || bytes > DENY_FILE_BYTES_MAX) {
            bad_line(l, "the line or the file is too long; the rest is left out");
            break;
        }
        if (strlen(line) < (size_t)len)
            bad_line(l, "the line has a NUL byte in it");
        else
            read_line(l, line + (l->line == 1 ? utf8_bom_length(line, strlen(line)) : 0));
    }
    if (ferror(f))
        bad_line(l, "%s", strerror(errno));
    free(line);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct deny_list *deny_load(const char *path, int64_t now_s, FILE *problems, unsigned *bad) {
    struct deny_list *d = xcalloc(1, sizeof *d);
    struct loading l = {.d = d, .path = path, .now_s = now_s, .problems = problems};
    const char *why;
    int fd = file_open(path, &why);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

    d->arena = arena_new(2 * (size_t)DENY_FILE_BYTES_MAX);
    if (f) {
        read_file(&l, f);
        (void)fclose(f);
    } else if (errno != ENOENT) {
        bad_line(&l, "%s", why);
    }
    if (d->clients.count)
        qsort(d->clients.all, d->clients.count, sizeof *d->clients.all, by_text);
    if (d->subjects.count)
        qsort(d->subjects.all, d->subjects.count, sizeof *d->subjects.all, by_text);
    *bad = l.bad;
    return d;
}

void deny_free(struct deny_list *d) {
    if (!d)
        return;
    free(d->clients.all);
    free(d->subjects.all);
    arena_free(d->arena);
    free(d);
}

static bool has(const struct entries *e, const char *text) {
    return e->count && text && bsearch(&text, e->all, e->count, sizeof *e->all, by_text);
}

bool deny_has_client(const struct deny_list *d, const char *client_id) {
    return d && has(&d->clients, client_id);
}

bool deny_has_subject(const struct deny_list *d, const char *sub) {
    return d && has(&d->subjects, sub);
}

bool deny_has_issued(const struct deny_list *d, int64_t issued_s) {
    return d && issued_s < d->issued_before_s;
}

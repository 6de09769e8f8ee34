#include "access/deny_list.h"

#include <errno.h>

#include "base/line_file.h"
#include "base/text.h"

#define ENTRIES_MAX 65536
#define LINE_BYTES_MAX 4096
#define CLOCK_SKEW_S 300 /* how far in the future a time may lie */
#define DIGITS "0123456789"

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
    struct line_file file;
    struct deny_list *d;
    int64_t now_s;
};

static void add(struct loading *l, struct entries *e, const char *text) {
    if (e->count == ENTRIES_MAX) {
        line_file_bad(&l->file, "there are more than %d lines of this kind", ENTRIES_MAX);
        return;
    }
    if (!e->all)
        e->all = xcalloc(ENTRIES_MAX, sizeof *e->all);
    e->all[e->count++] = arena_strdup(l->d->arena, text);
}

/* RFC 3339 §5.6, or a number of seconds. */
static bool parse_time(const char *text, int64_t *out) {
    size_t digits = strspn(text, DIGITS);

    if (digits && digits <= 12 && !text[digits]) {
        *out = strtoll(text, NULL, 10);
        return true;
    }
    return text_parse_rfc3339(text, out);
}

static void add_time(struct loading *l, const char *text) {
    int64_t t;

    if (!parse_time(text, &t))
        line_file_bad(&l->file, "%s: issued-before needs a time such as 2026-01-31T12:00:00Z",
                      text);
    else if (t > l->now_s + CLOCK_SKEW_S)
        line_file_bad(
            &l->file,
            "issued-before is in the future: until then every new login would be refused");
    else if (t > l->d->issued_before_s)
        l->d->issued_before_s = t;
}

static void read_line(void *loading, char *line) {
    struct loading *l = loading;
    char *save = NULL, *what = strtok_r(line, " \t\r\n", &save), *value, *more;

    if (!what || *what == '#')
        return;
    value = strtok_r(NULL, " \t\r\n", &save);
    more = strtok_r(NULL, " \t\r\n", &save);
    if (!value || (more && *more != '#'))
        line_file_bad(&l->file, "expected one word and one value, such as: subject 1234");
    else if (!strcmp(what, "client"))
        add(l, &l->d->clients, value);
    else if (!strcmp(what, "subject"))
        add(l, &l->d->subjects, value);
    else if (!strcmp(what, "issued-before"))
        add_time(l, value);
    else
        line_file_bad(&l->file, "%s: a line begins with client, subject or issued-before", what);
}

struct deny_list *deny_load(const char *path, int64_t now_s, FILE *problems, unsigned *bad) {
    struct deny_list *d = xcalloc(1, sizeof *d);
    struct loading l = {
        .file = {.path = path,
                 .problems = problems,
                 .line_bytes_max = LINE_BYTES_MAX - 1,
                 .bytes_max = DENY_FILE_BYTES_MAX,
                 .too_long = "the line or the file is too long; the rest is ignored"},
        .d = d,
        .now_s = now_s};
    const char *why;

    d->arena = arena_new(2 * (size_t)DENY_FILE_BYTES_MAX);
    if (!line_file_read(&l.file, read_line, &l, &why) && errno != ENOENT)
        line_file_bad(&l.file, "%s", why);
    if (d->clients.count)
        qsort(d->clients.all, d->clients.count, sizeof *d->clients.all, text_compare);
    if (d->subjects.count)
        qsort(d->subjects.all, d->subjects.count, sizeof *d->subjects.all, text_compare);
    *bad = l.file.bad;
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
    return e->count && text && bsearch(&text, e->all, e->count, sizeof *e->all, text_compare);
}

bool deny_has_client(const struct deny_list *d, const char *client_id) {
    return d && has(&d->clients, client_id);
}

bool deny_has_subject(const struct deny_list *d, const char *sub) {
    return d && has(&d->subjects, sub);
}

bool deny_is_issued_before(const struct deny_list *d, int64_t issued_s) {
    return d && issued_s < d->issued_before_s;
}

#include "base/log.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/output.h"
#include "base/utf8.h"

#define LINE_MAX_BYTES 2048 /* a longer line is cut; below PIPE_BUF, so one write is atomic */

/* These are set once at start, before any worker exists. */
static enum log_level lowest = LOG_INFO;
static const char *site = "";
static struct output out = {.kind = OUTPUT_LOG, .fd = STDERR_FILENO, .may_block = true};
static bool forgets; /* a child of this process forgets its parent's id */

static char process[DECIMAL_BYTES]; /* the id of this process; "": not known yet */

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

static void put(struct line *l, const char *s, size_t len) {
    size_t room = sizeof l->text - 1 - l->len; /* one byte for the newline */

    if (len > room)
        len = room;
    memcpy(l->text + l->len, s, len);
    l->len += len;
}

static void puts_raw(struct line *l, const char *s) {
    put(l, s, strlen(s));
}

/* The bytes of the character at p if it is beyond ASCII and shows as itself; 0 for what is no
 * UTF-8, and for what moves, hides or ends other text on a screen. */
static size_t shown_beyond_ascii(const char *p) {
    static const struct {
        unsigned from, to;
    } not_shown[] = {{0x80, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
                     {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
                     {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0x10ffff}};
    unsigned char lead = (unsigned char)*p;
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    unsigned code = lead & (0xffU >> (len + 1));

    if (lead < 0x80 || strnlen(p, len) < len || utf8_valid_length(p, len) < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)p[i] & 0x3f);
    for (size_t i = 0; i < sizeof not_shown / sizeof *not_shown; i++)
        if (code >= not_shown[i].from && code <= not_shown[i].to)
            return 0;
    return len;
}

#define QUOTED_MAX 6 /* a character and the quotation mark behind it, with what ends the line */

/* One character of a quoted value; how many bytes of it that was. */
static size_t put_quoted(struct line *l, const char *p) {
    unsigned char c = (unsigned char)*p;
    size_t len = shown_beyond_ascii(p);
    char esc[5];

    if (len) {
        put(l, p, len);
        return len;
    }
    if (c == '"' || c == '\\') {
        esc[0] = '\\';
        esc[1] = (char)c;
        put(l, esc, 2);
    } else if (c < ' ' || c > 126) {
        (void)snprintf(esc, sizeof esc, "\\x%02x", c);
        put(l, esc, 4);
    } else {
        put(l, p, 1);
    }
    return 1;
}

/* Quotes a value unless it is plain. Control characters, quotes and what does not show as itself
 * become escapes, so that nothing a client sends can look like another field or line. */
static void put_value(struct line *l, const char *s) {
    static const bool plain[UCHAR_MAX + 1] = {
        ['!'] = true, ['#' ... '<'] = true, ['>' ... '['] = true, [']' ... '~'] = true};
    const char *p = s;

    while (plain[(unsigned char)*p])
        p++;
    if (p > s && !*p) {
        put(l, s, (size_t)(p - s));
        return;
    }
    puts_raw(l, "\"");
    for (p = s; *p && l->len + QUOTED_MAX < sizeof l->text;) /* whole characters */
        p += put_quoted(l, p);
    puts_raw(l, "\"");
}

/* The lines of a second have the same date. */
size_t log_time(char text[LOG_TIME_BYTES]) {
    static char date[LOG_TIME_BYTES - sizeof "000Z"];
    static time_t second;
    static size_t len;
    struct timespec now;
    struct tm tm;
    unsigned ms;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second || !len) {
        second = now.tv_sec;
        (void)gmtime_r(&second, &tm);
        len = strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S.", &tm);
    }
    ms = (unsigned)(now.tv_nsec / 1000000);
    memcpy(text, date, len);
    memcpy(
        text + len,
        (char[]){(char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z', 0},
        5);
    return len + 4;
}

/* getpid(2) is a system call each time. */
static void forget_process(void) {
    process[0] = 0;
}

static const char *process_text(char text[DECIMAL_BYTES]) {
    const char *pid = *process ? process : decimal((uint64_t)getpid(), text);

    if (forgets && !*process)
        (void)snprintf(process, sizeof process, "%s", pid);
    return pid;
}

static void put_number(struct line *l, int64_t n) {
    char text[DECIMAL_BYTES];

    puts_raw(l, n < 0 ? "-" : "");
    puts_raw(l, decimal(n < 0 ? 0 - (uint64_t)n : (uint64_t)n, text));
}

bool log_write(enum log_level level, const char *event, const struct log_field *fields,
               unsigned count) {
    static const char *const levels[] = {
        " level=debug pid=", " level=info pid=", " level=warn pid=", " level=error pid="};
    struct line l UNINITIALIZED;
    char pid[DECIMAL_BYTES];

    if (level < lowest)
        return true;
    memcpy(l.text, "ts=", 3);
    l.len = 3 + log_time(l.text + 3);
    puts_raw(&l, levels[level]);
    puts_raw(&l, process_text(pid));
    puts_raw(&l, " event=");
    put_value(&l, event);
    if (*site) {
        puts_raw(&l, " site=");
        put_value(&l, site);
    }
    for (unsigned i = 0; i < count; i++) {
        puts_raw(&l, " ");
        puts_raw(&l, fields[i].key);
        puts_raw(&l, "=");
        if (fields[i].text)
            put_value(&l, fields[i].text);
        else
            put_number(&l, fields[i].number);
    }
    l.text[l.len++] = '\n';
    return output_line(&out, l.text, l.len);
}

bool log_line(const char *line, size_t len) {
    return output_line(&out, line, len);
}

void log_open(void) {
    output_take_stderr(&out);
    forgets = !pthread_atfork(NULL, NULL, forget_process);
}

void log_set_site(const char *name) {
    site = name;
}

void log_set_level(enum log_level level) {
    lowest = level;
}

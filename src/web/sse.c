#include "web/sse.h"

#define NUMBER_DIGITS_MAX 5

struct sse_id sse_id(const char *stream, uint64_t at, int number) {
    struct sse_id id = {.at = at, .number = number};

    (void)snprintf(id.stream, sizeof id.stream, "%s", stream);
    return id;
}

struct sse_id sse_id_now(const char *stream, int number) {
    return sse_id(stream, (uint64_t)clock_realtime_ms(), number);
}

/* Reads at most `max` digits of base 10 or 16. Returns how many there are. */
static size_t read_number(const char *text, size_t max, unsigned base, uint64_t *out) {
    static const char digits[] = "0123456789abcdef";
    const char *digit;
    size_t n = 0;

    *out = 0;
    for (; n < max && text[n] && (digit = memchr(digits, text[n], base)); n++)
        *out = *out * base + (uint64_t)(digit - digits);
    return n;
}

bool sse_id_read(const char *text, struct sse_id *out) {
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    size_t digits;
    uint64_t number;

    if (!len || len > SSE_STREAM_MAX || text[len] != '.')
        return false;
    *out = (struct sse_id){.number = SSE_UNNUMBERED};
    memcpy(out->stream, text, len);
    text += len + 1;
    digits = read_number(text, SSE_AT_DIGITS, 16, &out->at);
    text += digits;
    if (!digits || !*text)
        return digits > 0;
    if (*text++ != '.')
        return false;
    digits = read_number(text, NUMBER_DIGITS_MAX, 10, &number);
    out->number = (int)number;
    return digits && !text[digits];
}

size_t sse_id_line(const struct sse_id *id, char line[SSE_ID_LINE_MAX]) {
    int n = snprintf(line, SSE_ID_LINE_MAX, "id: %s.%0*llx", id->stream, SSE_AT_DIGITS,
                     (unsigned long long)id->at & ((1ULL << 4 * SSE_AT_DIGITS) - 1));

    _Static_assert(sizeof "id: ..-2147483648\n" + SSE_STREAM_MAX + SSE_AT_DIGITS <= SSE_ID_LINE_MAX,
                   "a line of each id fits");
    if (id->number != SSE_UNNUMBERED)
        n += snprintf(line + n, SSE_ID_LINE_MAX - (size_t)n, ".%d", id->number);
    line[n++] = '\n';
    return (size_t)n;
}

static struct text id_line(const struct sse_id *id, char line[SSE_ID_LINE_MAX]) {
    return (struct text){line, id ? sse_id_line(id, line) : 0};
}

struct text sse_event(struct arena *a, const struct sse_id *id, struct text data) {
    char line[SSE_ID_LINE_MAX];
    const struct text parts[] = {id_line(id, line), TEXT_LITERAL(SSE_DATA), data,
                                 TEXT_LITERAL(SSE_END)};

    return text_join(a, parts, sizeof parts / sizeof *parts);
}

size_t sse_event_len(const struct sse_id *id, struct text data) {
    char line[SSE_ID_LINE_MAX];

    return id_line(id, line).len + sizeof SSE_DATA - 1 + data.len + sizeof SSE_END - 1;
}

struct text sse_priming_event(struct arena *a, const struct sse_id *id) {
    char line[SSE_ID_LINE_MAX];
    size_t len = sse_id_line(id, line);
    const char *event =
        arena_printf(a, "%.*sretry: %d\n" SSE_DATA SSE_END, (int)len, line, SSE_RETRY_MS);

    return (struct text){event, strlen(event)};
}

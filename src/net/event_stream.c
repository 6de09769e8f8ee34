#include "net/event_stream.h"

#include "base/text.h"
#include "base/utf8.h"

#define RETRY_DIGITS_MAX 9

static bool add(struct event_bytes *b, const char *p, size_t len, size_t max) {
    if (b->len + len > max)
        return false;
    if (b->len + len + 1 > b->cap) {
        b->cap = (b->len + len + 1) * 2;
        b->p = xrealloc(b->p, b->cap);
    }
    if (len)
        memcpy(b->p + b->len, p, len);
    b->len += len;
    b->p[b->len] = 0;
    return true;
}

static void clear(struct event_bytes *b) {
    free(b->p);
    *b = (struct event_bytes){0};
}

/* Of what the last stream has begun nothing is left: it is sent again. */
void event_stream_begin(struct event_stream *s) {
    s->retry_ms = -1;
    s->has_data = s->after_cr = s->after_start = false;
    *s->type = 0;
    memcpy(s->next_id, s->id, sizeof s->next_id);
}

void event_stream_end(struct event_stream *s) {
    clear(&s->line);
    clear(&s->data);
}

/* "Dispatch": an event without data is none, but its id counts. */
static void dispatch(struct event_stream *s) {
    const struct event e = {*s->type ? s->type : "message", s->data.p ? s->data.p : "",
                            s->data.len};

    memcpy(s->id, s->next_id, sizeof s->id);
    if (s->has_data)
        s->on_event(s->arg, &e);
    s->has_data = false;
    *s->type = 0;
    clear(&s->data);
}

static void read_id(struct event_stream *s, struct text value) {
    if (memchr(value.p, 0, value.len))
        return;
    if (value.len > EVENT_ID_MAX)
        value.len = 0;
    memcpy(s->next_id, value.p, value.len);
    s->next_id[value.len] = 0;
}

static void read_retry(struct event_stream *s, struct text value) {
    int64_t ms = 0;

    if (!value.len || value.len > RETRY_DIGITS_MAX)
        return;
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return;
        ms = ms * 10 + (value.p[i] - '0');
    }
    s->retry_ms = ms;
}

static void read_type(struct event_stream *s, struct text value) {
    const size_t len = value.len < EVENT_TYPE_MAX ? value.len : EVENT_TYPE_MAX;

    memcpy(s->type, value.p, len);
    s->type[len] = 0;
}

static bool read_field(struct event_stream *s, struct text name, struct text value) {
    if (text_equal(name, TEXT_LITERAL("data"))) {
        if (s->has_data && !add(&s->data, "\n", 1, s->max))
            return false;
        s->has_data = true;
        return add(&s->data, value.p, value.len, s->max);
    }
    if (text_equal(name, TEXT_LITERAL("event")))
        read_type(s, value);
    else if (text_equal(name, TEXT_LITERAL("id")))
        read_id(s, value);
    else if (text_equal(name, TEXT_LITERAL("retry")))
        read_retry(s, value);
    return true;
}

static bool read_line(struct event_stream *s, struct text line) {
    const size_t mark = s->after_start ? 0 : utf8_bom_length(line.p, line.len);
    struct text name, value = {"", 0};
    const char *colon;

    name = line = (struct text){line.p + mark, line.len - mark};
    s->after_start = true;
    if (!line.len) {
        dispatch(s);
        return true;
    }
    colon = memchr(line.p, ':', line.len);
    if (colon) {
        const char *end = line.p + line.len;

        name = (struct text){line.p, (size_t)(colon - line.p)};
        value.p = colon + 1 < end && colon[1] == ' ' ? colon + 2 : colon + 1;
        value.len = (size_t)(end - value.p);
    }
    return read_field(s, name, value);
}

/* A line ends with CR, LF or both. */
bool event_stream_read(struct event_stream *s, const char *p, size_t len) {
    const char *end = p + len;

    while (p < end) {
        const char *stop = p;
        bool ok;

        if (s->after_cr && *p == '\n') {
            s->after_cr = false;
            p++;
            continue;
        }
        s->after_cr = false;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        if (stop == end)
            return add(&s->line, p, (size_t)(end - p), s->max);
        ok = s->line.len ? add(&s->line, p, (size_t)(stop - p), s->max) &&
                               read_line(s, (struct text){s->line.p, s->line.len})
                         : (size_t)(stop - p) <= s->max &&
                               read_line(s, (struct text){p, (size_t)(stop - p)});
        if (!ok)
            return false;
        clear(&s->line);
        s->after_cr = *stop == '\r';
        p = stop + 1;
    }
    return true;
}

/* Server-sent events that an MCP server sends. The first byte says how long the pieces are in which
 * they come: however they are cut, the events are the same. None is longer than its limit. */
#include "input.h"
#include "net/event_stream.h"
#include "standalone.h"

#define MAX 64 /* of an event: small, so that inputs reach it */

struct seen {
    uint64_t hash;
    unsigned count;
};

static void add(struct seen *s, const char *p, size_t len) {
    for (size_t i = 0; i <= len; i++)
        s->hash = s->hash * 1099511628211U + (unsigned char)(i < len ? p[i] : 0);
}

static void take(void *arg, const struct event *e) {
    struct seen *s = arg;

    MUST(e->len <= MAX && !e->data[e->len]);
    MUST(*e->type && strlen(e->type) <= EVENT_TYPE_MAX);
    add(s, e->type, strlen(e->type));
    add(s, e->data, e->len);
    s->count++;
}

static bool read_in_pieces(struct event_stream *s, const char *p, size_t size, size_t piece) {
    for (size_t at = 0; at < size; at += piece)
        if (!event_stream_read(s, p + at, size - at < piece ? size - at : piece))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct seen whole = {0}, cut = {0};
    struct event_stream one = {.max = MAX, .on_event = take, .arg = &whole};
    struct event_stream other = {.max = MAX, .on_event = take, .arg = &cut};
    const size_t piece = size ? data[0] % 7 + 1 : 1;
    const char *p = (const char *)data + (size > 0);
    bool ok, same;

    size -= size > 0;
    event_stream_begin(&one);
    event_stream_begin(&other);
    ok = event_stream_read(&one, p, size);
    same = read_in_pieces(&other, p, size, piece) == ok;
    MUST(same && whole.count == cut.count && whole.hash == cut.hash);
    MUST(!strcmp(one.id, other.id) && one.retry_ms == other.retry_ms);
    MUST(strlen(one.id) <= EVENT_ID_MAX);
    event_stream_end(&one);
    event_stream_end(&other);
    return 0;
}

/* What the relay sends to the bridge: a line for each message. The first byte of the input says how
 * it speaks: bit 0 for 2026-07-28, bit 1 for the JSON of a caller, whom a header names, instead. A
 * message has a bounded number of header lines, each of visible ASCII, so no value ends its line,
 * and what only the bridge reads is not in it any more. */
#include "input.h"

#include "bridge/session.h"
#include "standalone.h"

#define HEADER "X-User: ${caller.username} ${caller.groups} ${caller.claims.tenant}"

static void check_line(const char *line, size_t len) {
    MUST(memchr(line, ':', len));
    for (size_t i = 0; i < len; i++)
        MUST(line[i] >= ' ' && line[i] <= '~');
}

/* Names of headers are ours and the manifest's; a value may be anything. */
static bool has_odd_name(const struct json *message) {
    const struct json *params = json_get(message, "params");
    const struct json *given = json_get(json_get(params, "_meta"), SERVER_META_HEADERS);

    for (struct json_member h = json_first(given); h.key; json_next(&h))
        for (const char *p = h.key; *p; p++)
            if (*p <= ' ' || *p > '~')
                return true;
    return false;
}

static void check_headers(struct bridge *b, const char *lines) {
    size_t n = 0;

    for (const char *end; (end = strchr(lines, '\n')); lines = end + 1, n++)
        check_line(lines, (size_t)(end - lines));
    MUST(!*lines && n <= BRIDGE_MESSAGE_HEADERS_MAX + (b->is_stateless ? 2 : 0));
}

static void take_message(struct bridge *b, struct json *v) {
    const char *lines = has_odd_name(v) ? NULL : headers_of_message(b, v);

    if (lines)
        check_headers(b, lines);
    if (lines)
        MUST(!json_has(json_get(json_get(v, "params"), "_meta"), SERVER_META_HEADERS));
}

static void take_caller(struct bridge *b, const struct json *caller) {
    const char *header = header_with_caller(b->arena, HEADER, caller);

    if (header)
        check_line(header, strlen(header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char how = size ? (char)data[0] : 0, *at = (const char *)data + (size > 0);
    struct bridge b = {.is_stateless = how & 1, .arena = arena_new(ARENA_BYTES)};
    const char *end = (const char *)data + size;
    struct json *v;
    struct err e;

    for (const char *stop; at < end; at = stop + 1) {
        stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        arena_reset(b.arena);
        if (json_parse(b.arena, at, (size_t)(stop - at), &v, &e))
            continue;
        if (how & 2)
            take_caller(&b, v);
        else
            take_message(&b, v);
    }
    arena_free(b.arena);
    return 0;
}

/* What an MCP server and its callers send through a relay: lines, each of which the first byte says
 * whom it is from: "s" the server, "0" to "3" a caller, "x" the end of caller 0. What a caller gets
 * is whole lines, and no call is left that nobody waits for. */
#include "input.h"
#include "runner/relay.h"
#include "standalone.h"

#define CALLERS 4

/* relay.c ends the process that it is in. */
void relay_end(struct relay *r, const char *why) {
    r->why = why;
}

static void take(struct relay *r, char from, struct text line) {
    struct relay_caller *c = from >= '0' && from < '0' + CALLERS ? &r->callers[from - '0'] : NULL;

    arena_reset(r->arena);
    if (from == 's') {
        relay_from_server(r, line);
        for (size_t i = 0; i < RELAY_CALLS_MAX; i++) /* so that an input can have it */
            if (*r->calls[i].ticket)
                memset(r->calls[i].ticket, '0', RELAY_TICKET_LEN);
    } else if (from == 'x')
        relay_forget_caller(r, &r->callers[0]);
    else if (c && !relay_from_caller(r, c, line))
        relay_forget_caller(r, c);
}

static void check(const struct relay *r) {
    unsigned calls = 0, of_callers = 0, own = 0, parked = 0;

    for (size_t i = 0; i < RELAY_CALLS_MAX; i++) {
        calls += r->calls[i].id != 0;
        parked += r->calls[i].id && !r->calls[i].caller && *r->calls[i].ticket;
        own += r->calls[i].id && !r->calls[i].caller && !*r->calls[i].ticket;
    }
    for (size_t i = 0; i < CALLERS; i++) {
        const struct relay_queue *q = &r->callers[i].out;

        of_callers += r->callers[i].calls;
        MUST(!q->len || q->p[q->from + q->len - 1] == '\n');
    }
    MUST(calls == r->call_count && calls == of_callers + own + parked && own <= 4);
    MUST(parked == r->parked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct relay r;
    static struct relay_figures figures;
    static struct relay_record record;
    const char *at = (const char *)data, *end = at + size;

    log_set_level(LOG_ERROR);
    r = (struct relay){.callers_used = CALLERS, .lists_file = -1, .place = {&record, &figures}};
    for (size_t i = 0; i < CALLERS; i++)
        r.callers[i].passed = -1;
    r.arena = arena_new(ARENA_BYTES);
    r.keep = arena_new(ARENA_BYTES);
    relay_initialize(&r);
    while (at < end && !r.why) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));

        stop = stop ? stop : end;
        take(&r, *at, (struct text){at + (at < stop), (size_t)(stop - at) - (at < stop)});
        check(&r);
        at = stop + 1;
    }
    for (size_t i = 0; i < CALLERS; i++)
        relay_queue_free(&r.callers[i].out);
    for (size_t i = 0; i < RELAY_CALLS_MAX; i++) {
        relay_queue_free(&r.calls[i].held);
        relay_queue_free(&r.calls[i].next);
    }
    relay_queue_free(&r.to_server);
    arena_free(r.arena);
    arena_free(r.keep);
    return 0;
}

#include "runner/relay_pool.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/child.h"
#include "runner/packet.h"

#define BEGIN_MS 2000 /* for a client to start the server, before another one may */
#define AGAIN_MS 2    /* for one that waits for that */
/* A server that fails is started again after this time, which doubles with each failure; one that
 * has run for STEADY_MS begins anew. */
#define BACK_OFF_FIRST_MS 500
#define BACK_OFF_MAX_MS 60000
#define STEADY_MS 60000

/* What is known of a server without a relay. */
struct startup {
    uint8_t id[INSTANCE_ID_LEN];
    unsigned failures;
    int64_t not_before_ms; /* since it has failed, or since somebody starts it */
    bool is_starting;      /* somebody does */
};

static struct relay_entry relays[RELAYS_MAX];
static unsigned relays_used; /* relays from this one on are free, and were always */
static struct startup startups[RELAYS_MAX];

/* ---- what relays count ---- */

/* In memory that relays share with this process; NULL: there is none. */
static struct relay_counts {
    struct relay_record records[RELAY_RECORDS_MAX];
    struct relay_figures figures[RELAYS_MAX];
} * counts;

static struct relay_record *find_record(const struct instance_key *key) {
    struct relay_record *r = counts->records, *end = r + RELAY_RECORDS_MAX;

    while (r < end && r->is_used && memcmp(r->group, key->group, sizeof r->group) != 0)
        r++;
    if (r == end)
        return NULL;
    if (r->is_used)
        return r;
    r->is_used = true;
    memcpy(r->group, key->group, sizeof r->group);
    memcpy(r->state.name, key->name, sizeof r->state.name);
    memcpy(r->state.site, key->site, sizeof r->state.site);
    r->state.name[sizeof r->state.name - 1] = r->state.site[sizeof r->state.site - 1] = 0;
    return r;
}

/* Before its relay is forked. */
static void make_place(struct relay_entry *x) {
    static struct relay_figures unread_figures;
    static struct relay_record unread_record;

    if (!counts)
        counts = memory_shared(sizeof *counts);
    x->place.figures = counts ? &counts->figures[x - relays] : &unread_figures;
    *x->place.figures = (struct relay_figures){.called_ms = x->started_ms};
    x->place.record = counts ? find_record(&x->key) : NULL;
    if (!x->place.record)
        x->place.record = &unread_record;
}

bool relay_pool_state(uint32_t number, struct server_state *out) {
    const struct relay_record *r =
        counts && number < RELAY_RECORDS_MAX ? &counts->records[number] : NULL;

    if (!r || !r->is_used)
        return false;
    *out = r->state;
    out->why[sizeof out->why - 1] = 0;
    for (unsigned i = 0; i < relays_used; i++) {
        if (relays[i].control < 0 || relays[i].place.record != r)
            continue;
        out->instances++;
        out->calls_now += relays[i].place.figures->calls;
        out->memory += relays[i].place.figures->memory;
    }
    return true;
}

/* ---- startups ---- */

/* The one of this id; or a place for it, that of the server which was heard of least recently. */
static struct startup *find_startup(const uint8_t *id) {
    struct startup *oldest = startups;

    for (struct startup *s = startups; s < startups + RELAYS_MAX; s++) {
        if (!memcmp(s->id, id, sizeof s->id))
            return s;
        if (s->not_before_ms < oldest->not_before_ms)
            oldest = s;
    }
    *oldest = (struct startup){0};
    memcpy(oldest->id, id, sizeof oldest->id);
    return oldest;
}

static void note_failure(const struct relay_entry *x) {
    struct startup *s = find_startup(x->key.id);
    const int64_t now = clock_monotonic_ms();

    if (now - x->started_ms >= STEADY_MS)
        s->failures = 0;
    s->not_before_ms = now + clock_back_off_ms(&s->failures, BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS);
    s->is_starting = false;
}

/* ---- relays ---- */

/* "No more callers": relay.c reads the end of the control. */
static void retire(struct relay_entry *x) {
    x->is_usable = false;
    (void)shutdown(x->control, SHUT_WR);
}

static struct relay_entry *find_relay(const struct instance_key *key) {
    struct relay_entry *found = NULL;

    for (struct relay_entry *x = relays; x < relays + relays_used; x++) {
        if (x->control < 0 || !x->is_usable || memcmp(x->key.id, key->id, sizeof key->id) != 0)
            continue;
        if (!memcmp(x->key.revision, key->revision, sizeof key->revision))
            found = x;
        else
            retire(x);
    }
    return found;
}

static bool connect_to(struct relay_entry *x, int *fd) {
    int ends[2];
    bool ok;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return false;
    ok = packet_send(x->control, RELAY_WORD_CALLER, 1, &ends[1], 1);
    (void)close(ends[1]);
    if (!ok)
        (void)close(ends[0]);
    *fd = ok ? ends[0] : -1;
    return ok;
}

/* The one that was called least recently takes no more callers, and ends after its last call. Of
 * all, or of one server. */
static void retire_oldest(const uint8_t *group, unsigned limit) {
    struct relay_entry *oldest = NULL;

    for (struct relay_entry *x = relays; x < relays + relays_used; x++)
        if (x->control >= 0 && x->is_usable &&
            (!group || !memcmp(x->key.group, group, sizeof x->key.group)) &&
            (!oldest || x->place.figures->called_ms < oldest->place.figures->called_ms))
            oldest = x;
    if (!oldest)
        return;
    log_warn("limit_reached", kv("what", "server_instances"), kv("server", oldest->key.name),
             kvn("limit", limit));
    retire(oldest);
}

/* Makes room for another instance. false: not yet. */
static bool make_room(const struct instance_key *key) {
    unsigned of_server = 0, all = 0, usable = 0;

    for (struct relay_entry *x = relays; x < relays + relays_used; x++) {
        if (x->control < 0)
            continue;
        all++;
        usable += x->is_usable;
        of_server += x->is_usable && !memcmp(x->key.group, key->group, sizeof key->group);
    }
    if (key->instances_max && of_server >= key->instances_max)
        retire_oldest(key->group, key->instances_max);
    else if (usable == RELAYS_MAX)
        retire_oldest(NULL, RELAYS_MAX);
    return all < RELAYS_MAX;
}

enum instance_found relay_pool_call(const struct instance_key *key, int *fd, uint32_t *wait_ms) {
    struct relay_entry *x = find_relay(key);
    const int64_t now = clock_monotonic_ms();
    struct startup *s;

    *wait_ms = AGAIN_MS;
    if (x)
        return connect_to(x, fd) ? INSTANCE_FOUND : INSTANCE_STARTING;
    s = find_startup(key->id);
    if (s->not_before_ms > now) {
        if (!s->is_starting)
            *wait_ms = (uint32_t)(s->not_before_ms - now);
        return s->is_starting ? INSTANCE_STARTING : INSTANCE_BACK_OFF;
    }
    if (!make_room(key))
        return INSTANCE_STARTING;
    s->is_starting = true;
    s->not_before_ms = now + BEGIN_MS;
    return INSTANCE_NONE;
}

static struct relay_entry *find_place(void) {
    for (struct relay_entry *x = relays; x < relays + relays_used; x++)
        if (x->control < 0)
            return x;
    return relays_used < RELAYS_MAX ? &relays[relays_used++] : NULL;
}

static int fork_relay(struct relay_entry *x, const int fds[INSTANCE_FDS]) {
    int ends[2];
    struct child_start how = {.name = "mcp-relay", .death_signal = SIGKILL};
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return -1;
    make_place(x);
    memcpy(how.keep, fds, INSTANCE_FDS * sizeof *fds);
    how.keep[INSTANCE_FDS] = ends[1];
    pid = child_fork(&how);
    if (pid == 0)
        relay_main(ends[1], &x->key, fds, &x->place);
    (void)close(ends[1]);
    if (pid > 0)
        return ends[0];
    (void)close(ends[0]);
    return -1;
}

struct relay_entry *relay_pool_start(const struct instance_key *key, const int fds[INSTANCE_FDS]) {
    struct relay_entry *x = find_relay(key) ? NULL : find_place();
    struct startup *s = find_startup(key->id);

    if (!x)
        return NULL;
    *x = (struct relay_entry){
        .control = -1, .is_usable = true, .key = *key, .started_ms = clock_monotonic_ms()};
    x->key.name[sizeof x->key.name - 1] = 0;
    x->control = fork_relay(x, fds);
    if (x->control < 0) {
        log_error("fork_failed", kv("why", strerror(errno)));
        note_failure(x);
        return NULL;
    }
    s->not_before_ms = 0;
    s->is_starting = false;
    return x;
}

void relay_pool_event(struct relay_entry *x) {
    char word;
    struct packet p = {&word, sizeof word, NULL, 0, 0};
    ssize_t n = packet_receive(x->control, &p);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 ? word == *RELAY_WORD_FAILED : x->is_usable) /* without a word: it was killed */
        note_failure(x);
    if (n > 0)
        retire(x);
    else
        descriptor_clear(&x->control);
}

void relay_pool_renew_service(const struct instance_key *key, int file) {
    for (struct relay_entry *x = relays; x < relays + relays_used; x++)
        if (x->control >= 0 && x->is_usable &&
            !memcmp(x->key.group, key->group, sizeof key->group) &&
            !memcmp(x->key.revision, key->revision, sizeof key->revision))
            (void)packet_send(x->control, RELAY_WORD_SERVICE, 1, &file, 1);
}

void relay_pool_retire_all(void) {
    for (struct relay_entry *x = relays; x < relays + relays_used; x++)
        if (x->control >= 0 && x->is_usable)
            retire(x);
}

unsigned relay_pool_count(void) {
    unsigned n = 0;

    for (struct relay_entry *x = relays; x < relays + relays_used; x++)
        n += x->control >= 0;
    return n;
}

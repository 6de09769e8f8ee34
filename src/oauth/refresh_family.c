/* The refresh tokens of one login, each made from the one before: a family (RFC 9700 §4.14.2). For
 * some time a token that comes again may be one whose answer was lost; after that somebody has
 * what is not theirs, and nobody can say who. */
#include <string.h>

#include "base/log.h"
#include "crypto/crypto.h"
#include "oauth/tokens.h"
#include "shared/shared.h"

#define FAMILY_ID_BYTES 12
/* In the host's cache they lie in 64 parts, by the first character of their ids, so that no more
 * than one part has to be counted: 8,192 and 16,384 in all. */
#define USED_MAX 128
#define USED_S (30 * 86400)
#define ENDED_MAX 256
#define ENDED_S (400 * 86400)
#define LATE_MIN_S 10 /* parallel refreshes take so long where none is given again */

/* The youngest that was used, and when that was first so. */
struct used {
    int64_t generation, at_s;
};

static const char *used_key(struct arena *a, const struct refresh_grant *g) {
    return arena_printf(a, "family%c:%s", *g->family, g->family);
}

static const char *ended_key(struct arena *a, const struct refresh_grant *g) {
    return arena_printf(a, "ended%c:%s", *g->family, g->family);
}

static bool get(struct site *site, struct arena *a, const char *key, const char **value,
                size_t *len) {
    struct err ignored;
    int64_t stored_s;

    return !host_passing_get(site->cache, a, key, clock_now_s(&site->clock), value, len, &stored_s,
                             &ignored);
}

static bool get_used(struct site *site, struct arena *a, const struct refresh_grant *g,
                     struct used *out) {
    const char *value;
    size_t len;

    if (!get(site, a, used_key(a, g), &value, &len) || len != sizeof *out)
        return false;
    memcpy(out, value, sizeof *out);
    return true;
}

enum family family_state(struct site *site, struct arena *a, const struct refresh_grant *g) {
    int64_t late_s = site->config->refresh_replay_s, now_s = clock_now_s(&site->clock);
    const char *value;
    struct used used;
    size_t len;

    if (!*g->family)
        return FAMILY_GOOD;
    if (get(site, a, ended_key(a, g), &value, &len))
        return FAMILY_ENDED;
    if (late_s < LATE_MIN_S)
        late_s = LATE_MIN_S;
    return get_used(site, a, g, &used) && g->generation <= used.generation &&
                   now_s > used.at_s + late_s
               ? FAMILY_REUSED
               : FAMILY_GOOD;
}

void family_next(struct site *site, struct arena *a, struct refresh_grant *g) {
    struct used used, now = {g->generation, clock_now_s(&site->clock)};
    struct err e;

    if (!*g->family) { /* of an earlier version */
        g->family = random_text(a, FAMILY_ID_BYTES);
    } else if (!get_used(site, a, g, &used) || used.generation < now.generation) {
        if (host_passing_put(site->cache, used_key(a, g), &now, sizeof now, now.at_s, USED_S,
                             USED_MAX, &e))
            log_warn("refresh_use_not_kept", kv("detail", e.detail));
    }
    g->generation++;
}

void family_end(struct site *site, struct arena *a, const struct refresh_grant *g) {
    struct err e;

    if (*g->family && host_passing_put(site->cache, ended_key(a, g), "", 0,
                                       clock_now_s(&site->clock), ENDED_S, ENDED_MAX, &e))
        log_error("login_end_not_kept", kv("detail", e.detail));
}

const char *family_new(struct arena *a) {
    return random_text(a, FAMILY_ID_BYTES);
}

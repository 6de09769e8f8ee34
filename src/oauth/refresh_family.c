#include "oauth/refresh_family.h"

#include "base/base.h"
#include "config/config.h"
#include "crypto/random.h"
#include "oauth/refresh_token.h"
#include "shared/cache.h"

#define FAMILY_ID_BYTES 12
/* In the cache they lie in 64 parts, by the first character of their ids, so that no more
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

static bool get_used(struct site *site, struct arena *a, const struct refresh_grant *g,
                     struct used *out) {
    struct cache_entry entry;
    struct err ignored;

    if (cache_get(site->cache, a, used_key(a, g), &entry, &ignored) || entry.len != sizeof *out)
        return false;
    memcpy(out, entry.value, sizeof *out);
    return true;
}

enum family family_state(struct site *site, struct arena *a, const struct refresh_grant *g) {
    int64_t late_s = site->config->refresh_replay_s, now_s = clock_now_s(&site->clock);
    struct used used;

    if (!*g->family)
        return FAMILY_GOOD;
    if (cache_has(site->cache, ended_key(a, g)))
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
    const struct cache_entry entry = {.value = &now, .len = sizeof now, .ttl_s = USED_S};
    struct err e;

    if (!*g->family) { /* of an earlier version */
        g->family = random_text(a, FAMILY_ID_BYTES);
    } else if (!get_used(site, a, g, &used) || used.generation < now.generation) {
        if (cache_set(site->cache, used_key(a, g), &entry, USED_MAX, &e))
            log_warn("refresh_use_not_kept", kv("detail", e.detail));
    }
    g->generation++;
}

void family_end(struct site *site, struct arena *a, const struct refresh_grant *g) {
    const struct cache_entry entry = cache_text("", ENDED_S);
    struct err e;

    if (*g->family && cache_set(site->cache, ended_key(a, g), &entry, ENDED_MAX, &e))
        log_error("login_end_not_kept", kv("detail", e.detail));
}

const char *family_new(struct arena *a) {
    return random_text(a, FAMILY_ID_BYTES);
}

/* Records lie one behind the other in a ring, the oldest is overwritten first, and an index of sets
 * finds them by a tag of their key. Records are numbered in the order in which they were written.
 *
 * A reader copies a record and then asks whether it was valid while it copied, as with a seqlock:
 * `published` is read before, and the record must be older; `oldest` is read after, and the record
 * must not be older. A writer raises `oldest` past what it overwrites before it overwrites, and
 * `published` after it has written. So whatever a reader has copied is a whole record or is thrown
 * away. Who writes holds a mutex that the kernel releases when its holder ends (robust); who cannot
 * have it at once does not write. */
#include "shared/memory_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/param.h>

#include "crypto/digest.h"

#define UNIT 64 /* bytes; a record begins at a multiple */
#define WAYS 8  /* of a set, which is one cache line */
#define OFFSET_BITS 24
#define OFFSET_MASK ((UINT64_C(1) << OFFSET_BITS) - 1)

/* The end of a newer record's value may reach into the header of an older one. The key is there
 * first, so that then it is no longer the one that is looked for. */
struct record {
    uint8_t key[MEMORY_CACHE_KEY_LEN];
    uint64_t number;
    int64_t expires_s;
    uint32_t len; /* of the value, which follows */
    uint32_t units;
};

/* What the processes share; the ring follows the sets. */
struct table {
    pthread_mutex_t writing;
    _Atomic uint64_t oldest, published; /* numbers: from, and up to but not including */
    /* While `writing` is held; in units. */
    uint32_t head, tail; /* where the next record goes, and where the oldest is */
    uint32_t end;        /* of what lies from `tail` on, if the head is before it */
    bool is_wrapped;
    /* A part of the key, and 1 + the record's unit; 0: none. */
    _Alignas(64) _Atomic uint64_t sets[][WAYS];
};

struct memory_cache {
    struct table *table;
    char *ring;
    size_t bytes; /* of the mapping */
    uint32_t units, set_count;
};

/* Twice as many places, so that few sets are full before the ring is. */
static size_t sets_for(size_t entries) {
    size_t sets = 1;

    while (sets * WAYS < 2 * entries)
        sets *= 2;
    return sets;
}

static bool make_mutex(pthread_mutex_t *m) {
    pthread_mutexattr_t attr;
    bool ok;

    if (pthread_mutexattr_init(&attr))
        return false;
    ok = !pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) &&
         !pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) && !pthread_mutex_init(m, &attr);
    (void)pthread_mutexattr_destroy(&attr);
    return ok;
}

struct memory_cache *memory_cache_new(size_t bytes, size_t entries) {
    const size_t sets = sets_for(entries), units = MIN(bytes / UNIT, OFFSET_MASK - 1);
    const size_t before = sizeof(struct table) + sets * WAYS * sizeof(uint64_t);
    struct memory_cache *c;
    struct table *t = mmap(NULL, before + units * UNIT, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (t == MAP_FAILED)
        return NULL;
    if (!make_mutex(&t->writing)) {
        (void)munmap(t, before + units * UNIT);
        return NULL;
    }
    c = xcalloc(1, sizeof *c);
    *c = (struct memory_cache){.table = t,
                               .ring = (char *)t + before,
                               .bytes = before + units * UNIT,
                               .units = (uint32_t)units,
                               .set_count = (uint32_t)sets};
    return c;
}

void memory_cache_free(struct memory_cache *c) {
    if (!c)
        return;
    (void)munmap(c->table, c->bytes);
    free(c);
}

/* ---- the index ---- */

static uint64_t tag_of(const uint8_t *key) {
    uint64_t tag;

    memcpy(&tag, key, sizeof tag);
    return tag & ~OFFSET_MASK;
}

static _Atomic uint64_t *set_of(const struct memory_cache *c, const uint8_t *key) {
    uint64_t set;

    memcpy(&set, key + sizeof set, sizeof set);
    return c->table->sets[set & (c->set_count - 1)];
}

/* Is it a record that can be, with all of it in the ring? */
static bool is_sound(const struct memory_cache *c, uint32_t unit, const struct record *r) {
    return r->len <= MEMORY_CACHE_VALUE_MAX && r->units == (sizeof *r + r->len + UNIT - 1) / UNIT &&
           r->units <= c->units - unit;
}

/* The record at an entry of a set. False if there was none, or something else by now. */
static bool read_record(const struct memory_cache *c, uint64_t entry, struct record *out) {
    const uint64_t at = entry & OFFSET_MASK;
    const uint64_t published = atomic_load_explicit(&c->table->published, memory_order_acquire);

    if (!at || at > c->units)
        return false;
    memcpy(out, c->ring + (at - 1) * UNIT, sizeof *out);
    return out->number < published && is_sound(c, (uint32_t)at - 1, out);
}

/* After the copy. */
static bool was_valid(const struct memory_cache *c, const struct record *r) {
    atomic_thread_fence(memory_order_acquire);
    return r->number >= atomic_load_explicit(&c->table->oldest, memory_order_relaxed);
}

bool memory_cache_get(struct memory_cache *c, struct arena *a,
                      const uint8_t key[MEMORY_CACHE_KEY_LEN], int64_t now_s, struct text *out) {
    const uint64_t tag = tag_of(key);
    _Atomic uint64_t *set = set_of(c, key);

    for (int i = 0; i < WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&set[i], memory_order_acquire);
        struct record r;
        char *copy;

        if ((entry & ~OFFSET_MASK) != tag || !read_record(c, entry, &r) ||
            !equal_in_constant_time(r.key, key, sizeof r.key) || r.expires_s <= now_s)
            continue;
        copy = arena_alloc(a, (size_t)r.len + 1);
        memcpy(copy, c->ring + ((entry & OFFSET_MASK) - 1) * UNIT + sizeof r, r.len);
        *out = (struct text){copy, r.len};
        if (was_valid(c, &r))
            return true;
        explicit_bzero(copy, r.len);
    }
    return false;
}

/* ---- the ring: all of this with the mutex held ---- */

static void forget_all(struct table *t) {
    atomic_store(&t->oldest, atomic_load(&t->published));
    t->head = t->tail = t->end = 0;
    t->is_wrapped = false;
}

static bool is_empty(struct table *t) {
    return atomic_load_explicit(&t->oldest, memory_order_relaxed) ==
           atomic_load_explicit(&t->published, memory_order_relaxed);
}

static void drop_oldest(struct memory_cache *c, const struct record *r) {
    struct table *t = c->table;

    atomic_store_explicit(&t->oldest, r->number + 1, memory_order_relaxed);
    t->tail += r->units;
    if (t->is_wrapped && t->tail >= t->end) {
        t->tail = 0;
        t->is_wrapped = false;
    }
    if (is_empty(t))
        forget_all(t);
}

/* The oldest record; false, and nothing is left, if there is none. */
static bool find_oldest(struct memory_cache *c, struct record *r) {
    struct table *t = c->table;

    if (is_empty(t))
        return false;
    if (t->tail < c->units) {
        memcpy(r, c->ring + (size_t)t->tail * UNIT, sizeof *r);
        if (r->number == atomic_load(&t->oldest) && is_sound(c, t->tail, r))
            return true;
    }
    forget_all(t);
    return false;
}

/* Is there room at the head? Goes back to the start when half of what was used is free again, so
 * that the memory of a cache with few entries stays small. */
static bool has_room(struct memory_cache *c, uint32_t units) {
    struct table *t = c->table;

    if (!t->is_wrapped && t->tail >= units &&
        (t->tail >= t->head / 2 || units > c->units - t->head)) {
        t->end = t->head;
        t->head = 0;
        t->is_wrapped = true;
    }
    return units <= (t->is_wrapped ? t->tail : c->units) - t->head;
}

/* What has expired goes, and then the oldest, until there is room. False if it cannot be. */
static bool make_room(struct memory_cache *c, uint32_t units, int64_t now_s) {
    struct record r;

    if (units > c->units / WAYS)
        return false;
    while (find_oldest(c, &r) && (r.expires_s <= now_s || !has_room(c, units)))
        drop_oldest(c, &r);
    return has_room(c, units);
}

/* The entry to replace: of the same key, else one whose record has expired or is another's by now,
 * else the oldest. */
static _Atomic uint64_t *find_entry(const struct memory_cache *c, const uint8_t *key,
                                    int64_t now_s) {
    _Atomic uint64_t *set = set_of(c, key), *found = &set[0];
    uint64_t oldest = UINT64_MAX;

    for (int i = 0; i < WAYS; i++) {
        uint64_t entry = atomic_load(&set[i]);
        struct record r;

        if (entry && (entry & ~OFFSET_MASK) == tag_of(key))
            return &set[i];
        if (!read_record(c, entry, &r) || !was_valid(c, &r) || r.expires_s <= now_s ||
            tag_of(r.key) != (entry & ~OFFSET_MASK))
            r.number = 0;
        if (r.number < oldest) {
            oldest = r.number;
            found = &set[i];
        }
    }
    return found;
}

static void write_record(struct memory_cache *c, const struct record *r, const void *value) {
    struct table *t = c->table;
    char *to = c->ring + (size_t)t->head * UNIT;

    atomic_thread_fence(memory_order_release); /* `oldest` is seen before what follows */
    memcpy(to, r, sizeof *r);
    memcpy(to + sizeof *r, value, r->len);
    atomic_store_explicit(&t->published, r->number + 1, memory_order_release);
}

static void put(struct memory_cache *c, const uint8_t *key, const struct memory_cache_entry *in,
                int64_t now_s) {
    struct table *t = c->table;
    struct record r = {.number = atomic_load(&t->published),
                       .expires_s = in->expires_s,
                       .len = (uint32_t)in->len,
                       .units = (uint32_t)((sizeof r + in->len + UNIT - 1) / UNIT)};

    memcpy(r.key, key, sizeof r.key);
    if (!make_room(c, r.units, now_s))
        return;
    write_record(c, &r, in->value);
    atomic_store_explicit(find_entry(c, key, now_s), tag_of(key) | (t->head + 1),
                          memory_order_release);
    t->head += r.units;
}

void memory_cache_put(struct memory_cache *c, const uint8_t key[MEMORY_CACHE_KEY_LEN],
                      const struct memory_cache_entry *entry, int64_t now_s) {
    struct table *t = c->table;
    int held = entry->len > MEMORY_CACHE_VALUE_MAX ? EINVAL : pthread_mutex_trylock(&t->writing);

    if (held == EOWNERDEAD) {
        (void)pthread_mutex_consistent(&t->writing);
        atomic_fetch_add(&t->published, 1); /* its number may be in a record that is not whole */
        forget_all(t);
    } else if (held) {
        return;
    }
    put(c, key, entry, now_s);
    (void)pthread_mutex_unlock(&t->writing);
}

/* A file is a hash table with linear probing, from which nothing is removed: a slot that a key has
 * taken stays its own until the file of the day is removed. */
#include "shared/daily_counts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/state_file.h"

#define SLOTS 131072 /* more than DAILY_COUNTS_MAX, so that a search soon meets a free one */
#define DAY_NAME_BYTES sizeof "2026-07-28"

_Static_assert(DAILY_COUNTS_MAX < SLOTS, "a free slot ends each search");

static const char magic[8] = "counts1";

struct slot {
    _Atomic uint64_t tag; /* of the key; 0: free */
    _Atomic uint32_t count;
};

/* The file, as it is mapped. */
struct table {
    struct mapped_header header;
    _Atomic uint32_t used; /* slots that are taken */
    struct slot slots[SLOTS];
};

struct daily_counts {
    char *folder;
    int64_t day;             /* since 1970: that of the file, if it is open */
    struct mapped_file file; /* of the last day that something was counted on */
};

struct daily_counts *daily_counts_new(const char *folder) {
    struct daily_counts *d = xcalloc(1, sizeof *d);

    d->folder = xstrdup(folder);
    return d;
}

void daily_counts_free(struct daily_counts *d) {
    if (!d)
        return;
    mapped_file_close(&d->file);
    free(d->folder);
    free(d);
}

/* ---- the files ---- */

static void day_name(int64_t now_s, char out[DAY_NAME_BYTES]) {
    const time_t t = (time_t)now_s;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || strftime(out, DAY_NAME_BYTES, "%F", &tm) != DAY_NAME_BYTES - 1)
        (void)snprintf(out, DAY_NAME_BYTES, "%s", "0000-00-00");
}

/* Yesterday's stays: another process may still be about to count, or the clock be set back. What is
 * damaged goes too (state_file.h). */
static void remove_old(const char *folder, int64_t now_s) {
    DIR *dir = opendir(folder);
    char yesterday[DAY_NAME_BYTES];
    const struct dirent *entry;

    day_name(now_s - DAY_S, yesterday);
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, yesterday, DAY_NAME_BYTES - 1) < 0)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        (void)closedir(dir);
}

static enum rc open_day(struct daily_counts *d, int64_t now_s, struct err *e) {
    char name[DAY_NAME_BYTES], path[PATH_MAX];
    int n;

    mapped_file_close(&d->file);
    day_name(now_s, name);
    n = snprintf(path, sizeof path, "%s/%s", d->folder, name);
    if (n < 0 || n >= (int)sizeof path || (mkdir(d->folder, 0700) && errno != EEXIST))
        return err_set(e, ERR_STORE, "%.160s cannot be made: %s", d->folder, strerror(errno));
    d->day = now_s / DAY_S;
    remove_old(d->folder, now_s);
    return mapped_file_open(&d->file, path, magic, sizeof(struct table), e);
}

/* The table of today; NULL: the error says why. */
static struct table *today(struct daily_counts *d, int64_t now_s, struct err *e) {
    if (!d->file.path || d->day != now_s / DAY_S) {
        if (open_day(d, now_s, e))
            return NULL;
    } else if (!mapped_file_ready(&d->file)) {
        (void)err_set(e, ERR_STORE, "%.200s cannot be used", d->file.path);
        return NULL;
    }
    return d->file.map;
}

/* ---- the slots ---- */

/* The first slot to look at. */
static uint32_t place_of(const struct table *table, const char *key, uint64_t *tag) {
    const uint32_t place = mapped_hash(&table->header, key, tag) % SLOTS;

    *tag = *tag ? *tag : 1; /* 0 is that of a free slot */
    return place;
}

/* The slot of this tag, or the free one that ends the search; NULL: a damaged table has neither. */
static struct slot *find(struct table *table, uint32_t place, uint64_t tag) {
    for (uint32_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &table->slots[(place + i) % SLOTS];
        const uint64_t there = atomic_load(&slot->tag);

        if (!there || there == tag)
            return slot;
    }
    return NULL;
}

/* The slot of the key, which it takes if it has none. NULL: all that may be used are taken. */
static struct slot *slot_of(struct table *table, const char *key) {
    uint64_t tag, there;
    const uint32_t place = place_of(table, key, &tag);

    for (;;) {
        struct slot *slot = find(table, place, tag);

        if (!slot || atomic_load(&slot->tag) == tag)
            return slot;
        if (atomic_fetch_add(&table->used, 1) >= DAILY_COUNTS_MAX) {
            (void)atomic_fetch_sub(&table->used, 1);
            return NULL;
        }
        there = 0;
        if (atomic_compare_exchange_strong(&slot->tag, &there, tag))
            return slot;
        (void)atomic_fetch_sub(&table->used, 1); /* another process was faster */
        if (there == tag)
            return slot;
    }
}

/* False: it is at its max. */
static bool add_one(struct slot *slot, uint32_t max) {
    const uint32_t end = max ? max : UINT32_MAX;
    uint32_t count = atomic_load(&slot->count);

    do {
        if (count >= end)
            return !max;
    } while (!atomic_compare_exchange_weak(&slot->count, &count, count + 1));
    return true;
}

enum rc daily_counts_take(struct daily_counts *d, struct daily_take *t, int64_t now_s,
                          struct err *e) {
    struct table *table = today(d, now_s, e);

    if (!table)
        return e->code;
    for (size_t i = 0; i < t->n; i++) {
        struct slot *slot = slot_of(table, t->counts[i].key);

        if (slot && add_one(slot, t->counts[i].max))
            continue;
        t->reached = i;
        while (i--)
            (void)atomic_fetch_sub(&slot_of(table, t->counts[i].key)->count, 1);
        return slot ? err_set(e, ERR_EXISTS, "the limit of the day is reached")
                    : err_set(e, ERR_STORE, "%.160s has counts of %d keys today, which is the most",
                              d->folder, DAILY_COUNTS_MAX);
    }
    return OK;
}

/* A file that is only read; NULL: there is none of this size. */
static struct table *map_to_read(int fd) {
    struct table *table;
    struct stat st;

    if (fstat(fd, &st) || st.st_size != sizeof *table)
        return NULL;
    table = mmap(NULL, sizeof *table, PROT_READ, MAP_SHARED, fd, 0);
    return table == MAP_FAILED ? NULL : table;
}

bool daily_counts_read(const char *folder, const char *key, int64_t now_s, uint32_t *out) {
    char name[DAY_NAME_BYTES], path[PATH_MAX];
    const struct slot *slot;
    struct table *table;
    uint32_t place;
    uint64_t tag;
    int fd;

    *out = 0;
    day_name(now_s, name);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT;
    table = map_to_read(fd);
    (void)close(fd);
    if (!table)
        return true;
    place = place_of(table, key, &tag);
    slot = find(table, place, tag);
    *out = slot ? atomic_load(&slot->count) : 0;
    (void)munmap(table, sizeof *table);
    return true;
}

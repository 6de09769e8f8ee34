/* A set-associative table. An entry is one word, so that it is written at once: a part of the
 * name's digest, and when the mark ends. Of 2^29 names that are looked up one may be taken for
 * another that is marked. */
#include "shared/marks.h"

#include <stdatomic.h>

#include "shared/state_file.h"

#define WAYS 8
#define SETS (MARKS_MAX / WAYS)

static const char magic[8] = "marks001";

struct table {
    struct mapped_header header;
    _Atomic uint64_t sets[SETS][WAYS]; /* the digest's part above, seconds since 1970 below */
};

struct marks {
    struct mapped_file file;
};

enum rc marks_open(const char *path, struct marks **out, struct err *e) {
    *out = xcalloc(1, sizeof **out);
    return mapped_file_open(&(*out)->file, path, magic, sizeof(struct table), e);
}

void marks_close(struct marks *m) {
    if (m)
        mapped_file_close(&m->file);
    free(m);
}

/* Where the name can be, and the upper half of its word. */
struct place {
    _Atomic uint64_t *set;
    uint64_t tag;
};

static bool find_place(struct marks *m, const char *name, struct place *out) {
    struct table *table;
    uint64_t tag;

    if (!m || !mapped_file_ready(&m->file))
        return false;
    table = m->file.map;
    out->set = table->sets[mapped_hash(&table->header, name, &tag) % SETS];
    out->tag = tag << 32;
    return true;
}

static int64_t end_of(uint64_t word) {
    return (int64_t)(word & UINT32_MAX);
}

static bool has_tag(const struct place *p, uint64_t word) {
    return (word & ~(uint64_t)UINT32_MAX) == p->tag;
}

static bool is_in_force(uint64_t word, int64_t now_s) {
    return end_of(word) > now_s && end_of(word) <= now_s + MARK_S_MAX;
}

#define NO_ENTRY (-1)

/* The entry of this name's mark, not counting `own`. */
static int find(const struct place *p, int own, int64_t now_s) {
    for (int i = 0; i < WAYS; i++) {
        uint64_t word = atomic_load(&p->set[i]);

        if (i != own && has_tag(p, word) && is_in_force(word, now_s))
            return i;
    }
    return NO_ENTRY;
}

static enum rc is_marked(struct err *e) {
    return err_set(e, ERR_EXISTS, "the name is marked already");
}

/* Two processes may write one name into two entries, if a mark ends just then. So each looks again
 * after it has written, and one of them, or both, see the other's. */
enum rc marks_add(struct marks *m, const char *name, int64_t until_s, int64_t now_s,
                  struct err *e) {
    struct place p;
    uint64_t word;
    int at = 0;

    if (!find_place(m, name, &p))
        return err_set(e, ERR_STORE, "the file of marks cannot be used");
    word = p.tag | (uint64_t)(until_s & UINT32_MAX);
    for (; at < WAYS && find(&p, NO_ENTRY, now_s) == NO_ENTRY; at++) {
        uint64_t was = atomic_load(&p.set[at]);

        if (is_in_force(was, now_s) || !atomic_compare_exchange_strong(&p.set[at], &was, word))
            continue;
        if (find(&p, at, now_s) == NO_ENTRY)
            return OK;
        (void)atomic_compare_exchange_strong(&p.set[at], &word, 0);
        return is_marked(e);
    }
    return find(&p, NO_ENTRY, now_s) == NO_ENTRY
               ? err_set(e, ERR_STORE, "too many names are marked just now")
               : is_marked(e);
}

bool marks_has(struct marks *m, const char *name, int64_t now_s) {
    struct place p;

    return find_place(m, name, &p) && find(&p, NO_ENTRY, now_s) != NO_ENTRY;
}

void marks_remove(struct marks *m, const char *name, int64_t until_s) {
    struct place p;

    if (!find_place(m, name, &p))
        return;
    for (int i = 0; i < WAYS; i++) {
        uint64_t word = atomic_load(&p.set[i]);

        if (has_tag(&p, word) && (!until_s || end_of(word) == until_s))
            (void)atomic_compare_exchange_strong(&p.set[i], &word, 0);
    }
}

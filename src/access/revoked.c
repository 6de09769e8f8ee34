/* A set-associative table. While an entry is being written, its ends_s is the negative time at
 * which the write began, and it is not found. If the worker is killed then, the entry is free again
 * after WRITING_S. */
#include "access/revoked.h"

#include <stdatomic.h>

#include "crypto/digest.h"
#include "shared/state_file.h"

#define SETS 2048
#define WAYS 8
#define DIGEST_WORDS 4 /* of 64 bits */
#define WRITING_S 10   /* far longer than a write takes */

static const char magic[8] = "revoked";

struct entry {
    _Atomic int64_t ends_s; /* 0: free; negative: being written since then */
    _Atomic uint64_t digest[DIGEST_WORDS];
};

struct table {
    struct mapped_head head;
    _Atomic int64_t last_ends_s; /* when the last of the entries ends */
    struct entry entries[SETS][WAYS];
};

struct revoked {
    struct mapped file;
};

enum rc revoked_open(const char *path, struct revoked **out, struct err *e) {
    *out = xcalloc(1, sizeof **out);
    return mapped_open(&(*out)->file, path, magic, sizeof(struct table), e);
}

void revoked_close(struct revoked *r) {
    if (!r)
        return;
    mapped_close(&r->file);
    free(r);
}

/* The digest is keyed with the file's secret, so that nobody can fill a set with tokens of their
 * choice. */
static struct entry *set_of(struct table *table, const char *token, uint64_t digest[DIGEST_WORDS]) {
    struct mapped_head *head = &table->head;

    _Static_assert(DIGEST_WORDS * sizeof(uint64_t) == SHA256_LEN, "a digest");
    hmac_sha256(head->secret, sizeof head->secret, token, strlen(token), (uint8_t *)digest);
    return table->entries[digest[0] % SETS];
}

static bool is_free(int64_t ends_s, int64_t now_s) {
    return ends_s >= 0 ? ends_s <= now_s : llabs(now_s + ends_s) > WRITING_S;
}

static bool is_in_force(int64_t ends_s, int64_t now_s) {
    return ends_s > now_s;
}

static void raise_last(struct table *table, int64_t ends_s) {
    int64_t last = atomic_load(&table->last_ends_s);

    while (last < ends_s && !atomic_compare_exchange_weak(&table->last_ends_s, &last, ends_s))
        ;
}

/* False if the entry is not free, or if another worker took it while this one was stopped for
 * longer than WRITING_S. */
static bool write_entry(struct entry *entry, const uint64_t digest[DIGEST_WORDS], int64_t ends_s,
                        int64_t now_s) {
    int64_t was = atomic_load(&entry->ends_s), writing = -now_s;

    if (!is_free(was, now_s) || !atomic_compare_exchange_strong(&entry->ends_s, &was, writing))
        return false;
    for (int w = 0; w < DIGEST_WORDS; w++)
        atomic_store(&entry->digest[w], digest[w]);
    return atomic_compare_exchange_strong(&entry->ends_s, &writing, ends_s);
}

enum rc revoked_add(struct revoked *r, const char *token, int64_t ends_s, int64_t now_s,
                    struct err *e) {
    uint64_t digest[DIGEST_WORDS];
    struct entry *set;

    if (!mapped_is_whole(&r->file))
        return err_set(e, ERR_STORE, "tokens cannot be revoked now; try again later");
    if (revoked_has(r, token, now_s))
        return OK;
    set = set_of(r->file.at, token, digest);
    for (int i = 0; i < WAYS; i++)
        if (write_entry(&set[i], digest, ends_s, now_s)) {
            raise_last(r->file.at, ends_s);
            return OK;
        }
    return err_set(e, ERR_STORE, "too many tokens are revoked just now; try again later");
}

bool revoked_has(struct revoked *r, const char *token, int64_t now_s) {
    uint64_t digest[DIGEST_WORDS];
    struct table *table;
    struct entry *set;

    if (!r || !mapped_is_whole(&r->file))
        return false;
    table = r->file.at;
    if (atomic_load(&table->last_ends_s) <= now_s)
        return false;
    set = set_of(table, token, digest);
    for (int i = 0; i < WAYS; i++) {
        int same = 0;

        for (int w = 0; w < DIGEST_WORDS; w++)
            same += atomic_load(&set[i].digest[w]) == digest[w];
        if (same == DIGEST_WORDS && is_in_force(atomic_load(&set[i].ends_s), now_s))
            return true;
    }
    return false;
}

/* A set-associative table. While an entry is being written, its expires_s is the negative time at
 * which the write began, and it is not found. If the worker is killed then, the entry is free again
 * after WRITING_S. */
#include "access/revoked.h"

#include <stdatomic.h>

#include "shared/state_file.h"

#define SETS 2048
#define WAYS 8
#define DIGEST_WORDS 4 /* of 64 bits */
#define WRITING_S 10   /* far longer than a write takes */

static const char magic[8] = "revoked2";

struct entry {
    _Atomic int64_t expires_s; /* 0: free; negative: being written since then */
    _Atomic uint64_t digest[DIGEST_WORDS];
};

struct table {
    struct mapped_header header;
    _Atomic int64_t latest_expiry_s; /* when the last of the entries expires */
    struct entry entries[SETS][WAYS];
};

struct revoked {
    struct mapped_file file;
};

enum rc revoked_open(const char *path, struct revoked **out, struct err *e) {
    *out = xcalloc(1, sizeof **out);
    return mapped_file_open(&(*out)->file, path, magic, sizeof(struct table), e);
}

void revoked_close(struct revoked *r) {
    if (r)
        mapped_file_close(&r->file);
    free(r);
}

/* The digest is keyed with the file's secret, so that nobody can fill a set with tokens of their
 * choice. */
static struct entry *set_of(struct table *table, const uint8_t token[SHA256_LEN],
                            uint64_t digest[DIGEST_WORDS]) {
    _Static_assert(DIGEST_WORDS * sizeof(uint64_t) == SHA256_LEN, "a digest");
    hmac_sha256(table->header.secret, sizeof table->header.secret, token, SHA256_LEN,
                (uint8_t *)digest);
    return table->entries[digest[0] % SETS];
}

static void raise_latest(struct table *table, int64_t expires_s) {
    int64_t latest = atomic_load(&table->latest_expiry_s);

    while (latest < expires_s &&
           !atomic_compare_exchange_weak(&table->latest_expiry_s, &latest, expires_s))
        ;
}

/* False if the entry is not free, or if another worker took it while this one was stopped for
 * longer than WRITING_S. */
static bool write_entry(struct entry *entry, const uint64_t digest[DIGEST_WORDS], int64_t expires_s,
                        int64_t now_s) {
    int64_t was = atomic_load(&entry->expires_s), writing = -now_s;
    const bool is_free = was >= 0 ? was <= now_s : llabs(now_s + was) > WRITING_S;

    if (!is_free || !atomic_compare_exchange_strong(&entry->expires_s, &was, writing))
        return false;
    for (int w = 0; w < DIGEST_WORDS; w++)
        atomic_store(&entry->digest[w], digest[w]);
    return atomic_compare_exchange_strong(&entry->expires_s, &writing, expires_s);
}

enum rc revoked_add(struct revoked *r, const uint8_t token[SHA256_LEN], int64_t expires_s,
                    int64_t now_s, struct err *e) {
    uint64_t digest[DIGEST_WORDS];
    struct entry *set;

    if (!mapped_file_ready(&r->file))
        return err_set(e, ERR_STORE, "tokens cannot be revoked now; try again later");
    if (revoked_has(r, token, now_s))
        return OK;
    set = set_of(r->file.map, token, digest);
    for (int i = 0; i < WAYS; i++)
        if (write_entry(&set[i], digest, expires_s, now_s)) {
            raise_latest(r->file.map, expires_s);
            return OK;
        }
    return err_set(e, ERR_STORE, "too many tokens are revoked just now; try again later");
}

bool revoked_has(struct revoked *r, const uint8_t token[SHA256_LEN], int64_t now_s) {
    uint64_t digest[DIGEST_WORDS];
    const struct entry *set;
    struct table *table;

    if (!r || !mapped_file_ready(&r->file))
        return false;
    table = r->file.map;
    if (atomic_load(&table->latest_expiry_s) <= now_s)
        return false;
    set = set_of(table, token, digest);
    for (int i = 0; i < WAYS; i++) {
        int same = 0;

        for (int w = 0; w < DIGEST_WORDS; w++)
            same += atomic_load(&set[i].digest[w]) == digest[w];
        if (same == DIGEST_WORDS && atomic_load(&set[i].expires_s) > now_s)
            return true;
    }
    return false;
}

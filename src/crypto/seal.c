/*   base64url( version 1 | key id 4 | random 24 | ChaCha20-Poly1305 ciphertext | tag 16 )
 *
 * Each message has a key of its own:
 *   purpose key = HKDF(key, info = "mcp-authd seal v1 " purpose)
 *   message key = HMAC(purpose key, random)
 * and is encrypted under the message key with a nonce of zeros (RFC 8439 §2.8). The random bytes
 * are not used as the nonce, because that has only 96 bits: hosts that share a key file would use a
 * nonce twice after some 2^32 messages with a probability that matters, and that reveals the
 * authentication key. With 192 random bits that choose a key, no two messages meet, and no counter
 * has to survive a restart.
 *
 * The purpose is in the key and in the associated data, which is: purpose 0x00 associated. A
 * purpose has no NUL, so that is unambiguous. */
#include "crypto/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <nettle/chacha-poly1305.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "crypto/digest.h"
#include "crypto/nettle_digest.h"

#define FILE_BYTES_MAX 4096
#define INFO "mcp-authd seal v1 "
#define PURPOSE_MAX 32
#define SEAL_VERSION 1
#define RANDOM_LEN 24
#define TAG_LEN CHACHA_POLY1305_DIGEST_SIZE
#define RANDOM_OFFSET (1 + SEAL_KEY_ID_LEN)
#define CIPHERTEXT_OFFSET (RANDOM_OFFSET + RANDOM_LEN)
#define OVERHEAD (CIPHERTEXT_OFFSET + TAG_LEN)
#define SEALED_TEXT_MAX (((size_t)SEAL_DATA_MAX + OVERHEAD) * 4 / 3 + 4)

_Static_assert(SEAL_KEY_LEN == SHA256_LEN && SEAL_KEY_LEN == CHACHA_POLY1305_KEY_SIZE,
               "an HMAC makes a key");

/* ---- the key file ---- */

static enum rc unusable(struct err *e, const char *path, const char *why) {
    misconfigured(e, "the sealing key file cannot be used");
    return err_detail(e, "%s: %s", path, why);
}

/* ---- reading ---- */

/* systemd.exec(5), LoadCredential: only the service's user may enter the folder, and an access
 * control list lets that user read a file of root's in it. The mask of such a list is shown as the
 * group's permissions (acl(5)). */
static bool is_credential(const char *path) {
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    size_t len = dir ? strlen(dir) : 0;

    return len && !strncmp(path, dir, len) && path[len] == '/' && !strchr(path + len + 1, '/');
}

/* The file must be readable by the service alone. */
static enum rc check_file(int fd, const char *path, struct err *e) {
    struct stat st;

    if (fstat(fd, &st) != 0)
        return unusable(e, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return unusable(e, path, "it is not a regular file");
    if (st.st_mode & (is_credential(path) ? 037 : 077))
        return unusable(e, path,
                        "other users can read or change it; give it the mode 600 (chmod 600), and "
                        "put a new key in if others had access");
    return OK;
}

/* What is read of a key file. */
struct key_file {
    const char *path;
    struct arena *arena; /* wiped when freed */
    struct seal_keys *keys;
    unsigned line;
};

static void set_key_id(struct seal_key *k) {
    uint8_t digest[SHA256_LEN];

    sha256(k->key, SEAL_KEY_LEN, digest);
    memcpy(k->id, digest, SEAL_KEY_ID_LEN);
    explicit_bzero(digest, sizeof digest);
}

static enum rc add_key(struct key_file *f, const char *text, size_t text_len, struct err *e) {
    struct seal_keys *k = f->keys;
    size_t len;
    uint8_t *key = base64url_decode(f->arena, text, text_len, &len);

    if (!key || len != SEAL_KEY_LEN)
        return unusable(e, f->path,
                        arena_printf(f->arena,
                                     "line %u is not base64url of 32 bytes; make a key with: head "
                                     "-c 32 /dev/urandom | base64 | tr +/ -_ | tr -d =",
                                     f->line));
    if (k->count == SEAL_KEYS_MAX)
        return unusable(e, f->path, arena_printf(f->arena, "more than %d keys", SEAL_KEYS_MAX));
    struct seal_key *slot = &k->keys[k->count++];
    memcpy(slot->key, key, SEAL_KEY_LEN);
    set_key_id(slot);
    return OK;
}

/* A line is a key between spaces, a comment, or nothing. */
static enum rc parse_keys(struct key_file *f, char *text, struct err *e) {
    for (char *line; (line = strsep(&text, "\n"));) {
        size_t len;

        f->line++;
        line += strspn(line, " \t\r");
        for (len = strlen(line); len && strchr(" \t\r", line[len - 1]);)
            len--;
        if (len && *line != '#' && add_key(f, line, len, e))
            return e->code;
    }
    if (f->keys->count == 0)
        return unusable(e, f->path, "it has no key; delete it, and a new one is made at the start");
    return OK;
}

static enum rc read_keys(int fd, const char *path, struct seal_keys *k, struct err *e) {
    char text[FILE_BYTES_MAX + 2];

    if (check_file(fd, path, e))
        return e->code;
    ssize_t len = file_read_all(fd, text, FILE_BYTES_MAX + 1);
    if (len < 0)
        return unusable(e, path, strerror(errno));
    text[len] = 0;
    struct key_file f = {.path = path, .arena = arena_new(8 * FILE_BYTES_MAX), .keys = k};
    enum rc rc = len > FILE_BYTES_MAX ? unusable(e, path, "it is too long for a key file")
                 : strlen(text) != (size_t)len
                     ? unusable(e, path, "it is not text")
                     : parse_keys(&f, text + utf8_bom_length(text, (size_t)len), e);
    arena_free(f.arena);
    explicit_bzero(text, sizeof text);
    return rc;
}

/* ---- making ---- */

/* A new name in a folder survives a power failure only after this. File systems that cannot do it
 * are no reason not to start. */
static void sync_directory_of(struct arena *a, const char *path) {
    int fd = open(dirname(arena_strdup(a, path)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

/* Writes a new key under a name that no other process uses. */
static bool write_new_key(struct arena *a, const char *name) {
    const char *text = arena_printf(a,
                                    "# Sealing keys of mcp-authd: the first seals, all open. To "
                                    "change keys, put a new one first\n# and remove the old one "
                                    "when refresh tokens made with it no longer matter.\n%s\n",
                                    random_text(a, SEAL_KEY_LEN));

    return file_write_new(name, &(struct text){text, strlen(text)}, 0600, true);
}

/* Two processes may start at once. Each writes a whole file under a name of its own; link() gives
 * the real name to one of them, and the other then reads that file. So the real name never has half
 * a file. */
static enum rc make_key_file(const char *path, struct err *e) {
    struct arena *a = arena_new(64 * 1024);
    const char *name = arena_printf(a, "%s.new-%s", path, random_text(a, 12));
    enum rc rc = OK;

    if (!write_new_key(a, name) || (link(name, path) != 0 && errno != EEXIST))
        rc = unusable(e, path, strerror(errno));
    (void)unlink(name);
    if (!rc)
        sync_directory_of(a, path);
    arena_free(a);
    return rc;
}

enum rc seal_keys_load(const char *path, bool create, struct seal_keys **out, struct err *e) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 && errno == ENOENT && create) {
        if (make_key_file(path, e))
            return e->code;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    }
    if (fd < 0 && errno == ENOENT)
        return unusable(e, path, "there is no such file; mcp-authd make-key FILE makes one");
    if (fd < 0)
        return unusable(e, path, strerror(errno));
    struct seal_keys *k = xcalloc(1, sizeof *k);
    enum rc rc = read_keys(fd, path, k, e);
    close(fd);
    if (rc) {
        seal_keys_free(k);
        return rc;
    }
    *out = k;
    return OK;
}

struct seal_keys *seal_keys_new(void) {
    struct seal_keys *k = xcalloc(1, sizeof *k);

    k->count = 1;
    arc4random_buf(k->keys[0].key, SEAL_KEY_LEN);
    set_key_id(&k->keys[0]);
    return k;
}

void seal_keys_free(struct seal_keys *k) {
    if (!k)
        return;
    explicit_bzero(k, sizeof *k);
    free(k);
}

/* The key that is derived from `key` for a purpose. */
static void derive_purpose_key(const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                               uint8_t out[SEAL_KEY_LEN]) {
    char info[sizeof INFO + PURPOSE_MAX];

    if (snprintf(info, sizeof info, INFO "%s", purpose) >= (int)sizeof info)
        abort(); /* a purpose is a constant */
    hkdf_sha256(key, SEAL_KEY_LEN, info, out, SEAL_KEY_LEN);
}

bool seal_purpose_key(const struct seal_keys *k, size_t i, const char *purpose,
                      uint8_t out[SEAL_KEY_LEN]) {
    if (!k->purposes) {
        derive_purpose_key(k->keys[i].key, purpose, out);
        return true;
    }
    for (size_t p = 0; k->purposes[p]; p++)
        if (!strcmp(k->purposes[p], purpose)) {
            memcpy(out, k->keys[i].of_purpose[p], SEAL_KEY_LEN);
            return true;
        }
    return false;
}

void seal_keys_keep(struct seal_keys *k, const char *const *purposes) {
    size_t count = 0;

    while (purposes[count])
        count++;
    if (count > SEAL_PURPOSES_MAX)
        abort(); /* the lists in app/ are constants */
    for (size_t i = 0; i < k->count; i++) {
        uint8_t key[SEAL_KEY_LEN];

        memcpy(key, k->keys[i].key, sizeof key);
        explicit_bzero(k->keys[i].of_purpose, sizeof k->keys[i].of_purpose);
        for (size_t p = 0; p < count; p++)
            derive_purpose_key(key, purposes[p], k->keys[i].of_purpose[p]);
        explicit_bzero(key, sizeof key);
    }
    k->purposes = purposes;
}

/* ---- sealing ---- */

/* The id of a key that is not from a file. If a file's key had this id too (one in 2^32), nothing
 * wrong would open: the id only finds the key. */
static const uint8_t no_key_id[SEAL_KEY_ID_LEN];

/* The bytes of a sealed text: without the ciphertext they are OVERHEAD. */
struct sealed {
    uint8_t *bytes;
    size_t len;
};

/* A cipher with message key and nonce that has taken in the associated data. */
static void cipher_start(struct chacha_poly1305_ctx *ctx, const uint8_t purpose_key[SEAL_KEY_LEN],
                         const uint8_t *random, struct arena *a, const struct seal_binding *b) {
    static const uint8_t nonce[CHACHA_POLY1305_NONCE_SIZE];
    uint8_t message_key[SHA256_LEN];
    size_t purpose_len = strlen(b->purpose);
    size_t associated_len = b->associated ? strlen(b->associated) : 0;
    uint8_t *ad = arena_alloc(a, purpose_len + 1 + associated_len);

    hmac_sha256(purpose_key, SEAL_KEY_LEN, random, RANDOM_LEN, message_key);
    chacha_poly1305_set_key(ctx, message_key);
    chacha_poly1305_set_nonce(ctx, nonce);
    explicit_bzero(message_key, sizeof message_key);

    memcpy(ad, b->purpose, purpose_len);
    if (associated_len)
        memcpy(ad + purpose_len + 1, b->associated, associated_len);
    chacha_poly1305_update(ctx, purpose_len + 1 + associated_len, ad);
}

char *seal(struct arena *a, const struct seal_binding *b, const void *data, size_t len) {
    struct chacha_poly1305_ctx ctx;
    uint8_t key[SEAL_KEY_LEN], *out;

    if (len > SEAL_DATA_MAX)
        abort(); /* whatever we seal has a limit of its own below this */
    out = arena_alloc(a, len + OVERHEAD);
    if (!b->keys)
        derive_purpose_key(b->key, b->purpose, key);
    else if (!seal_purpose_key(b->keys, 0, b->purpose, key))
        abort(); /* a purpose that seal_keys_keep was not told of */
    out[0] = SEAL_VERSION;
    memcpy(out + 1, b->keys ? b->keys->keys[0].id : no_key_id, SEAL_KEY_ID_LEN);
    arc4random_buf(out + RANDOM_OFFSET, RANDOM_LEN);
    cipher_start(&ctx, key, out + RANDOM_OFFSET, a, b);
    explicit_bzero(key, sizeof key);
    if (len)
        chacha_poly1305_encrypt(&ctx, len, out + CIPHERTEXT_OFFSET, data);
    NETTLE_DIGEST(chacha_poly1305_digest, &ctx, TAG_LEN, out + CIPHERTEXT_OFFSET + len);
    explicit_bzero(&ctx, sizeof ctx);
    return base64url_encode(a, out, len + OVERHEAD);
}

/* Of the right version and a possible length. */
static bool decode(struct arena *a, const char *text, struct sealed *out) {
    size_t text_len = text ? strnlen(text, SEALED_TEXT_MAX + 1) : 0;

    if (text_len == 0 || text_len > SEALED_TEXT_MAX)
        return false;
    out->bytes = base64url_decode(a, text, text_len, &out->len);
    return out->bytes && out->len >= OVERHEAD && out->bytes[0] == SEAL_VERSION;
}

/* False if the tag is not that of this key. Wipes the key. */
static bool decrypt(struct arena *a, uint8_t purpose_key[SEAL_KEY_LEN],
                    const struct seal_binding *b, const struct sealed *s, struct plaintext *out) {
    struct chacha_poly1305_ctx ctx;
    uint8_t tag[TAG_LEN];
    size_t len = s->len - OVERHEAD;
    char *data = arena_alloc(a, len + 1);
    bool ok;

    cipher_start(&ctx, purpose_key, s->bytes + RANDOM_OFFSET, a, b);
    explicit_bzero(purpose_key, SEAL_KEY_LEN);
    if (len)
        chacha_poly1305_decrypt(&ctx, len, (uint8_t *)data, s->bytes + CIPHERTEXT_OFFSET);
    NETTLE_DIGEST(chacha_poly1305_digest, &ctx, TAG_LEN, tag);
    explicit_bzero(&ctx, sizeof ctx);
    ok = equal_in_constant_time(tag, s->bytes + CIPHERTEXT_OFFSET + len, TAG_LEN);
    explicit_bzero(tag, sizeof tag); /* the right tag of a forged text */
    if (ok)
        *out = (struct plaintext){data, len};
    else
        explicit_bzero(data, len); /* nobody may see what was not authenticated */
    return ok;
}

static bool open_with_key_file(struct arena *a, const struct seal_binding *b,
                               const struct sealed *s, struct plaintext *out) {
    uint8_t key[SEAL_KEY_LEN];

    for (size_t i = 0; i < b->keys->count; i++)
        if (!memcmp(b->keys->keys[i].id, s->bytes + 1, SEAL_KEY_ID_LEN) &&
            seal_purpose_key(b->keys, i, b->purpose, key) && decrypt(a, key, b, s, out))
            return true;
    return false;
}

static bool open_with_key(struct arena *a, const struct seal_binding *b, const struct sealed *s,
                          struct plaintext *out) {
    uint8_t key[SEAL_KEY_LEN];

    if (memcmp(no_key_id, s->bytes + 1, SEAL_KEY_ID_LEN) != 0)
        return false;
    derive_purpose_key(b->key, b->purpose, key);
    return decrypt(a, key, b, s, out);
}

enum rc seal_open(struct arena *a, const struct seal_binding *b, const char *text,
                  struct plaintext *out, struct err *e) {
    struct sealed s;

    if (decode(a, text, &s) &&
        (b->keys ? open_with_key_file(a, b, &s, out) : open_with_key(a, b, &s, out)))
        return OK;
    /* One refusal for all, so that nobody who tries texts learns from the difference. */
    return err_set(e, ERR_REFUSED, "not sealed by this server");
}

char *seal_json(struct arena *a, const struct seal_binding *b, const struct json *o) {
    size_t len;
    const char *text = json_text(a, o, &len);

    return seal(a, b, text, len);
}

enum rc seal_open_json(struct arena *a, const struct seal_binding *b, const char *text,
                       struct json **out, struct err *e) {
    struct plaintext plain;

    if (seal_open(a, b, text, &plain, e))
        return e->code;
    return json_parse(a, plain.data, plain.len, out, e) ? e->code = ERR_REFUSED : OK;
}

#include "crypto/seal_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/utf8.h"
#include "crypto/digest.h"
#include "crypto/random.h"

#define FILE_BYTES_MAX 4096
#define INFO "mcp-authd seal v1 "
#define PURPOSE_MAX 32

static enum rc unusable(struct err *e, const char *path, const char *why) {
    err_set(e, ERR_MISCONFIGURED, "the secret key file cannot be used");
    err_detail(e, "%s: %s", path, why);
    return ERR_MISCONFIGURED;
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

static enum rc add_key(struct key_file *f, const char *text, size_t text_len, struct err *e) {
    struct seal_keys *k = f->keys;
    uint8_t digest[SHA256_LEN];
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
    sha256(key, SEAL_KEY_LEN, digest);
    memcpy(slot->id, digest, SEAL_KEY_ID_LEN);
    explicit_bzero(digest, sizeof digest);
    return OK;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* From p to before end: a key between spaces, a comment, or nothing. */
static enum rc parse_line(struct key_file *f, const char *p, const char *end, struct err *e) {
    while (p < end && is_space(*p))
        p++;
    while (end > p && is_space(end[-1]))
        end--;
    return p == end || *p == '#' ? OK : add_key(f, p, (size_t)(end - p), e);
}

static enum rc parse_keys(struct key_file *f, const char *text, size_t len, struct err *e) {
    const char *end = text + len;

    for (const char *p = text + utf8_bom_length(text, len); p < end; p++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;

        f->line++;
        if (parse_line(f, p, stop, e))
            return e->code;
        p = stop;
    }
    if (f->keys->count == 0)
        return unusable(e, f->path, "it has no key; delete it, and a new one is made at the start");
    return OK;
}

static enum rc read_keys(int fd, const char *path, struct seal_keys *k, struct err *e) {
    char text[FILE_BYTES_MAX + 1];

    if (check_file(fd, path, e))
        return e->code;
    ssize_t len = file_read_all(fd, text, sizeof text);
    if (len < 0)
        return unusable(e, path, strerror(errno));
    if (len > FILE_BYTES_MAX)
        return unusable(e, path, "it is too long for a key file");
    struct key_file f = {.path = path, .arena = arena_new(8 * FILE_BYTES_MAX), .keys = k};
    enum rc rc = parse_keys(&f, text, (size_t)len, e);
    arena_free(f.arena);
    explicit_bzero(text, sizeof text);
    return rc;
}

/* ---- making ---- */

static bool write_all(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* A new name in a folder survives a power failure only after this. File systems that cannot do it
 * are no reason not to start. */
static void sync_directory_of(struct arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *dir = !slash          ? "."
                      : slash == path ? "/"
                                      : arena_strndup(a, path, (size_t)(slash - path));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

/* Writes a new key under a name that no other process uses. */
static enum rc write_new_key(struct arena *a, const char *name, struct err *e) {
    const char *text = arena_printf(a,
                                    "# mcp-authd secret keys: the first seals, all open. To "
                                    "change keys, put a new one first\n# and remove the old one "
                                    "when refresh tokens made with it no longer matter.\n%s\n",
                                    random_text(a, SEAL_KEY_LEN));
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return unusable(e, name, strerror(errno));
    bool ok = fchmod(fd, 0600) == 0 && write_all(fd, text, strlen(text)) && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    return ok ? OK : unusable(e, name, strerror(why));
}

/* Two processes may start at once. Each writes a whole file under a name of its own; link() gives
 * the real name to one of them, and the other then reads that file. So the real name never has half
 * a file. */
static enum rc make_key_file(const char *path, struct err *e) {
    struct arena *a = arena_new(64 * 1024);
    const char *name = arena_printf(a, "%s.new-%s", path, random_text(a, 12));
    enum rc rc = write_new_key(a, name, e);

    if (!rc && link(name, path) != 0 && errno != EEXIST)
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

void seal_keys_free(struct seal_keys *k) {
    if (!k)
        return;
    explicit_bzero(k, sizeof *k);
    free(k);
}

/* ---- keys of a purpose ---- */

void seal_purpose_key(const uint8_t key[SEAL_KEY_LEN], const char *purpose,
                      uint8_t out[SEAL_KEY_LEN]) {
    char info[sizeof INFO + PURPOSE_MAX];

    if (snprintf(info, sizeof info, INFO "%s", purpose) >= (int)sizeof info)
        abort(); /* a purpose is a constant */
    hkdf_sha256(key, SEAL_KEY_LEN, info, out, SEAL_KEY_LEN);
}

bool seal_keys_get(const struct seal_keys *k, size_t i, const char *purpose,
                   uint8_t out[SEAL_KEY_LEN]) {
    if (!k->purposes) {
        seal_purpose_key(k->keys[i].key, purpose, out);
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
        abort(); /* the table in app.c is too long */
    for (size_t i = 0; i < k->count; i++) {
        uint8_t key[SEAL_KEY_LEN];

        memcpy(key, k->keys[i].key, sizeof key);
        explicit_bzero(k->keys[i].of_purpose, sizeof k->keys[i].of_purpose);
        for (size_t p = 0; p < count; p++)
            seal_purpose_key(key, purposes[p], k->keys[i].of_purpose[p]);
        explicit_bzero(key, sizeof key);
    }
    k->purposes = purposes;
}

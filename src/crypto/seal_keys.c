/* The key file: reading it, and making it when there is none. Reasons are in e->detail: a path is
 * nothing for a client to see. */
#include "crypto/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/utf8.h"

#define FILE_BYTES_MAX 4096

static enum rc unusable(struct err *e, const char *path, const char *why) {
    err_set(e, ERR_MISCONFIGURED, "the secret key file cannot be used");
    err_detail(e, "%s: %s", path, why);
    return ERR_MISCONFIGURED;
}

/* ---- reading ---- */

/* Reads up to max bytes. -1 with errno on failure, otherwise their number. */
static ssize_t read_all(int fd, char *out, size_t max) {
    size_t len = 0;

    while (len < max) {
        ssize_t n = read(fd, out + len, max - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* systemd.exec(5), LoadCredential: the folder is closed to all but the service's user, who may read
 * a file of root's in it by its access control list. Where the file system has those, the list's
 * mask stands in the place of the group's permissions (acl(5)). */
static bool is_credential(const char *path) {
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    size_t len = dir ? strlen(dir) : 0;

    return len && !strncmp(path, dir, len) && path[len] == '/' && !strchr(path + len + 1, '/');
}

/* A key that somebody else can read is a key that somebody else has. */
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
    if (st.st_size > FILE_BYTES_MAX)
        return unusable(e, path, "it is too long for a key file");
    return OK;
}

static enum rc add_key(struct seal_keys *k, struct arena *a, const char *text, size_t text_len,
                       const char *path, unsigned line, struct err *e) {
    uint8_t digest[SHA256_LEN];
    size_t len;
    uint8_t *key = base64url_decode(a, text, text_len, &len);

    if (!key || len != SEAL_KEY_LEN)
        return unusable(e, path,
                        arena_printf(a,
                                     "line %u is not base64url of 32 bytes; make a key with: head "
                                     "-c 32 /dev/urandom | base64 | tr +/ -_ | tr -d =",
                                     line));
    if (k->count == SEAL_KEYS_MAX)
        return unusable(e, path, arena_printf(a, "more than %d keys", SEAL_KEYS_MAX));
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

static enum rc parse_keys(struct seal_keys *k, struct arena *a, const char *text, size_t len,
                          const char *path, struct err *e) {
    const char *end = text + len;
    unsigned line = 0;

    for (const char *p = text + utf8_bom_length(text, len); p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end, *next = newline ? newline + 1 : end;
        line++;
        while (p < stop && is_space(*p))
            p++;
        while (stop > p && is_space(stop[-1]))
            stop--;
        if (p < stop && *p != '#' && add_key(k, a, p, (size_t)(stop - p), path, line, e))
            return e->code;
        p = next;
    }
    if (k->count == 0)
        return unusable(e, path, "it has no key; delete it, and a new one is made at the start");
    return OK;
}

static enum rc read_keys(int fd, const char *path, struct seal_keys *k, struct err *e) {
    char text[FILE_BYTES_MAX + 1];

    if (check_file(fd, path, e))
        return e->code;
    ssize_t len = read_all(fd, text, sizeof text);
    if (len < 0)
        return unusable(e, path, strerror(errno));
    if (len > FILE_BYTES_MAX)
        return unusable(e, path, "it is too long for a key file");
    struct arena *a = arena_new(8 * FILE_BYTES_MAX); /* wiped when freed */
    enum rc rc = parse_keys(k, a, text, (size_t)len, path, e);
    arena_free(a);
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

/* Makes a new name last over a power failure. Not every file system can; that is no reason not to
 * start. */
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

/* Writes a new key under a name that nobody else has. */
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

/* Two processes may start at once. Each writes a whole file under its own name; link() gives the
 * real name to exactly one of them, and the other then reads that one's key. Nobody ever sees half
 * a file under the real name. */
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

void seal_keys_keep(struct seal_keys *k, const char *const *purposes) {
    size_t count = 0;

    while (purposes[count])
        count++;
    if (count > SEAL_PURPOSES_MAX)
        abort(); /* a table of ours */
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

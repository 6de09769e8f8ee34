#include "runner/landlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/child.h"

#define RULESETS 8       /* kept by a process */
#define RULESET_MS 60000 /* then it is made anew: something may have come to /etc or /opt */
#define KEY_MAX 2048     /* bytes; a longer one is not kept */

/* linux/landlock.h of Debian 12 ends with ABI 2, so what is used stands here. */
#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1
#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_ABI_1 ((1ULL << 13) - 1)       /* everything up to making a symbolic link */
#define FS_REFER (1ULL << 13)             /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)          /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15)         /* ABI 5 */
#define SCOPE_ABSTRACT_SOCKET (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)          /* ABI 6 */

#define READING (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)
#define DEVICE (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define OF_A_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
    uint64_t handled_access_fs, handled_access_net, scoped;
};
struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

/* Programs and libraries, what they read about the system, and the name server's address. */
static const char *const readable[] = {"/usr",
                                       "/bin",
                                       "/sbin",
                                       "/lib",
                                       "/lib32",
                                       "/lib64",
                                       "/libx32",
                                       "/opt",
                                       "/proc",
                                       "/sys",
                                       "/run/systemd/resolve",
                                       NULL};
static const char *const devices[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                      "/dev/random", "/dev/urandom", NULL};
#define OURS "/etc/mcp-authd" /* keys and other tools */

unsigned landlock_abi(void) {
    static long abi = -1;

    if (abi < 0)
        abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    return abi > 0 ? (unsigned)abi : 0;
}

static uint64_t handled(void) {
    unsigned abi = landlock_abi();

    return FS_ABI_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
           (abi >= 5 ? FS_IOCTL_DEV : 0);
}

static int new_ruleset(void) {
    const struct ruleset_attr attr = {
        .handled_access_fs = handled(),
        .scoped = landlock_abi() >= 6 ? SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL : 0};
    /* An older kernel accepts a longer structure if what it does not know is 0. */
    return (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
}

/* Symbolic links are followed: what is allowed is the file, under whatever name. */
static bool allow_at(int ruleset, int dir, const char *path, uint64_t access) {
    int fd = openat(dir, path, O_PATH | O_CLOEXEC);
    struct path_beneath_attr rule = {.allowed_access = access & handled(), .parent_fd = fd};
    struct stat st;
    bool ok = fd >= 0 && !fstat(fd, &st);

    if (ok && !S_ISDIR(st.st_mode))
        rule.allowed_access &= OF_A_FILE;
    ok = ok && !syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    descriptor_close(fd);
    return ok;
}

/* False: one is missing; the others are allowed. */
static bool allow_all(int ruleset, const char *const *paths, uint64_t access) {
    bool ok = true;

    for (; paths && *paths; paths++)
        ok = allow_at(ruleset, AT_FDCWD, *paths, access) && ok;
    return ok;
}

/* Each rule costs time in each run, so there is none for what is of no use to a program: what its
 * user, who is this process's, cannot open anyway. */
static bool is_for_programs(int etc, const char *name, const struct stat *ours) {
    struct stat st;

    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !landlock_is_administration(name) &&
           !fstatat(etc, name, &st, 0) &&
           (st.st_ino != ours->st_ino || st.st_dev != ours->st_dev) &&
           (!faccessat(etc, name, R_OK, AT_EACCESS) ||
            (S_ISDIR(st.st_mode) && !faccessat(etc, name, X_OK, AT_EACCESS)));
}

/* An entry that is a link to our folder is left out as well. */
static void allow_etc(int ruleset) {
    struct stat ours = {0};
    DIR *etc = opendir("/etc");
    struct dirent *entry;

    (void)stat(OURS, &ours);
    while (etc && (entry = readdir(etc)))
        if (is_for_programs(dirfd(etc), entry->d_name, &ours))
            (void)allow_at(ruleset, dirfd(etc), entry->d_name, READING);
    if (etc)
        (void)closedir(etc);
}

static int make_ruleset(const struct run_request *r, const char *home) {
    const char *const own[] = {r->dir, r->argv[0], NULL}, *const private[] = {home, NULL};
    int ruleset = new_ruleset();

    if (ruleset < 0)
        return -1;
    (void)allow_all(ruleset, readable, READING); /* what is missing on this system is left out */
    (void)allow_all(ruleset, devices, DEVICE);
    allow_etc(ruleset);
    (void)allow_all(ruleset, own, READING); /* whether they exist is for chdir and execve to say */
    if (!allow_all(ruleset, r->read, READING) || !allow_all(ruleset, r->write, handled()) ||
        !allow_all(ruleset, private, handled()))
        descriptor_clear(&ruleset);
    return ruleset;
}

/* ---- those that are kept ---- */

struct key {
    size_t len; /* over KEY_MAX: it is not kept */
    char bytes[KEY_MAX];
};

static struct kept {
    int ruleset; /* 0: there is none */
    int64_t made_ms;
    struct key key;
} kept[RULESETS];

static void key_add(struct key *k, const void *bytes, size_t n) {
    if (k->len + n <= KEY_MAX)
        memcpy(k->bytes + k->len, bytes, n);
    k->len += n;
}

/* The path, and which file it is now: a rule is one of the file, and a folder that was replaced is
 * another one. */
static void key_add_path(struct key *k, const char *path) {
    struct stat st = {0};

    (void)stat(path, &st);
    key_add(k, path, strlen(path) + 1);
    key_add(k, &st.st_dev, sizeof st.st_dev);
    key_add(k, &st.st_ino, sizeof st.st_ino);
}

static void key_add_paths(struct key *k, const char *const *paths) {
    for (; paths && *paths; paths++)
        key_add_path(k, *paths);
    key_add(k, "", 1);
}

static void make_key(struct key *k, const struct run_request *r, const char *home) {
    k->len = 0;
    key_add_path(k, r->dir);
    key_add_path(k, r->argv[0]);
    key_add_paths(k, r->read);
    key_add_paths(k, r->write);
    if (home)
        key_add_path(k, home);
}

/* The one with this key, or the place for it: the one that is oldest. */
static struct kept *find(const struct key *key, int64_t now) {
    struct kept *oldest = &kept[0];

    for (struct kept *k = kept; k < kept + RULESETS; k++) {
        if (k->ruleset && key->len <= KEY_MAX && k->key.len == key->len &&
            !memcmp(k->key.bytes, key->bytes, key->len) && now - k->made_ms < RULESET_MS)
            return k;
        if (k->made_ms < oldest->made_ms)
            oldest = k;
    }
    if (oldest->ruleset)
        (void)close(oldest->ruleset);
    oldest->ruleset = 0;
    return oldest;
}

int landlock_ruleset(const struct run_request *r, const char *home) {
    static struct key key; /* 2 KiB that need not be on the stack of each run */
    int64_t now = clock_monotonic_ms();
    struct kept *k;
    int ruleset;

    make_key(&key, r, home);
    k = find(&key, now);
    if (k->ruleset)
        return k->ruleset;
    ruleset = make_ruleset(r, home);
    if (ruleset < 0)
        return -1;
    *k = (struct kept){.ruleset = ruleset, .made_ms = now, .key = key};
    return ruleset;
}

bool landlock_enter(int ruleset) {
    return !syscall(SYS_landlock_restrict_self, ruleset, 0);
}

/* ---- does it work? ---- */

static _Noreturn void try_it(void) {
    int ruleset = new_ruleset(), fd;

    if (ruleset < 0 || !allow_at(ruleset, AT_FDCWD, "/proc", READING) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !landlock_enter(ruleset))
        _exit(1);
    fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _exit(fd < 0 && errno == EACCES ? 0 : 1);
}

bool landlock_works(void) {
    pid_t pid = landlock_abi() ? fork() : -1;

    if (pid == 0)
        try_it();
    return child_wait(pid) == 0;
}

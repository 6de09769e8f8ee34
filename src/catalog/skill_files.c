#include "catalog/skill_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"

#define PLACES (2 * (size_t)SKILL_FILES_MAX) /* of files and folders */
#define PATHS_BYTES_MAX ((size_t)4 << 20)

struct walk;
/* What is done with a file or folder; fd is that of the folder that it is in. */
typedef enum rc visit_fn(struct walk *w, int fd, const char *path, const struct stat *st);

struct walk {
    visit_fn *visit;
    void *arg;
    struct arena *arena; /* of paths */
    size_t files, folders, bytes;
    struct err *e;
};

static enum rc refuse(struct walk *w, const char *path, const char *why) {
    (void)err_set(w->e, ERR_INVALID_REQUEST, "%s", why);
    w->e->position.file = path;
    return w->e->code;
}

static enum rc count(struct walk *w, const char *path, const struct stat *st) {
    const bool is_folder = S_ISDIR(st->st_mode);

    if (++*(is_folder ? &w->folders : &w->files) > SKILL_FILES_MAX)
        return refuse(w, NULL,
                      arena_printf(w->arena, "there are more than %d %s", SKILL_FILES_MAX,
                                   is_folder ? "folders" : "files"));
    w->bytes += is_folder ? 0 : (size_t)st->st_size;
    return w->bytes > SKILL_FILES_BYTES_MAX
               ? refuse(w, path,
                        arena_printf(w->arena, "the files have more than %zu bytes together",
                                     SKILL_FILES_BYTES_MAX))
               : OK;
}

/* They stand in JSON and in URIs. */
static bool is_plain_name(const char *name) {
    const size_t len = strlen(name);

    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    return utf8_valid_length(name, len) == len;
}

static enum rc walk_folder(struct walk *w, int fd, const char *path, unsigned depth);

static enum rc walk_name(struct walk *w, int fd, const char *path, unsigned depth) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct stat st;
    enum rc rc;
    int inner;

    if (!is_plain_name(name))
        return refuse(w, NULL, "a file's name is not UTF-8, or has control characters");
    if (strlen(path) > SKILL_PATH_MAX)
        return refuse(
            w, NULL,
            arena_printf(w->arena, "a path in it is longer than %d bytes", SKILL_PATH_MAX));
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? OK : refuse(w, path, strerror(errno));
    if (S_ISLNK(st.st_mode))
        return refuse(w, path, "is a symbolic link; a skill has only files and folders");
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return refuse(w, path, "is neither a file nor a folder");
    rc = count(w, path, &st);
    if (!rc)
        rc = w->visit(w, fd, path, &st);
    if (rc || !S_ISDIR(st.st_mode))
        return rc;
    if (depth == SKILL_DEPTH_MAX)
        return refuse(w, path,
                      arena_printf(w->arena, "is in more than %d folders", SKILL_DEPTH_MAX));
    inner = openat(fd, name, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
    return inner < 0 ? refuse(w, path, strerror(errno)) : walk_folder(w, inner, path, depth + 1);
}

/* Takes the descriptor. */
static enum rc walk_folder(struct walk *w, int fd, const char *path, unsigned depth) {
    DIR *d = fdopendir(fd);
    const struct dirent *entry;
    enum rc rc = OK;

    if (!d) {
        (void)close(fd);
        return refuse(w, path, strerror(errno));
    }
    while (!rc && (entry = readdir(d)))
        if (*entry->d_name != '.')
            rc = walk_name(w, fd,
                           arena_printf(w->arena, "%s%s%s", path, *path ? "/" : "", entry->d_name),
                           depth);
    (void)closedir(d);
    return rc;
}

static enum rc walk(struct walk *w, const char *folder) {
    int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);

    return fd < 0 ? refuse(w, NULL, strerror(errno)) : walk_folder(w, fd, "", 0);
}

/* ---- reading ---- */

static enum rc digest(struct walk *w, int fd, const char *path, struct skill_file *f) {
    uint8_t hash[SHA256_LEN];
    char *text = xmalloc(f->size + 1);
    ssize_t len = file_read_all(fd, text, f->size + 1);
    const int error = errno;

    if (len >= 0)
        sha256(text, (size_t)len, hash);
    free(text);
    if (len < 0)
        return refuse(w, path, strerror(error));
    if ((size_t)len != f->size)
        return refuse(w, path, "changes while it is read");
    for (size_t i = 0; i < SHA256_LEN; i++)
        (void)snprintf(f->digest + 2 * i, 3, "%02x", hash[i]);
    return OK;
}

static enum rc add(struct walk *w, int dir, const char *path, const struct stat *st) {
    struct skill_files *all = w->arg;
    struct skill_file *f = &all->list[all->count++];
    const char *slash = strrchr(path, '/');
    enum rc rc;
    int fd;

    f->path = path;
    f->is_folder = S_ISDIR(st->st_mode);
    if (f->is_folder)
        return OK;
    f->size = (size_t)st->st_size;
    fd = openat(dir, slash ? slash + 1 : path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return refuse(w, path, strerror(errno));
    rc = digest(w, fd, path, f);
    (void)close(fd);
    return rc;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct skill_file *)a)->path, ((const struct skill_file *)b)->path);
}

enum rc skill_files_read(struct arena *keep, const char *folder, struct skill_files *out,
                         struct err *e) {
    struct skill_file *places = xcalloc(PLACES, sizeof *places);
    struct walk w = {.visit = add, .arg = out, .arena = keep, .e = e};
    enum rc rc;

    *out = (struct skill_files){.list = places};
    rc = walk(&w, folder);
    out->files = w.files;
    out->bytes = w.bytes;
    if (out->count)
        qsort(places, out->count, sizeof *places, by_path);
    out->list = arena_alloc(keep, (out->count + 1) * sizeof *places);
    memcpy(out->list, places, out->count * sizeof *places);
    free(places);
    return rc;
}

const struct skill_file *skill_files_find(const struct skill_files *files, const char *path) {
    const struct skill_file key = {.path = path};

    return bsearch(&key, files->list, files->count, sizeof key, by_path);
}

/* ---- changes ---- */

/* Whatever changes gets a new time, and so does the folder in which a name comes or goes. */
static enum rc add_version(struct walk *w, int fd, const char *path, const struct stat *st) {
    struct stat *all = w->arg;

    (void)fd;
    (void)path;
    all->st_size += st->st_size + 1;
    if (clock_is_later(st->st_mtim, all->st_mtim))
        all->st_mtim = st->st_mtim;
    if (clock_is_later(st->st_ctim, all->st_ctim))
        all->st_ctim = st->st_ctim;
    return OK;
}

void skill_files_stat(const char *folder, const struct stat *beside, struct stat *out) {
    struct arena *scratch = arena_new(PATHS_BYTES_MAX);
    struct err e;
    struct walk w = {.visit = add_version, .arg = out, .arena = scratch, .e = &e};

    if (stat(folder, out))
        *out = (struct stat){0};
    if (beside)
        (void)add_version(&w, -1, "", beside);
    if (walk(&w, folder))
        out->st_ino = 0;
    arena_free(scratch);
}

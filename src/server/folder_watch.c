#include "server/folder_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define TREE_DEPTH_MAX 16 /* as SKILL_DEPTH_MAX of catalog/skill_files.h */
#define LINKS_MAX 40      /* followed on one path, as the kernel does (path_resolution(7)) */
#define FOLDER_EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB)
/* Of a folder on a path. Who writes files beside it, as each call of a program does in STATE_DIR,
 * does not matter. */
#define STEP_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define FILE_EVENTS (STEP_EVENTS | IN_CLOSE_WRITE) /* of a path that ends with a file */

/* ---- the path to a folder ---- */

static void add_step(struct folder_watch *w, size_t folder, uint32_t events, const char *dir,
                     const char *name) {
    int wd = inotify_add_watch(w->fd, dir, events | IN_ONLYDIR | IN_MASK_ADD);

    if (wd < 0 || w->step_count == PATH_STEPS_MAX) /* we may lack permission to read it */
        return;
    for (size_t i = 0; i < w->step_count; i++)
        if (w->steps[i].wd == wd && w->steps[i].folder == folder && !strcmp(w->steps[i].name, name))
            return;
    w->steps[w->step_count++] = (struct path_step){wd, xstrdup(name), folder};
}

/* The resolution of a path, name by name (path_resolution(7)). */
struct walk {
    size_t folder;
    uint32_t events;
    int links;           /* that have been followed */
    char dir[PATH_MAX];  /* the directory reached so far; "" for the root */
    char rest[PATH_MAX]; /* of the path */
};

/* Puts the target of the symbolic link at `at`, which is in `dir`, before the rest of the path.
 * false: it cannot be followed. */
static bool follow(struct walk *p, const char *at) {
    char target[PATH_MAX], all[PATH_MAX];
    ssize_t n = readlink(at, target, sizeof target - 1);

    if (n <= 0 || ++p->links > LINKS_MAX)
        return false;
    target[n] = 0;
    if (snprintf(all, sizeof all, "%s/%s", target, p->rest) >= (int)sizeof all)
        return false;
    if (*target == '/')
        *p->dir = 0;
    memcpy(p->rest, all, sizeof all);
    return true;
}

/* The next name of the path; what follows it stays in `rest`. */
static bool next_name(char rest[PATH_MAX], char name[NAME_MAX + 1]) {
    size_t skip = strspn(rest, "/"), len = strcspn(rest + skip, "/");

    if (!len || len > NAME_MAX)
        return false;
    memcpy(name, rest + skip, len);
    name[len] = 0;
    memmove(rest, rest + skip + len, strlen(rest + skip + len) + 1);
    return true;
}

/* Resolves one name. It is watched before it is read, so that no change in between is missed.
 * false: there is nothing at the path. */
static bool take_step(struct folder_watch *w, struct walk *p, const char *name) {
    char at[PATH_MAX], *slash;
    struct stat st;

    if (!strcmp(name, "."))
        return true;
    if (!strcmp(name, "..")) {
        slash = strrchr(p->dir, '/');
        *(slash ? slash : p->dir) = 0;
        return true;
    }
    add_step(w, p->folder, p->events, *p->dir ? p->dir : "/", name);
    if (snprintf(at, sizeof at, "%s/%s", p->dir, name) >= (int)sizeof at || lstat(at, &st))
        return false;
    if (S_ISLNK(st.st_mode))
        return follow(p, at);
    memcpy(p->dir, at, sizeof at);
    return true;
}

static void walk(struct folder_watch *w, size_t folder, uint32_t events, const char *path) {
    struct walk p = {.folder = folder, .events = events};
    char name[NAME_MAX + 1];

    if (strlen(path) >= sizeof p.rest)
        return;
    memcpy(p.rest, path, strlen(path) + 1);
    while (next_name(p.rest, name) && take_step(w, &p, name))
        ;
}

static bool is_manifest(const char *name) {
    return strcmp(name, ".json") != 0 && text_ends_with(name, ".json");
}

/* Manifests that are links: their targets may be written, or replaced. */
static void walk_links(struct folder_watch *w, size_t folder, const char *path) {
    DIR *d = opendir(path);
    const struct dirent *entry;
    char at[PATH_MAX];
    struct stat st;

    while (d && (entry = readdir(d)))
        if (is_manifest(entry->d_name) &&
            !fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode) &&
            snprintf(at, sizeof at, "%s/%s", path, entry->d_name) < (int)sizeof at)
            walk(w, folder, FILE_EVENTS, at);
    if (d)
        (void)closedir(d);
}

static bool is_folder(int dir, const char *name, bool follow) {
    struct stat st;

    return *name != '.' && !fstatat(dir, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) &&
           S_ISDIR(st.st_mode);
}

/* The folders of a tree. Those directly in it may be links, as catalog/skill_files.h has it. */
static void walk_tree(struct folder_watch *w, size_t folder, const char *path, unsigned depth) {
    DIR *d = opendir(path);
    const struct dirent *entry;
    char at[PATH_MAX];

    while (d && depth <= TREE_DEPTH_MAX && (entry = readdir(d))) {
        if (!is_folder(dirfd(d), entry->d_name, !depth) ||
            snprintf(at, sizeof at, "%s/%s", path, entry->d_name) >= (int)sizeof at)
            continue;
        if (!depth)
            walk(w, folder, STEP_EVENTS, at);
        if (w->step_count == PATH_STEPS_MAX) {
            log_warn("directory_not_watched", kv("path", at), kv("why", "there are too many"));
            break;
        }
        add_step(w, folder, FILE_EVENTS, at, "");
        walk_tree(w, folder, at, depth + 1);
    }
    if (d)
        (void)closedir(d);
}

static void watch_folder(struct folder_watch *w, size_t i) {
    struct folder *f = &w->folders[i];

    walk(w, i, f->kind == FOLDER_OF_FILE ? FILE_EVENTS : STEP_EVENTS, f->path);
    if (f->kind == FOLDER_OF_FILE) { /* what the steps do not tell: it may be readable now */
        f->wd = inotify_add_watch(w->fd, f->path, IN_ATTRIB | IN_MASK_ADD);
        return;
    }
    f->wd =
        inotify_add_watch(w->fd, f->path, FOLDER_EVENTS | STEP_EVENTS | IN_ONLYDIR | IN_MASK_ADD);
    if (f->wd < 0 && errno != ENOENT)
        log_warn("directory_not_watched", kv("path", f->path), kv("why", strerror(errno)));
    if (f->kind == FOLDER_MANIFESTS)
        walk_links(w, i, f->path);
    else if (f->kind == FOLDER_TREE)
        walk_tree(w, i, f->path, 0);
}

void folder_watch_add(struct folder_watch *w, const char *path, size_t len, enum folder_kind kind) {
    char *copy;

    for (size_t i = 0; i < w->folder_count; i++)
        if (strlen(w->folders[i].path) == len && !memcmp(w->folders[i].path, path, len) &&
            w->folders[i].kind == kind)
            return;
    copy = strndup(path, len);
    if (!copy)
        return;
    if (w->folder_count == FOLDERS_MAX) {
        log_warn("directory_not_watched", kv("path", copy), kv("why", "there are too many"));
        free(copy);
        return;
    }
    w->folders[w->folder_count] = (struct folder){.path = copy, .wd = -1, .kind = kind};
    watch_folder(w, w->folder_count++);
}

/* ---- events ---- */

static void mark_stale(struct folder_watch *w, struct folder *f) {
    f->stale = w->stale = true;
}

/* A new file is reported when it is written and closed, but a new link is never written. */
static bool is_link(const struct folder *f, const char *name) {
    char at[PATH_MAX];
    struct stat st;

    return snprintf(at, sizeof at, "%s/%s", f->path, name) < (int)sizeof at && !lstat(at, &st) &&
           (S_ISLNK(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink > 1));
}

static bool is_meant(const struct path_step *step, const char *name) {
    return *step->name ? !strcmp(step->name, name) : *name && *name != '.';
}

/* A name on the path to a folder has changed, or its watch has ended. */
static void check_steps(struct folder_watch *w, const struct inotify_event *e, const char *name) {
    for (size_t i = 0; i < w->step_count; i++)
        if (w->steps[i].wd == e->wd && (e->mask & IN_IGNORED || is_meant(&w->steps[i], name)))
            mark_stale(w, &w->folders[w->steps[i].folder]);
}

void folder_watch_take(struct folder_watch *w, const struct inotify_event *e, folder_watch_fn *fn,
                       void *arg) {
    const char *name = e->len ? e->name : "";

    check_steps(w, e, name);
    for (size_t i = 0; i < w->folder_count; i++) {
        struct folder *f = &w->folders[i];
        bool in_it = f->wd == e->wd;

        if (e->mask & IN_Q_OVERFLOW || (in_it && e->mask & IN_IGNORED))
            mark_stale(w, f);
        if (in_it &&
            (f->kind == FOLDER_OF_FILE || (f->kind == FOLDER_TREE && *name && *name != '.')))
            mark_stale(w, f);
        if (!in_it || !*name || f->kind == FOLDER_TREE || f->kind == FOLDER_OF_FILE ||
            (f->kind == FOLDER_MANIFESTS && !is_manifest(name)) ||
            (!(e->mask & FOLDER_EVENTS) && !is_link(f, name)))
            continue;
        if (f->kind == FOLDER_MANIFESTS && is_link(f, name))
            mark_stale(w, f);
        fn(arg, f, name);
    }
}

static bool is_used(const struct folder_watch *w, int wd) {
    for (size_t i = 0; i < w->folder_count; i++)
        if (w->folders[i].wd == wd)
            return true;
    for (size_t i = 0; i < w->step_count; i++)
        if (w->steps[i].wd == wd)
            return true;
    return false;
}

/* Watches what is at the folder's path now, and then ends the watches that nothing needs. */
static void watch_again(struct folder_watch *w, size_t i) {
    struct path_step *old = xcalloc(w->step_count + 1, sizeof *old);
    size_t old_count = 1, kept = 0;

    old[0].wd = w->folders[i].wd;
    for (size_t n = 0; n < w->step_count; n++)
        *(w->steps[n].folder == i ? &old[old_count++] : &w->steps[kept++]) = w->steps[n];
    w->step_count = kept;
    watch_folder(w, i);
    for (size_t n = 0; n < old_count; n++) {
        if (old[n].wd >= 0 && !is_used(w, old[n].wd))
            (void)inotify_rm_watch(w->fd, old[n].wd);
        free(old[n].name);
    }
    free(old);
}

void folder_watch_renew(struct folder_watch *w, folder_watch_fn *fn, void *arg) {
    w->stale = false;
    for (size_t i = 0; i < w->folder_count; i++) {
        if (!w->folders[i].stale)
            continue;
        w->folders[i].stale = false;
        watch_again(w, i);
        fn(arg, &w->folders[i], "");
    }
}

#include "server/folder_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* followed on one path, as the kernel does (path_resolution(7)) */
#define FOLDER_EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB)
#define STEP_EVENTS (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

bool folder_watch_open(struct folder_watch *w) {
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return w->fd >= 0;
}

/* ---- the path to a folder ---- */

static void add_step(struct folder_watch *w, size_t folder, const char *dir, const char *name) {
    int wd = inotify_add_watch(w->fd, dir, STEP_EVENTS | IN_ONLYDIR | IN_MASK_ADD);

    if (wd < 0 ||
        w->step_count == PATH_STEPS_MAX) /* a directory on the path need not let us read it */
        return;
    for (size_t i = 0; i < w->step_count; i++)
        if (w->steps[i].wd == wd && w->steps[i].folder == folder && !strcmp(w->steps[i].name, name))
            return;
    w->steps[w->step_count++] = (struct path_step){wd, xstrdup(name), folder};
}

struct walk {
    size_t folder;
    int links;           /* that have been followed */
    char dir[PATH_MAX];  /* how far it has come; "" for the root */
    char rest[PATH_MAX]; /* of the path */
};

/* The target of the link at `at`, which is in `dir`, comes in front of the rest of the path. false:
 * it leads nowhere. */
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

/* One name further. It is watched before it is looked at, so that nothing is missed between the
 * two. false: the path leads nowhere. */
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
    add_step(w, p->folder, *p->dir ? p->dir : "/", name);
    if (snprintf(at, sizeof at, "%s/%s", p->dir, name) >= (int)sizeof at || lstat(at, &st))
        return false;
    if (S_ISLNK(st.st_mode))
        return follow(p, at);
    memcpy(p->dir, at, sizeof at);
    return true;
}

static void walk(struct folder_watch *w, size_t folder, const char *path) {
    struct walk p = {.folder = folder};
    char name[NAME_MAX + 1];

    if (strlen(path) >= sizeof p.rest)
        return;
    memcpy(p.rest, path, strlen(path) + 1);
    while (next_name(p.rest, name) && take_step(w, &p, name))
        ;
}

static bool is_manifest(const char *name) {
    size_t len = strlen(name);

    return len > 5 && !strcmp(name + len - 5, ".json");
}

/* Manifests that are links: what they lead to may be written, or replaced. */
static void walk_links(struct folder_watch *w, size_t folder, const char *path) {
    DIR *d = opendir(path);
    const struct dirent *entry;
    char at[PATH_MAX];
    struct stat st;

    while (d && (entry = readdir(d)))
        if (is_manifest(entry->d_name) &&
            !fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode) &&
            snprintf(at, sizeof at, "%s/%s", path, entry->d_name) < (int)sizeof at)
            walk(w, folder, at);
    if (d)
        (void)closedir(d);
}

static void watch_folder(struct folder_watch *w, size_t i) {
    struct folder *f = &w->folders[i];

    walk(w, i, f->path);
    f->wd =
        inotify_add_watch(w->fd, f->path, FOLDER_EVENTS | STEP_EVENTS | IN_ONLYDIR | IN_MASK_ADD);
    if (f->wd < 0 && errno != ENOENT)
        log_warn("directory_not_watched", kv("path", f->path), kv("why", strerror(errno)));
    if (f->catalog)
        walk_links(w, i, f->path);
}

void folder_watch_add(struct folder_watch *w, const char *path, size_t len, bool catalog) {
    char *copy;

    for (size_t i = 0; i < w->folder_count; i++)
        if (strlen(w->folders[i].path) == len && !memcmp(w->folders[i].path, path, len) &&
            w->folders[i].catalog == catalog)
            return;
    copy = strndup(path, len);
    if (!copy)
        return;
    if (w->folder_count == FOLDERS_MAX) {
        log_warn("directory_not_watched", kv("path", copy), kv("why", "there are too many"));
        free(copy);
        return;
    }
    w->folders[w->folder_count] = (struct folder){.path = copy, .wd = -1, .catalog = catalog};
    watch_folder(w, w->folder_count++);
}

/* ---- what happens ---- */

static void note_move(struct folder_watch *w, struct folder *f) {
    f->moved = w->moved = true;
}

/* A new file is reported when it is written and closed; a link is never written. */
static bool is_link(const struct folder *f, const char *name) {
    char at[PATH_MAX];
    struct stat st;

    return snprintf(at, sizeof at, "%s/%s", f->path, name) < (int)sizeof at && !lstat(at, &st) &&
           (S_ISLNK(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink > 1));
}

/* A name on the path to a folder has changed, or its watch is gone. */
static void note_steps(struct folder_watch *w, const struct inotify_event *e, const char *name) {
    for (size_t i = 0; i < w->step_count; i++)
        if (w->steps[i].wd == e->wd && (e->mask & IN_IGNORED || !strcmp(w->steps[i].name, name)))
            note_move(w, &w->folders[w->steps[i].folder]);
}

void folder_watch_take(struct folder_watch *w, const struct inotify_event *e, folder_watch_fn *fn,
                       void *arg) {
    const char *name = e->len ? e->name : "";

    note_steps(w, e, name);
    for (size_t i = 0; i < w->folder_count; i++) {
        struct folder *f = &w->folders[i];
        bool in_it = f->wd == e->wd;

        if (e->mask & IN_Q_OVERFLOW || (in_it && e->mask & IN_IGNORED))
            note_move(w, f);
        if (!in_it || !*name || (!(e->mask & FOLDER_EVENTS) && !is_link(f, name)))
            continue;
        if (f->catalog && is_manifest(name) && is_link(f, name))
            note_move(w, f);
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

/* Moves the steps to the folder to the end of the list, from the returned index on; the caller
 * frees them. */
static size_t set_apart(struct folder_watch *w, size_t folder) {
    size_t kept = 0;

    for (size_t i = 0; i < w->step_count; i++)
        if (w->steps[i].folder != folder) {
            struct path_step other = w->steps[kept];

            w->steps[kept++] = w->steps[i];
            w->steps[i] = other;
        }
    return kept;
}

static void watch_again(struct folder_watch *w, size_t i) {
    size_t kept = set_apart(w, i), count = w->step_count - kept;
    struct path_step *old = xcalloc(count + 1, sizeof *old);
    int old_wd = w->folders[i].wd;

    memcpy(old, w->steps + kept, count * sizeof *old);
    w->step_count = kept;
    watch_folder(w, i);
    if (old_wd >= 0 && !is_used(w, old_wd))
        (void)inotify_rm_watch(w->fd, old_wd);
    for (size_t n = 0; n < count; n++) {
        if (!is_used(w, old[n].wd))
            (void)inotify_rm_watch(w->fd, old[n].wd);
        free(old[n].name);
    }
    free(old);
}

void folder_watch_settle(struct folder_watch *w, folder_watch_fn *fn, void *arg) {
    w->moved = false;
    for (size_t i = 0; i < w->folder_count; i++) {
        if (!w->folders[i].moved)
            continue;
        w->folders[i].moved = false;
        watch_again(w, i);
        fn(arg, &w->folders[i], "");
    }
}

/* The folders that the stream holder watches by inotify(7). A folder is known by its path, and
 * every name on the path is watched too, since a change of one (a symbolic link, or a folder that
 * did not exist) may put another folder at that path. */
#pragma once

#include <sys/inotify.h>

#include "base/base.h"

#define FOLDERS_MAX 1024
#define PATH_STEPS_MAX 4096

enum folder_kind {
    FOLDER_FILES,     /* any file in it */
    FOLDER_MANIFESTS, /* only .json files count, and links in it are followed too */
    FOLDER_OF_FILE,   /* one file, of which it has the path; where links lead counts too */
    FOLDER_TREE,      /* of folders, with all that is in them: it is stale when any of it changes */
};

struct folder {
    char *path;
    int wd; /* -1: it does not exist */
    enum folder_kind kind;
    bool stale; /* another folder may be at its path now */
};

/* A name on the path to a folder, or a folder in a FOLDER_TREE. */
struct path_step {
    int wd;     /* of the directory that the name is in */
    char *name; /* "": any that does not begin with a dot */
    size_t folder;
};

struct folder_watch {
    int fd; /* of inotify; opened by the stream holder */
    struct folder folders[FOLDERS_MAX];
    struct path_step steps[PATH_STEPS_MAX];
    size_t folder_count, step_count;
    bool stale; /* some folder is */
};

/* Watches the folder from now on, if it is not yet. The path is absolute. */
void folder_watch_add(struct folder_watch *w, const char *path, size_t len, enum folder_kind kind);
/* Calls fn for each folder, and each name in it, that the event is about. */
typedef void folder_watch_fn(void *arg, const struct folder *f, const char *name);
void folder_watch_take(struct folder_watch *w, const struct inotify_event *e, folder_watch_fn *fn,
                       void *arg);
/* Watches stale folders again, and calls fn for each, with the name "". */
void folder_watch_renew(struct folder_watch *w, folder_watch_fn *fn, void *arg);

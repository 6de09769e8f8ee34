/* The folders that the stream holder watches by inotify(7), by the paths that they were given by: a
 * folder that is a link, or below one, is watched together with every name on its path, since what
 * happens to one of them may put another folder at that path. So is one that does not exist yet. */
#pragma once

#include <sys/inotify.h>

#include "base/base.h"

#define FOLDERS_MAX 1024
#define PATH_STEPS_MAX 4096

struct folder {
    char *path;
    int wd;       /* -1: it is not there */
    bool catalog; /* of manifests: links in it are followed too */
    bool moved;   /* it may be another one now */
};

/* A name that is looked up on the path to a folder. */
struct path_step {
    int wd; /* of the directory that the name is in */
    char *name;
    size_t folder;
};

struct folder_watch {
    int fd; /* of inotify */
    struct folder folders[FOLDERS_MAX];
    struct path_step steps[PATH_STEPS_MAX];
    size_t folder_count, step_count;
    bool moved; /* some folder has */
};

/* false, with errno: there is no inotify. */
bool folder_watch_open(struct folder_watch *w);
/* Watches the folder from now on, if it is not yet. The path is absolute. */
void folder_watch_add(struct folder_watch *w, const char *path, size_t len, bool catalog);
/* Calls fn for each folder, and each name in it, that the event is about. */
typedef void folder_watch_fn(void *arg, const struct folder *f, const char *name);
void folder_watch_take(struct folder_watch *w, const struct inotify_event *e, folder_watch_fn *fn,
                       void *arg);
/* Finds the folders again that have moved, and calls fn for each, with the name "". */
void folder_watch_settle(struct folder_watch *w, folder_watch_fn *fn, void *arg);

/* The folders that the keeper watches, by the paths that they were given by: a folder that is a
 * link, or below one, is watched together with every place from which another one could take its
 * place; so is one that is not there yet. */
#ifndef SERVER_FOLDER_WATCH_H
#define SERVER_FOLDER_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/inotify.h>

#define FOLDERS_MAX 1024
#define WAYS_MAX 4096

struct folder {
    char *path;
    int wd;       /* -1: it is not there */
    bool catalog; /* of manifests: links in it are followed too */
    bool moved;   /* it may be another one now */
};

/* Where a name is looked up on the way to a folder: what happens to it changes what the path means.
 */
struct way {
    int wd;
    char *name;
    size_t folder;
};

struct watches {
    int fd; /* of inotify */
    struct folder folders[FOLDERS_MAX];
    struct way ways[WAYS_MAX];
    size_t folder_count, way_count;
    bool moved; /* some folder has */
};

/* false, with errno: there is no inotify. */
bool watches_open(struct watches *w);
/* Watches the folder from now on, if it is not yet. The path is absolute. */
void watches_add(struct watches *w, const char *path, size_t len, bool catalog);
/* Calls fn for each folder and each name in it that the event tells of. */
typedef void watches_fn(void *arg, const struct folder *f, const char *name);
void watches_take(struct watches *w, const struct inotify_event *e, watches_fn *fn, void *arg);
/* Looks where the folders are that have moved, and calls fn for each, with the name "". */
void watches_settle(struct watches *w, watches_fn *fn, void *arg);

#endif

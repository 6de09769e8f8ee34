/* Private part of supervisor.h: the directory that a run has for itself. It lies in one that the
 * supervisor keeps, so that the rule of Landlock for it can be used again. */
#include "runner/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not in /tmp, where other programs may write: one that moved a base away and put a symbolic link
 * in its place would be given what the link leads to. No manifest can name this directory. */
#define BASE_TEMPLATE PRIVATE_DIRECTORY_PARENT "/mcp-authd-run-XXXXXX"
#define NAME "home"
#define MOVED_FORMAT ".moved-%u"

bool private_directory_make(char base[HOME_PATH_MAX], const char **path) {
    static char made[HOME_PATH_MAX + sizeof NAME + 1];

    if (!*base) {
        memcpy(base, BASE_TEMPLATE, sizeof BASE_TEMPLATE);
        if (!mkdtemp(base)) {
            *base = 0;
            return false;
        }
    }
    (void)snprintf(made, sizeof made, "%s/" NAME, base);
    *path = made;
    return !mkdir(made, 0700);
}

/* A program may have taken away its user's permissions. Only for a directory: chmod follows a
 * symbolic link. */
static bool permit(int at, const char *name) {
    struct stat st;

    return !fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode) &&
           !fchmodat(at, name, 0700, 0);
}

/* Moves a directory's entries up into `top`, so that no depth of directories takes descriptors or
 * stack. */
static void move_up(int top, const char *name, unsigned *moved) {
    int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    char to[32];

    while (dir && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (!unlinkat(fd, entry->d_name, 0))
            continue;
        if (!permit(fd, entry->d_name)) /* moving a directory writes to it: .. */
            continue;
        do /* the program may have made directories of such names */
            (void)snprintf(to, sizeof to, MOVED_FORMAT, (*moved)++);
        while (renameat(fd, entry->d_name, top, to) &&
               (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
    }
    if (dir)
        (void)closedir(dir);
}

/* One time through `top`; true: something was removed. */
static bool remove_entries(int top, unsigned *moved) {
    int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    bool any = false;

    while (dir && (entry = readdir(dir))) {
        const char *name = entry->d_name;

        if (!strcmp(name, ".") || !strcmp(name, ".."))
            continue;
        if (unlinkat(top, name, 0)) {
            if (permit(top, name))
                move_up(top, name, moved);
            any = !unlinkat(top, name, AT_REMOVEDIR) || any;
        } else {
            any = true;
        }
    }
    if (dir)
        (void)closedir(dir);
    return any;
}

void private_directory_empty(const char *base) {
    int top = *base && permit(AT_FDCWD, base)
                  ? open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                  : -1;
    unsigned moved = 0;

    while (top >= 0 && remove_entries(top, &moved))
        ;
    descriptor_close(top);
}

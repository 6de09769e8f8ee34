/* Files that are read whole, at the start, on a reload or when they have changed; and files in
 * memory. */
#pragma once

#include "base/text.h"
#include <sys/stat.h>

/* Opens a file for reading without waiting: a FIFO in its place is refused. -1: *why says why in
 * words, and errno as open(2) does, or EINVAL. */
int file_open(const char *path, const char **why);
/* The same of a file below a directory, where no name on its way may be a symbolic link or "..":
 * for what is in a folder that somebody else has filled. */
int file_open_below(const char *dir, const char *path, const char **why);
/* Reads up to len bytes, fewer at the end of the file. -1: errno. */
ssize_t file_read_all(int fd, char *text, size_t len);
/* Writes all of it, from the offset `at` on; at -1 to the current position, as also a socket needs.
 * False: errno. */
bool file_write_all(int fd, const void *data, size_t len, off_t at) MUST_USE;
/* Writes a new file with this text, never in the place of another one; it is on the disk then.
 * exact: with this mode whatever the umask. False: errno, and there is no file of ours. */
bool file_write_new(const char *path, const struct text *text, mode_t mode, bool exact) MUST_USE;
/* A new file that is in memory only, and that nobody can execute. `name`: as /proc shows it. flags:
 * of memfd_create(2), besides MFD_CLOEXEC. -1: errno. */
int file_in_memory(const char *name, unsigned flags);

/* Reads a file of at most max_len bytes into the arena, with a NUL behind it and no copy anywhere
 * else, since it may hold a secret. ERR_MISSING: it cannot be opened or read, and errno says why;
 * ERR_TOO_LARGE. The text of e continues a sentence that begins with the path. */
enum rc file_read(struct arena *a, const char *path, size_t max_len, struct text *out,
                  struct err *e) MUST_USE;

/* Has the file changed at that time of the real clock or later? Checks both times: of the content,
 * and of the inode (a renamed file has an old mtime). */
bool file_is_newer(const struct stat *st, int64_t since_ms);
int64_t file_changed_ms(const struct stat *st); /* real time of the last change of the inode */
/* Has the folder, whose times cover added and removed names, or a visible file in it? */
bool folder_has_changed(const char *path, int64_t since_ms);

/* Tells one content of a file from another without reading it. */
struct file_version {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed; /* content; inode (a renamed file has an old mtime) */
};
/* All zero if the file changed so shortly before that it may change again without another time. */
struct file_version file_version_of(const struct stat *st);
/* False if both are zero. */
bool file_version_equal(const struct file_version *a, const struct file_version *b);

/* Files that are read whole, at the start, on a reload or when they have changed. */
#pragma once

#include "base/err.h"
#include "base/text.h"
#include <sys/stat.h>

/* Opens a file for reading without waiting: a FIFO in its place is refused. -1: *why says why in
 * words, and errno as open(2) does, or EINVAL. */
int file_open(const char *path, const char **why);
/* Reads up to len bytes, fewer at the end of the file. -1: errno. */
ssize_t file_read_all(int fd, char *text, size_t len);

/* Reads a file of at most max_len bytes into the arena, with a NUL behind it and no copy anywhere
 * else, since it may hold a secret. ERR_MISSING: it cannot be opened or read, and errno says why;
 * ERR_TOO_LARGE. The text of e continues a sentence that begins with the path. */
enum rc file_read(struct arena *a, const char *path, size_t max_len, struct text *out,
                  struct err *e) MUST_USE;

/* Has the file changed at that time of the real clock or later? Checks both times: of the content,
 * and of the inode (a renamed file has an old mtime). */
bool file_is_newer(const struct stat *st, int64_t since_ms);
/* Has the folder, whose times cover added and removed names, or a visible file in it? */
bool folder_has_changed(const char *path, int64_t since_ms);

/* Files that are read at the start and on a reload. */
#ifndef BASE_READ_OPEN_H
#define BASE_READ_OPEN_H

/* Opens a file for reading and waits for nobody: what stands in its place may be a FIFO. -1: *why
 * says so in words, and errno by open(2), or EINVAL. */
int read_open(const char *path, const char **why);

#endif

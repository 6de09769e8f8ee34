/* A file of ours that is not as we left it: it is kept beside the new one, for whoever wants to
 * know why. At most one of each is kept. */
#ifndef SHARED_DAMAGED_H
#define SHARED_DAMAGED_H

#define DAMAGED_SUFFIX ".damaged"

/* Logs it and counts it: dir and file, which may be "", are written one after the other. */
void damaged_say(const char *dir, const char *file);
/* Renames it, and says so, if it is the one that is open as fd: another process may have done it.
 */
void damaged_set_aside(const char *path, int fd);

#endif

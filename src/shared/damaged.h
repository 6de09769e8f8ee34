/* A file of STATE_DIR that was damaged is renamed and kept beside the new one for an admin to
 * examine. At most one of each is kept. */
#pragma once

#define DAMAGED_SUFFIX ".damaged"

/* Logs it and counts it: dir and file, which may be "", are written one after the other. */
void damaged_say(const char *dir, const char *file);
/* Renames it and logs that, if it is still the file that is open as fd: another process may have
 * replaced it. */
void damaged_set_aside(const char *path, int fd);

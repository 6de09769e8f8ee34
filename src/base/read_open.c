#include "base/read_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int read_open(const char *path, const char **why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0) {
        *why = strerror(errno);
        return -1;
    }
    if (!fstat(fd, &st) && !S_ISFIFO(st.st_mode))
        return fd;
    (void)close(fd);
    errno = EINVAL;
    *why = "it is a FIFO and not a file";
    return -1;
}

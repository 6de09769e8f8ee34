#include "shared/byte_lock.h"

#include <fcntl.h>

static bool set(int fd, int byte, short type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return !fcntl(fd, F_OFD_SETLK, &l);
}

int byte_lock_take(int fd, int from, int count) {
    for (int byte = from; byte < from + count; byte++)
        if (set(fd, byte, F_WRLCK))
            return byte;
    return -1;
}

void byte_lock_release(int fd, int byte) {
    (void)set(fd, byte, F_UNLCK);
}

bool byte_lock_is_taken(int fd, int byte) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return !fcntl(fd, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

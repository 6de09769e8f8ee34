#include "shared/byte_lock.h"

#include <fcntl.h>

static struct flock byte_of(int place, short type) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = place, .l_len = 1};
}

int locked_take(int fd, int from, int count) {
    for (int place = from; place < from + count; place++) {
        struct flock l = byte_of(place, F_WRLCK);

        if (!fcntl(fd, F_SETLK, &l))
            return place;
    }
    return -1;
}

void locked_give_back(int fd, int place) {
    struct flock l = byte_of(place, F_UNLCK);

    (void)fcntl(fd, F_SETLK, &l);
}

bool locked_is_taken(int fd, int place) {
    struct flock l = byte_of(place, F_WRLCK);

    return !fcntl(fd, F_GETLK, &l) && l.l_type != F_UNLCK;
}

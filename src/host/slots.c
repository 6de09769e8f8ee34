/* A slot is a locked byte of a file: the kernel gives it back when the process ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/host.h"

struct host_slots {
    int fd;
    int held; /* the slot that this process has; -1: none */
};

enum rc host_slots_open(const char *path, struct host_slots **out, struct err *e) {
    struct host_slots *s = xcalloc(1, sizeof *s);

    *out = NULL;
    s->held = -1;
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->fd < 0) {
        free(s);
        return err_set(e, ERR_STORE, "%s cannot be opened: %s. The service's user must own it",
                       path, strerror(errno));
    }
    *out = s;
    return OK;
}

void host_slots_close(struct host_slots *s) {
    if (!s)
        return;
    (void)close(s->fd);
    free(s);
}

static bool lock(const struct host_slots *s, int slot, short type) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1};

    return fcntl(s->fd, F_SETLK, &l) == 0;
}

bool host_slots_enter(struct host_slots *s, unsigned count) {
    if (!s)
        return true;
    if (s->held >= 0) /* a lock of our own would not stop us */
        return false;
    for (int i = 0; i < (int)count; i++)
        if (lock(s, i, F_WRLCK)) {
            s->held = i;
            return true;
        }
    return false;
}

void host_slots_leave(struct host_slots *s) {
    if (!s)
        return;
    if (s->held >= 0)
        (void)lock(s, s->held, F_UNLCK);
    s->held = -1;
}

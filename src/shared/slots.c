/* A slot is a locked byte of a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/byte_lock.h"
#include "shared/shared.h"

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

bool host_slots_enter(struct host_slots *s, unsigned count) {
    if (!s)
        return true;
    if (s->held >= 0) /* a lock of our own would not stop us */
        return false;
    s->held = locked_take(s->fd, 0, (int)count);
    return s->held >= 0;
}

void host_slots_leave(struct host_slots *s) {
    if (!s || s->held < 0)
        return;
    locked_give_back(s->fd, s->held);
    s->held = -1;
}

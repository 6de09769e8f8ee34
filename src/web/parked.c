#include "web/parked.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "web/request.h"

#define ID_MAX 24

/* The file: this, the end of the stream, the parameters with a NUL behind each, the body, and the
 * state. */
struct head {
    uint32_t lost_len, params, params_len, body_len, state_len; /* params: a number of them */
    int64_t started_ms;
    char id[ID_MAX];
};

int parked_write(const struct request *rq, struct text state, struct text lost) {
    struct head h = {.lost_len = (uint32_t)lost.len, .started_ms = rq->started_ms};
    size_t len = sizeof h + lost.len + rq->body_len + state.len;
    struct arena *a;
    struct buf b;
    int fd;

    for (char *const *p = rq->params; *p; p++)
        len += strlen(*p) + 1;
    if (len > PARKED_BYTES_MAX || lost.len > PARKED_LOST_MAX) {
        errno = EFBIG;
        return -1;
    }
    fd = file_in_memory("parked", 0);
    if (fd < 0)
        return -1;
    a = arena_new(2 * PARKED_BYTES_MAX); /* wiped: the request has a token */
    buf_init(&b, a, PARKED_BYTES_MAX);
    buf_add(&b, lost.p, lost.len);
    for (char *const *p = rq->params; *p; p++, h.params++)
        buf_add(&b, *p, strlen(*p) + 1);
    h.params_len = (uint32_t)(b.len - lost.len);
    h.body_len = (uint32_t)rq->body_len;
    h.state_len = (uint32_t)state.len;
    (void)snprintf(h.id, sizeof h.id, "%s", rq->id);
    buf_add(&b, rq->body, rq->body_len);
    buf_add(&b, state.p, state.len);
    if (!file_write_all(fd, &h, sizeof h, -1) || !file_write_all(fd, b.p, b.len, -1)) {
        (void)close(fd);
        fd = -1;
    }
    arena_free(a);
    return fd;
}

/* *len: that of the parts behind the end of the stream. */
static bool read_head(int file, struct head *h, size_t *len) {
    struct stat st;

    if (fstat(file, &st) || st.st_size < (off_t)sizeof *h || st.st_size > (off_t)PARKED_BYTES_MAX ||
        pread(file, h, sizeof *h, 0) != (ssize_t)sizeof *h)
        return false;
    *len = (size_t)h->params_len + h->body_len + h->state_len;
    return h->lost_len <= PARKED_LOST_MAX && !h->id[ID_MAX - 1] &&
           (size_t)st.st_size == sizeof *h + h->lost_len + *len;
}

size_t parked_read_lost(int file, char out[PARKED_LOST_MAX]) {
    struct head h;
    size_t len;

    return read_head(file, &h, &len) &&
                   pread(file, out, h.lost_len, sizeof h) == (ssize_t)h.lost_len
               ? h.lost_len
               : 0;
}

bool parked_read(int file, struct request *rq, struct text *state) {
    struct head h;
    char *text;
    size_t len;

    if (!read_head(file, &h, &len))
        return false;
    text = arena_alloc(rq->arena, len + 1);
    if (pread(file, text, len, (off_t)(sizeof h + h.lost_len)) != (ssize_t)len)
        return false;
    rq->params = request_params(rq->arena, text, h.params_len, h.params);
    rq->body = arena_strndup(rq->arena, text + h.params_len, h.body_len);
    rq->body_len = h.body_len;
    rq->id = arena_strdup(rq->arena, h.id);
    rq->started_ms = h.started_ms;
    *state = (struct text){text + h.params_len + h.body_len, h.state_len};
    return rq->params != NULL;
}

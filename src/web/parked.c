#include "web/parked.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "web/request.h"

#define ID_MAX 24

/* The file: this, the parameters with a NUL behind each, the body, and the state. */
struct head {
    uint32_t params, params_len, body_len, state_len; /* the first is a number of parameters */
    int64_t started_ms;
    char id[ID_MAX];
};

int parked_write(const struct request *rq, struct text state) {
    struct head h = {.started_ms = rq->started_ms};
    size_t len = sizeof h + rq->body_len + state.len;
    struct arena *a;
    struct buf b;
    int fd;

    for (char *const *p = rq->params; *p; p++)
        len += strlen(*p) + 1;
    if (len > PARKED_BYTES_MAX) {
        errno = EFBIG;
        return -1;
    }
    fd = file_in_memory("parked", 0);
    if (fd < 0)
        return -1;
    a = arena_new(2 * PARKED_BYTES_MAX); /* wiped: the request has a token */
    buf_init(&b, a, PARKED_BYTES_MAX);
    for (char *const *p = rq->params; *p; p++, h.params++)
        buf_add(&b, *p, strlen(*p) + 1);
    h.params_len = (uint32_t)b.len;
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

/* The parameters as request.h has them. NULL: there are fewer than that. */
static char **read_params(struct arena *a, char *p, size_t len, size_t count) {
    char **params = count <= len ? arena_alloc(a, (count + 1) * sizeof *params) : NULL;

    for (size_t i = 0; params && i < count; i++) {
        const size_t n = strnlen(p, len);

        if (n == len)
            return NULL;
        params[i] = p;
        p += n + 1;
        len -= n + 1;
    }
    return len ? NULL : params;
}

bool parked_read(int file, struct request *rq, struct text *state) {
    struct stat st;
    struct head h;
    char *text;
    size_t len;

    if (fstat(file, &st) || st.st_size < (off_t)sizeof h || st.st_size > (off_t)PARKED_BYTES_MAX ||
        pread(file, &h, sizeof h, 0) != (ssize_t)sizeof h)
        return false;
    len = (size_t)st.st_size - sizeof h;
    if ((uint64_t)h.params_len + h.body_len + h.state_len != len || h.id[ID_MAX - 1])
        return false;
    text = arena_alloc(rq->arena, len + 1);
    if (pread(file, text, len, sizeof h) != (ssize_t)len)
        return false;
    rq->params = read_params(rq->arena, text, h.params_len, h.params);
    rq->body = arena_strndup(rq->arena, text + h.params_len, h.body_len);
    rq->body_len = h.body_len;
    rq->id = arena_strdup(rq->arena, h.id);
    rq->started_ms = h.started_ms;
    *state = (struct text){text + h.params_len + h.body_len, h.state_len};
    return rq->params != NULL;
}

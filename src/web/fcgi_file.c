#include "web/fcgi_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; older kernels do not know it */
#endif

static int make_file(void) {
    int fd = memfd_create("fastcgi", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

    return fd >= 0 || errno != EINVAL ? fd : memfd_create("fastcgi", MFD_CLOEXEC);
}

bool fcgi_file_open(struct fcgi_file *f) {
    void *map = MAP_FAILED;
    int fd = make_file();

    if (fd >= 0 && ftruncate(fd, FCGI_FILE_KEPT) == 0)
        map = mmap(NULL, FCGI_FILE_KEPT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    *f = (struct fcgi_file){.fd = fd, .map = map, .size = FCGI_FILE_KEPT};
    return true;
}

void fcgi_file_close(struct fcgi_file *f) {
    if (f->fd >= 0)
        close(f->fd);
    if (f->map)
        munmap(f->map, f->size);
    *f = (struct fcgi_file){.fd = -1};
}

/* Makes file and map so large that `len` bytes fit, or as small as they are kept. */
static bool resize(struct fcgi_file *f, size_t len) {
    size_t size = FCGI_FILE_KEPT;
    void *map;

    while (size < len)
        size *= 2;
    if (ftruncate(f->fd, (off_t)size) != 0)
        return false;
    map = mremap(f->map, f->size, size, MREMAP_MAYMOVE);
    if (map == MAP_FAILED)
        return false;
    f->map = map;
    f->size = size;
    return true;
}

enum rc fcgi_file_add(struct fcgi_file *f, const unsigned char *p, size_t len, struct err *e) {
    if (len > f->size - f->end && !resize(f, f->end + len))
        return err_set(e, ERR_MISSING, "no memory for the request: %s", strerror(errno));
    memcpy(f->map + f->end, p, len);
    f->end += len;
    return OK;
}

bool fcgi_file_rewind(struct fcgi_file *f) {
    return lseek(f->fd, 0, SEEK_SET) == 0;
}

bool fcgi_file_written(struct fcgi_file *f, const unsigned char **p, size_t *len) {
    off_t at = lseek(f->fd, 0, SEEK_CUR);

    if (at < 0 || ((size_t)at > f->size && !resize(f, (size_t)at)))
        return false;
    *p = f->map;
    *len = (size_t)at;
    if (f->end < *len)
        f->end = *len; /* for the next fcgi_file_clear */
    return true;
}

bool fcgi_file_cut(struct fcgi_file *f, size_t len) {
    return ftruncate(f->fd, (off_t)len) == 0;
}

void fcgi_file_clear(struct fcgi_file *f) {
    if (f->map)
        explicit_bzero(f->map, f->end);
    f->end = 0;
    /* One that cannot be cut back is closed, and the next request gets a new one. */
    if (f->fd >= 0 && f->size > FCGI_FILE_KEPT && !resize(f, FCGI_FILE_KEPT))
        fcgi_file_close(f);
}

/* Counts allocations for `make bench-instructions`: loaded with LD_PRELOAD, adds one to a number in
 * the file $ALLOCATIONS for each malloc, calloc, realloc and their like of this process and of all
 * that it forks. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names of what is replaced here. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static _Atomic unsigned long before_start, *allocations = &before_start;

__attribute__((constructor)) static void map_counter(void) {
    const char *path = getenv("ALLOCATIONS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof *allocations, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (map != MAP_FAILED)
        allocations = map;
    if (fd >= 0)
        close(fd);
}

static void count(void) {
    atomic_fetch_add_explicit(allocations, 1, memory_order_relaxed);
}

void *malloc(size_t n) {
    count();
    return __libc_malloc(n);
}

void *calloc(size_t members, size_t n) {
    count();
    return __libc_calloc(members, n);
}

void *realloc(void *p, size_t n) {
    count();
    return __libc_realloc(p, n);
}

void *memalign(size_t alignment, size_t n) {
    count();
    return __libc_memalign(alignment, n);
}

void *aligned_alloc(size_t alignment, size_t n) {
    return memalign(alignment, n);
}

int posix_memalign(void **p, size_t alignment, size_t n) {
    void *made = memalign(alignment, n);

    if (!made)
        return ENOMEM;
    *p = made;
    return 0;
}

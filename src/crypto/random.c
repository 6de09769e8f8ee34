/* A generator of random numbers in the process would give the same numbers in every worker that is
 * forked after it was seeded. So each byte comes from the kernel. */
#include "crypto/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/encode.h"

void random_bytes(void *out, size_t len) {
    uint8_t *p = out;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort(); /* no kernel that we run on does this, and a predictable secret is worse */
        p += n;
        len -= (size_t)n;
    }
}

char *random_text(struct arena *a, size_t bytes) {
    uint8_t *raw = arena_alloc(a, bytes);

    random_bytes(raw, bytes);
    return base64url_encode(a, raw, bytes);
}

/* Random bytes from the kernel, and from nowhere else: a generator in the process would have to
 * survive fork(), which a prefork pool does all day. */
#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/encode.h"

void random_bytes(void *out, size_t len) {
    uint8_t *p = out;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort(); /* no kernel that we run on does this; going on without would be worse */
        p += n;
        len -= (size_t)n;
    }
}

char *random_text(struct arena *a, size_t bytes) {
    uint8_t *raw = arena_alloc(a, bytes);

    random_bytes(raw, bytes);
    return base64url_encode(a, raw, bytes);
}

#include "base/utf8_repair.h"

#include <string.h>

#include "base/utf8.h"

size_t utf8_repair(struct arena *a, const char **s, size_t *len) {
    static const char replacement[] = "\xef\xbf\xbd";
    const size_t n = sizeof replacement - 1;
    size_t wrong = 0, good;
    char *out, *p;

    for (size_t i = 0; (i += utf8_valid_length(*s + i, *len - i)) < *len; i++)
        wrong++;
    if (!wrong)
        return 0;
    p = out = arena_alloc(a, *len + (n - 1) * wrong + 1);
    for (size_t i = 0;; i++) {
        good = utf8_valid_length(*s + i, *len - i);
        memcpy(p, *s + i, good);
        p += good;
        i += good;
        if (i == *len)
            break;
        memcpy(p, replacement, n);
        p += n;
    }
    *s = out;
    *len = (size_t)(p - out);
    return wrong;
}

#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* The length of the character at s, or 0. RFC 3629 §4. */
static size_t character_length(const unsigned char *s, size_t len) {
    unsigned char low = 0x80, high = 0xbf;
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc2 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
               : s[0] < 0xf5 ? 4
                             : 0;

    if (n <= 1 || n > len)
        return n > len ? 0 : n;
    if (s[0] == 0xe0)
        low = 0xa0; /* shorter would do */
    else if (s[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (s[i] >> 6 != 2)
            return 0;
    return n;
}

size_t utf8_valid_length(const char *s, size_t len) {
    size_t i = 0;

    while (i < len) {
        uint64_t eight;
        size_t n;

        if (len - i >= sizeof eight) { /* most text is ASCII: eight bytes at a time */
            memcpy(&eight, s + i, sizeof eight);
            if (!(eight & 0x8080808080808080U)) {
                i += sizeof eight;
                continue;
            }
        }
        n = character_length((const unsigned char *)s + i, len - i);
        if (!n)
            break;
        i += n;
    }
    return i;
}

size_t utf8_bom_length(const char *s, size_t len) {
    size_t n = strlen(UTF8_BOM);

    return len >= n && !memcmp(s, UTF8_BOM, n) ? n : 0;
}

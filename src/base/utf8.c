#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* The length of the character at s, or 0: RFC 3629 §4. What the second byte may be leaves out the
 * forms that are too long, surrogates, and what is above U+10FFFF. */
static size_t character_length(const unsigned char *s, size_t len) {
    static const struct {
        unsigned char lead_max, length, second_min, second_max;
    } table[] = {{0x7f, 1, 0, 0xff},    {0xc1, 0, 0, 0},       {0xdf, 2, 0x80, 0xbf},
                 {0xe0, 3, 0xa0, 0xbf}, {0xec, 3, 0x80, 0xbf}, {0xed, 3, 0x80, 0x9f},
                 {0xef, 3, 0x80, 0xbf}, {0xf0, 4, 0x90, 0xbf}, {0xf3, 4, 0x80, 0xbf},
                 {0xf4, 4, 0x80, 0x8f}, {0xff, 0, 0, 0}};
    size_t row = 0, n;

    while (s[0] > table[row].lead_max)
        row++;
    n = table[row].length;
    if (n <= 1)
        return n;
    if (n > len || s[1] < table[row].second_min || s[1] > table[row].second_max)
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

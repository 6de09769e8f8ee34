#include "base/suggest.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static char plain(char c) {
    return c == '-' ? '_' : (char)toupper((unsigned char)c);
}

static size_t least(size_t a, size_t b, size_t c) {
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance of two words that are not too long. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t row[SUGGEST_NAME_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t other = diagonal + (plain(a[i - 1]) != plain(b[j - 1]));

            diagonal = row[j];
            row[j] = least(row[j] + 1, row[j - 1] + 1, other);
        }
    }
    return row[b_len];
}

const char *suggest(const char *word, const char *const *names) {
    size_t len = strlen(word), best = len / 3 + 2;
    const char *found = NULL;

    for (; *names && len <= SUGGEST_NAME_MAX; names++) {
        size_t n = strlen(*names), d;

        if (n > SUGGEST_NAME_MAX)
            continue;
        d = distance(word, len, *names, n);
        if (d < best) {
            best = d;
            found = *names;
        }
    }
    return found;
}

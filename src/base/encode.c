#include "base/encode.h"

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char url_alphabet[] = LETTERS_AND_DIGITS "-_", plain[] = LETTERS_AND_DIGITS "+/";

/* Without padding; returns the end of it. */
static char *encode(char *p, const uint8_t *in, size_t len, const char *alphabet) {
    uint32_t v;

    for (; len >= 3; in += 3, len -= 3) {
        v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *p++ = alphabet[v >> 18];
        *p++ = alphabet[v >> 12 & 63];
        *p++ = alphabet[v >> 6 & 63];
        *p++ = alphabet[v & 63];
    }
    if (len) {
        v = (uint32_t)in[0] << 16 | (len == 2 ? (uint32_t)in[1] << 8 : 0);
        *p++ = alphabet[v >> 18];
        *p++ = alphabet[v >> 12 & 63];
        if (len == 2)
            *p++ = alphabet[v >> 6 & 63];
    }
    return p;
}

char *base64url_encode(struct arena *a, const void *data, size_t len) {
    char *out = arena_alloc(a, (len + 2) / 3 * 4 + 1);

    *encode(out, data, len, url_alphabet) = 0;
    return out;
}

/* 1 + the value of a character; 0 for one that is not in the alphabet. */
#define SIX(c, n)                                                                                  \
    [c] = (n), [(c) + 1] = (n) + 1, [(c) + 2] = (n) + 2, [(c) + 3] = (n) + 3, [(c) + 4] = (n) + 4, \
    [(c) + 5] = (n) + 5
#define TEN(c, n)                                                                                  \
    SIX(c, n), [(c) + 6] = (n) + 6, [(c) + 7] = (n) + 7, [(c) + 8] = (n) + 8, [(c) + 9] = (n) + 9
#define VALUES(c62, c63)                                                                           \
    TEN('A', 1), TEN('K', 11), SIX('U', 21), TEN('a', 27), TEN('k', 37), SIX('u', 47),             \
        TEN('0', 53), [c62] = 63, [c63] = 64
static const uint8_t url_values[256] = {VALUES('-', '_')}, plain_values[256] = {VALUES('+', '/')};

/* Four characters into three bytes. */
static inline bool decode_four(const char *s, const uint8_t values[256], uint8_t *out) {
    const unsigned first = values[(uint8_t)s[0]] - 1u, second = values[(uint8_t)s[1]] - 1u,
                   third = values[(uint8_t)s[2]] - 1u, fourth = values[(uint8_t)s[3]] - 1u;

    out[0] = (uint8_t)(first << 2 | second >> 4);
    out[1] = (uint8_t)(second << 4 | third >> 2);
    out[2] = (uint8_t)(third << 6 | fourth);
    return (first | second | third | fourth) < 64;
}

/* Decodes text without padding. The unused bits of the last character must be zero: otherwise two
 * texts would stand for the same bytes. */
static uint8_t *decode(struct arena *a, const char *text, size_t text_len,
                       const uint8_t values[256], size_t *len) {
    uint8_t *out = arena_alloc(a, text_len / 4 * 3 + 3), *p = out;
    char last[] = "AAAA"; /* the value of A is 0 */

    for (; text_len >= 4; text += 4, text_len -= 4, p += 3)
        if (!decode_four(text, values, p))
            return NULL;
    if (text_len) {
        memcpy(last, text, text_len);
        if (text_len == 1 || !decode_four(last, values, p) || p[text_len - 1])
            return NULL;
        p += text_len - 1;
    }
    *len = (size_t)(p - out);
    return out;
}

uint8_t *base64url_decode(struct arena *a, const char *text, size_t text_len, size_t *len) {
    return decode(a, text, text_len, url_values, len);
}

uint8_t *base64_decode(struct arena *a, const char *text, size_t text_len, size_t *len) {
    if (text_len % 4)
        return NULL;
    for (int i = 0; i < 2 && text_len && text[text_len - 1] == '='; i++)
        text_len--;
    return decode(a, text, text_len, plain_values, len);
}

char *base64_encode(struct arena *a, const void *data, size_t len) {
    char *out = arena_alloc(a, (len + 2) / 3 * 4 + 1), *end = encode(out, data, len, plain);

    while ((end - out) % 4)
        *end++ = '=';
    return out;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 'a' ^ 'A'; /* lower case */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *hex_encode(struct arena *a, const void *data, size_t len) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = data;
    char *out = arena_alloc(a, len * 2 + 1);

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    return out;
}

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

/* 1 + the value of a character; 0 for one that is in neither alphabet, and for the last two, in
 * which the alphabets differ. */
#define SIX(c, n)                                                                                  \
    [c] = (n), [(c) + 1] = (n) + 1, [(c) + 2] = (n) + 2, [(c) + 3] = (n) + 3, [(c) + 4] = (n) + 4, \
    [(c) + 5] = (n) + 5
#define TEN(c, n)                                                                                  \
    SIX(c, n), [(c) + 6] = (n) + 6, [(c) + 7] = (n) + 7, [(c) + 8] = (n) + 8, [(c) + 9] = (n) + 9
static const uint8_t values[256] = {TEN('A', 1),  TEN('K', 11), SIX('U', 21), TEN('a', 27),
                                    TEN('k', 37), SIX('u', 47), TEN('0', 53)};

/* The value of a character, or -1. */
static inline int value_of(char c, const char *alphabet) {
    const int n = values[(unsigned char)c];

    if (n)
        return n - 1;
    if (c == alphabet[62])
        return 62;
    return c == alphabet[63] ? 63 : -1;
}

/* Decodes text without padding. The unused bits of the last character must be zero: otherwise two
 * texts would stand for the same bytes. */
static uint8_t *decode(struct arena *a, const char *text, size_t text_len, const char *alphabet,
                       size_t *len) {
    uint8_t *out, *p;
    uint32_t bits = 0;
    unsigned count = 0;

    if (text_len % 4 == 1)
        return NULL;
    out = p = arena_alloc(a, text_len / 4 * 3 + 3);
    for (size_t i = 0; i < text_len; i++) {
        int v = value_of(text[i], alphabet);

        if (v < 0)
            return NULL;
        bits = bits << 6 | (uint32_t)v;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *p++ = (uint8_t)(bits >> count);
        }
    }
    if (bits & ((1u << count) - 1))
        return NULL;
    *len = (size_t)(p - out);
    return out;
}

uint8_t *base64url_decode(struct arena *a, const char *text, size_t text_len, size_t *len) {
    return decode(a, text, text_len, url_alphabet, len);
}

uint8_t *base64_decode(struct arena *a, const char *text, size_t text_len, size_t *len) {
    if (text_len % 4)
        return NULL;
    for (int i = 0; i < 2 && text_len && text[text_len - 1] == '='; i++)
        text_len--;
    return decode(a, text, text_len, plain, len);
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

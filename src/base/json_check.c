#include "base/json_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/utf8.h"

struct checker {
    const char *s;
    size_t len, at;
    enum json_fault fault;
    char open[JSON_DEPTH_MAX]; /* '{' or '[' of each level */
    unsigned depth;
    size_t memory;
};

/* What values take in json-c 0.16 and 0.18 (test_base_json.c measures it). */
enum {
    OBJECT_BYTES = 800, /* with room for ten members */
    ARRAY_BYTES = 160,
    STRING_BYTES = 96, /* and the text */
    INTEGER_BYTES = 64,
    NUMBER_BYTES = 96, /* any other, and the text */
    BOOLEAN_BYTES = 64,
    NAME_BYTES = 176, /* and the text: the table is doubled when it is two thirds full */
    ITEM_BYTES = 24,
};

static bool fail(struct checker *c, enum json_fault fault) {
    c->fault = fault;
    return false;
}

/* The byte at the cursor; 0 at the end (a NUL in the text is no part of any token either). */
static char peek(const struct checker *c) {
    return c->at < c->len ? c->s[c->at] : 0;
}

/* RFC 8259 §2: these four and no others. */
static void skip_space(struct checker *c) {
    while (c->at < c->len && memchr(" \t\n\r", c->s[c->at], 4))
        c->at++;
}

static size_t skip_digits(struct checker *c) {
    size_t from = c->at;

    while (peek(c) >= '0' && peek(c) <= '9')
        c->at++;
    return c->at - from;
}

static bool fits_64_bits(const char *s, size_t len) {
    bool negative = *s == '-';
    uint64_t most = negative ? (uint64_t)1 << 63 : UINT64_MAX, n = 0;

    for (size_t i = negative; i < len; i++) {
        unsigned digit = (unsigned)(s[i] - '0');

        if (n > most / 10 || (n == most / 10 && digit > most % 10))
            return false;
        n = n * 10 + digit;
    }
    return true;
}

bool json_is_plain_integer(const char *s, size_t len) {
    return !memchr(s, '.', len) && !memchr(s, 'e', len) && !memchr(s, 'E', len) &&
           fits_64_bits(s, len) && !(len == 2 && !memcmp(s, "-0", 2));
}

/* Passes over the next byte if it is one of these. */
static bool skip_one_of(struct checker *c, const char *set) {
    char ch = peek(c);

    for (; ch && *set; set++)
        if (*set == ch) {
            c->at++;
            return true;
        }
    return false;
}

/* §6: int [ frac ] [ exp ] */
static bool skip_number(struct checker *c) {
    size_t n;

    (void)skip_one_of(c, "-");
    n = skip_digits(c);
    if (!n || (n > 1 && c->s[c->at - n] == '0'))
        return false;
    if (skip_one_of(c, ".") && !skip_digits(c))
        return false;
    if (!skip_one_of(c, "eE"))
        return true;
    (void)skip_one_of(c, "+-");
    return skip_digits(c) > 0;
}

static bool check_number(struct checker *c) {
    size_t from = c->at, n;

    if (!skip_number(c))
        return fail(c, JSON_MALFORMED);
    n = c->at - from;
    c->memory += json_is_plain_integer(c->s + from, n) ? INTEGER_BYTES : NUMBER_BYTES + n;
    return true;
}

/* §7, the part after a backslash. */
static bool check_escape(struct checker *c) {
    char ch = peek(c);

    if (!skip_one_of(c, "\"\\/bfnrtu"))
        return fail(c, JSON_MALFORMED);
    for (int i = 0; ch == 'u' && i < 4; i++, c->at++)
        if (hex_value(peek(c)) < 0)
            return fail(c, JSON_MALFORMED);
    return true;
}

/* §7 */
static bool check_string(struct checker *c) {
    if (peek(c) != '"')
        return fail(c, JSON_MALFORMED);
    for (c->at++; c->at < c->len; c->at++) {
        unsigned char ch = (unsigned char)c->s[c->at];

        if (ch == '"') {
            c->at++;
            return true;
        }
        if (ch < ' ')
            break;
        if (ch == '\\') {
            c->at++;
            if (!check_escape(c))
                return false;
            c->at--;
        }
    }
    return fail(c, JSON_MALFORMED);
}

/* §3 */
static bool check_literal(struct checker *c) {
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);

        if (c->len - c->at >= n && !memcmp(c->s + c->at, words[i], n)) {
            c->at += n;
            c->memory += i < 2 ? BOOLEAN_BYTES : 0;
            return true;
        }
    }
    return fail(c, JSON_MALFORMED);
}

/* Does s begin with \u, these digits and one more that is in `last`? */
static bool is_escape(const char *s, const char *end, const char *digits, const char *last) {
    size_t n = strlen(digits);

    return (size_t)(end - s) > 2 + n && s[0] == '\\' && s[1] == 'u' &&
           !strncasecmp(s + 2, digits, n) && strchr(last, s[2 + n]);
}

/* Every reader must see the same name: many end it at a NUL, and half of a surrogate pair is a
 * character, another one, nothing or an error (§8.2). In good text between quotes. */
static bool is_good_name(const char *s, const char *end) {
    bool paired = false; /* the escape before this one was the first half of a pair */

    for (; s < end; s++) {
        if (*s != '\\' && !paired)
            continue;
        if (is_escape(s, end, "000", "0") || is_escape(s, end, "d", "cdefCDEF") != paired)
            return false;
        paired = is_escape(s, end, "d", "89abAB");
        if (*s == '\\')
            s += s[1] == 'u' ? 5 : 1;
    }
    return !paired;
}

/* A member's name and colon (§4). */
static bool check_name(struct checker *c) {
    size_t from;

    skip_space(c);
    from = c->at;
    if (!check_string(c))
        return false;
    if (!is_good_name(c->s + from + 1, c->s + c->at - 1))
        return fail(c, JSON_BAD_NAME);
    c->memory += NAME_BYTES + c->at - from;
    skip_space(c);
    if (peek(c) != ':')
        return fail(c, JSON_MALFORMED);
    c->at++;
    return true;
}

static bool check_text_value(struct checker *c) {
    size_t from = c->at;

    if (!check_string(c))
        return false;
    c->memory += STRING_BYTES + c->at - from;
    return true;
}

/* Begins an object or an array. *inside: it has something in it. */
static bool begin_container(struct checker *c, char open, bool *inside) {
    if (c->depth == JSON_DEPTH_MAX)
        return fail(c, JSON_TOO_DEEP);
    c->memory += open == '{' ? OBJECT_BYTES : ARRAY_BYTES;
    c->at++;
    skip_space(c);
    if (skip_one_of(c, open == '{' ? "}" : "]"))
        return true;
    c->open[c->depth++] = open;
    *inside = true;
    return open == '[' || check_name(c);
}

/* Begins a value. *inside: it was the beginning of an object or array that has something in it. */
static bool begin_value(struct checker *c, bool *inside) {
    char ch;

    skip_space(c);
    ch = peek(c);
    *inside = false;
    if (c->depth && c->open[c->depth - 1] == '[')
        c->memory += ITEM_BYTES;
    if (ch == '{' || ch == '[')
        return begin_container(c, ch, inside);
    if (ch == '"')
        return check_text_value(c);
    return ch == '-' || (ch >= '0' && ch <= '9') ? check_number(c) : check_literal(c);
}

/* After a value: closes what ends here, or moves on to the next value. *more: there is one. */
static bool end_value(struct checker *c, bool *more) {
    *more = false;
    while (c->depth) {
        bool is_object = c->open[c->depth - 1] == '{';

        skip_space(c);
        if (peek(c) == ',') {
            c->at++;
            *more = true;
            return !is_object || check_name(c);
        }
        if (peek(c) != (is_object ? '}' : ']'))
            return fail(c, JSON_MALFORMED);
        c->at++;
        c->depth--;
    }
    return true;
}

static bool check_text(struct checker *c) {
    bool more = true;

    while (more) {
        bool inside;

        if (!begin_value(c, &inside))
            return false;
        if (!inside && !end_value(c, &more))
            return false;
    }
    skip_space(c);
    return c->at == c->len || fail(c, JSON_MALFORMED);
}

struct json_verdict json_check(const char *text, size_t len) {
    struct checker c = {
        .s = text, .len = len, .fault = JSON_GOOD, .at = utf8_valid_length(text, len)};

    if (c.at < len) /* §8.1 */
        return (struct json_verdict){JSON_NOT_UTF8, c.at, 0};
    c.at = 0;
    (void)check_text(&c);
    return (struct json_verdict){c.fault, c.at, c.memory};
}

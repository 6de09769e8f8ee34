/* Private part of json.h: from text to values, in one pass over a copy of the text. Strings stay
 * where they are in it: their escapes are replaced in place, and a NUL replaces their last
 * quotation mark. Sections are RFC 8259's. */

#include <sys/param.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/json_value.h"
#include "base/text.h"
#include "base/utf8.h"

/* What values take; test_base_json.c measures it. */
enum {
    VALUE_BYTES = sizeof(struct json),
    OBJECT_BYTES = VALUE_BYTES + sizeof(struct json_members),
    ARRAY_BYTES = VALUE_BYTES + sizeof(struct json_items),
    NAME_BYTES = sizeof(struct json_entry) + 2 * sizeof(struct json_entry *),
    ITEM_BYTES = 4 * sizeof(struct json *), /* there is room for twice as many, and was for fewer */
};

struct parser {
    struct arena *a;
    char *p; /* the cursor; a NUL is behind the end of the text */
    char *start, *end;
    unsigned depth;
    enum json_fault fault;
    size_t memory, memory_max; /* what the values take, with the text, and may take */
    size_t twice;              /* the end of the first object that has a name twice; 0: none has */
    bool ambiguous; /* readers differ in the string that was read last: many end it at a NUL, and
                     * half of a surrogate pair is a character, another one, nothing or an error */
};

static bool parse_value(struct parser *p, struct json **out);

static bool fail(struct parser *p, enum json_fault fault) {
    p->fault = fault;
    return false;
}

/* Counts the memory of a value before it is made. */
static bool take_memory(struct parser *p, size_t bytes) {
    p->memory += bytes;
    return p->memory <= p->memory_max || fail(p, JSON_TOO_MANY_VALUES);
}

static bool make(struct parser *p, enum json_kind kind, struct json **out) {
    if (!take_memory(p, VALUE_BYTES))
        return false;
    *out = arena_alloc(p->a, sizeof **out);
    (*out)->kind = (unsigned char)kind;
    return true;
}

/* The byte at the cursor; 0 at the end (a NUL in the text is no part of any token either). */
static char peek(const struct parser *p) {
    return *p->p;
}

static bool skip(struct parser *p, char c) {
    if (*p->p != c)
        return false;
    p->p++;
    return true;
}

/* §2: these four and no others. */
static void skip_space(struct parser *p) {
    while (*p->p <= ' ' && (*p->p == ' ' || *p->p == '\n' || *p->p == '\r' || *p->p == '\t'))
        p->p++;
}

/* ---- numbers (§6) ---- */

static size_t skip_digits(struct parser *p) {
    const char *from = p->p;

    while (peek(p) >= '0' && peek(p) <= '9')
        p->p++;
    return (size_t)(p->p - from);
}

/* int [ frac ] [ exp ] */
static bool skip_number(struct parser *p) {
    size_t n;

    (void)skip(p, '-');
    n = skip_digits(p);
    if (!n || (n > 1 && p->p[-(ptrdiff_t)n] == '0'))
        return false;
    if (skip(p, '.') && !skip_digits(p))
        return false;
    if (!skip(p, 'e') && !skip(p, 'E'))
        return true;
    if (!skip(p, '+'))
        (void)skip(p, '-');
    return skip_digits(p) > 0;
}

/* An integer that 64 bits hold, signed or not, and that is written again as it was. */
static bool is_plain_integer(struct text t, uint64_t *magnitude) {
    bool negative = *t.p == '-';
    uint64_t most = negative ? (uint64_t)1 << 63 : UINT64_MAX, n = 0;

    for (size_t i = negative; i < t.len; i++) {
        unsigned digit = (unsigned)(t.p[i] - '0');

        if (digit > 9 || n > most / 10 || (n == most / 10 && digit > most % 10))
            return false;
        n = n * 10 + digit;
    }
    *magnitude = n;
    return n || !negative;
}

/* What is no plain integer keeps its text, so that it goes out as it came in: 1.0, 1e3, -0, and
 * integers that no 64 bits hold. */
static bool parse_number(struct parser *p, struct json **out) {
    struct text t = {.p = p->p};
    uint64_t magnitude;

    if (!skip_number(p))
        return fail(p, JSON_MALFORMED);
    if (!make(p, JSON_NUMBER, out))
        return false;
    t.len = (size_t)(p->p - t.p);
    (*out)->is_plain = is_plain_integer(t, &magnitude);
    if ((*out)->is_plain) {
        (*out)->flag = *t.p == '-';
        (*out)->magnitude = magnitude;
        return true;
    }
    (*out)->text = arena_strndup(p->a, t.p, t.len);
    (*out)->len = (uint32_t)t.len;
    return take_memory(p, t.len);
}

/* ---- strings (§7) ---- */

static bool read_hex(struct parser *p, unsigned *n) {
    *n = 0;
    for (int i = 0; i < 4; i++, p->p++) {
        int digit = hex_value(peek(p));

        if (digit < 0)
            return fail(p, JSON_MALFORMED);
        *n = *n << 4 | (unsigned)digit;
    }
    return true;
}

/* Behind \u. Half of a surrogate pair stands for no character (§8.2), and becomes the one that says
 * so. */
static bool read_code_point(struct parser *p, unsigned *c) {
    unsigned low;
    char *end;

    if (!read_hex(p, c))
        return false;
    p->ambiguous = p->ambiguous || !*c;
    if (*c >> 11 != 0xd800 >> 11)
        return true;
    end = p->p;
    if (*c >> 10 == 0xd800 >> 10 && skip(p, '\\') && skip(p, 'u')) {
        if (!read_hex(p, &low))
            return false;
        if (low >> 10 == 0xdc00 >> 10) {
            *c = 0x10000 + ((*c & 0x3ff) << 10 | (low & 0x3ff));
            return true;
        }
    }
    p->p = end;
    p->ambiguous = true;
    *c = 0xfffd;
    return true;
}

/* No longer than its escape. */
static char *put_utf8(char *out, unsigned c) {
    static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (unsigned i = n - 1; i; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    *out = (char)(lead[n] | c);
    return out + n;
}

/* Behind a backslash. */
static bool read_escape(struct parser *p, char **out) {
    static const char meant[] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                 ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    unsigned char c = (unsigned char)peek(p);
    unsigned code_point;

    if (c < sizeof meant && meant[c]) {
        *(*out)++ = meant[c];
        p->p++;
        return true;
    }
    if (!skip(p, 'u'))
        return fail(p, JSON_MALFORMED);
    if (!read_code_point(p, &code_point))
        return false;
    *out = put_utf8(*out, code_point);
    return true;
}

/* Leaves in *text what a string says, with a NUL behind it. */
static bool read_string(struct parser *p, struct text *text) {
    char *out;

    p->ambiguous = false;
    if (!skip(p, '"'))
        return fail(p, JSON_MALFORMED);
    text->p = out = p->p;
    for (;;) {
        size_t n = json_plain(p->p, (size_t)(p->end - p->p), false);

        if (n && out != p->p)
            memmove(out, p->p, n);
        out += n;
        p->p += n;
        if (skip(p, '"'))
            break;
        if (!skip(p, '\\'))
            return fail(p, JSON_MALFORMED);
        if (!read_escape(p, &out))
            return false;
    }
    *out = 0;
    text->len = (size_t)(out - text->p);
    return true;
}

static bool parse_string(struct parser *p, struct json **out) {
    struct text t;

    if (!read_string(p, &t) || !make(p, JSON_STRING, out))
        return false;
    (*out)->text = t.p;
    (*out)->len = (uint32_t)t.len;
    return true;
}

/* ---- objects (§4), arrays (§5) and literals (§3) ---- */

/* A member, behind white space. */
static bool parse_member(struct parser *p, struct json *object) {
    struct json *v = NULL;
    struct text name;

    if (!read_string(p, &name))
        return false;
    if (p->ambiguous)
        return fail(p, JSON_BAD_NAME);
    skip_space(p);
    if (!skip(p, ':'))
        return fail(p, JSON_MALFORMED);
    if (!take_memory(p, NAME_BYTES) || !parse_value(p, &v))
        return false;
    json_append(object, name.p, name.len, v);
    return true;
}

/* Others keep the first or the last of two members of one name: whoever looks into a message before
 * us must not see another one (§4: names SHOULD be unique). */
static bool parse_object(struct parser *p, struct json **out) {
    if (!take_memory(p, OBJECT_BYTES))
        return false;
    *out = json_new_object(p->a);
    skip_space(p);
    if (skip(p, '}'))
        return true;
    do {
        skip_space(p);
        if (!parse_member(p, *out))
            return false;
        skip_space(p);
    } while (skip(p, ','));
    if (!p->twice && json_has_twice(*out))
        p->twice = (size_t)(p->p - p->start);
    return skip(p, '}') || fail(p, JSON_MALFORMED);
}

static bool parse_array(struct parser *p, struct json **out) {
    if (!take_memory(p, ARRAY_BYTES))
        return false;
    *out = json_new_array(p->a);
    skip_space(p);
    if (skip(p, ']'))
        return true;
    do {
        struct json *v = NULL;

        if (!take_memory(p, ITEM_BYTES) || !parse_value(p, &v))
            return false;
        json_add(*out, v);
        skip_space(p);
    } while (skip(p, ','));
    return skip(p, ']') || fail(p, JSON_MALFORMED);
}

static bool parse_literal(struct parser *p, struct json **out) {
    static const char *const words[] = {"null", "false", "true"};

    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);

        if (strncmp(p->p, words[i], n) != 0)
            continue;
        p->p += n;
        if (i && !make(p, JSON_BOOLEAN, out))
            return false;
        if (i)
            (*out)->flag = i == 2;
        return true;
    }
    return fail(p, JSON_MALFORMED);
}

/* *out is NULL before; it stays so for null. */
static bool parse_value(struct parser *p, struct json **out) {
    char c;
    bool good;

    skip_space(p);
    c = peek(p);
    if (c == '"')
        return parse_string(p, out);
    if (c != '{' && c != '[')
        return c == '-' || (c >= '0' && c <= '9') ? parse_number(p, out) : parse_literal(p, out);
    if (p->depth == JSON_DEPTH_MAX)
        return fail(p, JSON_TOO_DEEP);
    p->depth++;
    p->p++;
    good = c == '{' ? parse_object(p, out) : parse_array(p, out);
    p->depth--;
    return good;
}

/* ---- a text ---- */

struct json_verdict json_read(struct arena *a, const char *text, size_t len, struct json **out) {
    const size_t room = arena_room(a) / 8 * 7; /* ends of its chunks stay unused */
    struct parser p = {.a = a};
    size_t valid;

    *out = NULL;
    if (len > INT32_MAX / 2 || len > room)
        return (struct json_verdict){.fault = JSON_TOO_LONG};
    valid = utf8_valid_length(text, len);
    if (valid < len) /* §8.1 */
        return (struct json_verdict){JSON_NOT_UTF8, valid, 0, 0};
    p.memory_max = MIN(MAX(JSON_MEMORY_MIN, len * JSON_MEMORY_FACTOR), room);
    p.memory = len;
    p.p = p.start = arena_strndup(a, text, len);
    p.end = p.start + len;
    if (parse_value(&p, out)) {
        skip_space(&p);
        if (p.p < p.end)
            p.fault = JSON_MALFORMED;
    }
    if (!p.fault && p.twice) {
        p.fault = JSON_NAME_TWICE;
        p.p = p.start + p.twice;
    }
    if (p.fault)
        *out = NULL;
    return (struct json_verdict){p.fault, (size_t)(p.p - p.start), p.memory, p.memory_max};
}

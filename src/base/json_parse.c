/* Private part of json.h: from text to values, in one pass. json-c's own parser is not used: it
 * cuts names at a NUL, rounds long integers, and each version is strict and lenient in ways of its
 * own. Sections are RFC 8259's. */

#include "base/base.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/json_lib.h"
#include "base/text.h"
#include "base/utf8.h"

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

struct parser {
    const char *s;
    size_t len, at;
    unsigned depth;
    enum json_fault fault;
    size_t memory, memory_max; /* what the values take, and may take */
    bool builds;               /* false once they take more: the text is only checked */
    size_t twice;              /* the end of the first object that has a name twice; 0: none has */
    /* Where the next name, string or number goes, with a NUL behind it. The names on the way to a
     * value and the value are, with their NULs, no longer than the text with their quotes. */
    char *word;
    bool ambiguous; /* readers differ in the string that was read last: many end it at a NUL, and
                     * half of a surrogate pair is a character, another one, nothing or an error */
    struct json_object *root;
};

/* Where a value goes: into an object under its name, to the end of an array, or (NULL) it is the
 * root. Containers are put there before they are filled, so that the root owns all at any time. */
struct slot {
    struct json_object *container;
    const char *name; /* NULL: the container is an array */
};

static bool parse_value(struct parser *p, const struct slot *slot);

static bool fail(struct parser *p, enum json_fault fault) {
    p->fault = fault;
    return false;
}

/* Counts the memory of a value before it is made. false: none is made. */
static bool take_memory(struct parser *p, size_t bytes) {
    p->memory += bytes;
    p->builds = p->builds && p->memory <= p->memory_max;
    return p->builds;
}

static void put_value(struct parser *p, const struct slot *slot, struct json_object *v) {
    if (!slot->container)
        p->root = v;
    else if (slot->name ? json_object_object_add(slot->container, slot->name, v)
                        : json_object_array_add(slot->container, v))
        out_of_memory("json", 0);
}

/* The byte at the cursor; 0 at the end (a NUL in the text is no part of any token either). */
static char peek(const struct parser *p) {
    return p->at < p->len ? p->s[p->at] : 0;
}

static bool skip(struct parser *p, char c) {
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

/* §2: these four and no others. */
static void skip_space(struct parser *p) {
    while (skip(p, ' ') || skip(p, '\n') || skip(p, '\r') || skip(p, '\t'))
        ;
}

/* ---- numbers (§6) ---- */

static size_t skip_digits(struct parser *p) {
    size_t from = p->at;

    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    return p->at - from;
}

/* int [ frac ] [ exp ] */
static bool skip_number(struct parser *p) {
    size_t n;

    (void)skip(p, '-');
    n = skip_digits(p);
    if (!n || (n > 1 && p->s[p->at - n] == '0'))
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

/* A plain integer is one of json-c's; anything else is a double that keeps its text, so that it
 * goes out as it came in: 1.0, 1e3, -0, and integers that no 64 bits hold. */
static bool parse_number(struct parser *p, const struct slot *slot) {
    struct text t = {.p = p->s + p->at};
    uint64_t n;

    if (!skip_number(p))
        return fail(p, JSON_MALFORMED);
    t.len = (size_t)(p->s + p->at - t.p);
    if (!is_plain_integer(t, &n)) {
        memcpy(p->word, t.p, t.len);
        p->word[t.len] = 0;
        if (take_memory(p, NUMBER_BYTES + t.len))
            put_value(p, slot, json_made(json_object_new_double_s(strtod(p->word, NULL), p->word)));
    } else if (take_memory(p, INTEGER_BYTES)) {
        put_value(p, slot,
                  json_made(*t.p == '-'      ? json_object_new_int64((int64_t)(0 - n))
                            : n <= INT64_MAX ? json_object_new_int64((int64_t)n)
                                             : json_object_new_uint64(n)));
    }
    return true;
}

/* ---- strings (§7) ---- */

static bool read_hex(struct parser *p, unsigned *n) {
    *n = 0;
    for (int i = 0; i < 4; i++, p->at++) {
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
    size_t end;

    if (!read_hex(p, c))
        return false;
    p->ambiguous = p->ambiguous || !*c;
    if (*c >> 11 != 0xd800 >> 11)
        return true;
    end = p->at;
    if (*c >> 10 == 0xd800 >> 10 && skip(p, '\\') && skip(p, 'u')) {
        if (!read_hex(p, &low))
            return false;
        if (low >> 10 == 0xdc00 >> 10) {
            *c = 0x10000 + ((*c & 0x3ff) << 10 | (low & 0x3ff));
            return true;
        }
    }
    p->at = end;
    p->ambiguous = true;
    *c = 0xfffd;
    return true;
}

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
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *known = peek(p) ? strchr(plain, peek(p)) : NULL;
    unsigned c;

    if (skip(p, 'u')) {
        if (!read_code_point(p, &c))
            return false;
        *out = put_utf8(*out, c);
        return true;
    }
    if (!known)
        return fail(p, JSON_MALFORMED);
    *(*out)++ = meant[known - plain];
    p->at++;
    return true;
}

/* Puts what a string says to p->word, and its length to *len. */
static bool read_string(struct parser *p, size_t *len) {
    char *out = p->word;

    p->ambiguous = false;
    if (!skip(p, '"'))
        return fail(p, JSON_MALFORMED);
    while ((unsigned char)peek(p) >= ' ') {
        char c = p->s[p->at++];

        if (c == '"') {
            *out = 0;
            *len = (size_t)(out - p->word);
            return true;
        }
        if (c != '\\')
            *out++ = c;
        else if (!read_escape(p, &out))
            return false;
    }
    return fail(p, JSON_MALFORMED);
}

static bool parse_string(struct parser *p, const struct slot *slot) {
    size_t from = p->at, len;

    if (!read_string(p, &len))
        return false;
    if (take_memory(p, STRING_BYTES + p->at - from))
        put_value(p, slot, json_made(json_object_new_string_len(p->word, (int)len)));
    return true;
}

/* ---- objects (§4), arrays (§5) and literals (§3) ---- */

/* A member's name and colon. p->word moves behind the name. */
static bool parse_name(struct parser *p) {
    size_t from, len;

    skip_space(p);
    from = p->at;
    if (!read_string(p, &len))
        return false;
    if (p->ambiguous)
        return fail(p, JSON_BAD_NAME);
    (void)take_memory(p, NAME_BYTES + p->at - from);
    p->word += len + 1;
    skip_space(p);
    return skip(p, ':') || fail(p, JSON_MALFORMED);
}

/* At the end of an object. json-c keeps the last of two members of one name, others the first:
 * whoever looks into a message before us must not see another one (§4: names SHOULD be unique). */
static void check_names(struct parser *p, struct json_object *object, int members) {
    if (p->builds && !p->twice && json_object_object_length(object) != members)
        p->twice = p->at;
}

/* What is in an object or an array that is not empty, and its end. */
static bool parse_contents(struct parser *p, const struct slot *slot, char end) {
    char *word = p->word;
    int count = 0;

    do {
        if (!slot->name)
            (void)take_memory(p, ITEM_BYTES);
        else if (!parse_name(p))
            return false;
        if (!parse_value(p, slot))
            return false;
        p->word = word;
        count++;
        skip_space(p);
    } while (skip(p, ','));
    if (slot->name)
        check_names(p, slot->container, count);
    return skip(p, end) || fail(p, JSON_MALFORMED);
}

static bool parse_container(struct parser *p, const struct slot *slot) {
    bool is_object = peek(p) == '{', good;
    struct slot inside = {.name = is_object ? p->word : NULL};

    if (p->depth == JSON_DEPTH_MAX)
        return fail(p, JSON_TOO_DEEP);
    if (take_memory(p, is_object ? OBJECT_BYTES : ARRAY_BYTES)) {
        inside.container =
            json_made(is_object ? json_object_new_object() : json_object_new_array_ext(1));
        put_value(p, slot, inside.container);
    }
    p->at++;
    skip_space(p);
    if (skip(p, is_object ? '}' : ']'))
        return true;
    p->depth++;
    good = parse_contents(p, &inside, is_object ? '}' : ']');
    p->depth--;
    return good;
}

/* As json-c has it, null is no value but NULL. */
static bool parse_literal(struct parser *p, const struct slot *slot) {
    static const char *const words[] = {"null", "false", "true"};

    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);

        if (p->len - p->at < n || memcmp(p->s + p->at, words[i], n) != 0)
            continue;
        p->at += n;
        if (take_memory(p, i ? BOOLEAN_BYTES : 0))
            put_value(p, slot, i ? json_made(json_object_new_boolean(i == 2)) : NULL);
        return true;
    }
    return fail(p, JSON_MALFORMED);
}

static bool parse_value(struct parser *p, const struct slot *slot) {
    char c;

    skip_space(p);
    c = peek(p);
    if (c == '{' || c == '[')
        return parse_container(p, slot);
    if (c == '"')
        return parse_string(p, slot);
    return c == '-' || (c >= '0' && c <= '9') ? parse_number(p, slot) : parse_literal(p, slot);
}

/* ---- a text ---- */

static size_t values_max(size_t len) {
    return len > JSON_MEMORY_MIN / JSON_MEMORY_FACTOR ? len * JSON_MEMORY_FACTOR : JSON_MEMORY_MIN;
}

/* Leaves the values of a text without a fault in p->root. */
static void parse_text(struct parser *p) {
    char *words = p->word = xmalloc(p->len + 1);

    if (parse_value(p, &(struct slot){0})) {
        skip_space(p);
        if (p->at < p->len)
            p->fault = JSON_MALFORMED;
    }
    explicit_bzero(words, p->len + 1);
    free(words);
    if (!p->fault && p->memory > p->memory_max)
        p->fault = JSON_TOO_MANY_VALUES;
    if (!p->fault && p->twice) {
        p->fault = JSON_NAME_TWICE;
        p->at = p->twice;
    }
    if (p->fault) {
        json_release(p->root);
        p->root = NULL;
    }
}

struct json_verdict json_read(struct arena *a, const char *text, size_t len, struct json **out) {
    struct parser p = {.s = text, .len = len, .memory_max = values_max(len), .builds = true};
    size_t valid;

    *out = NULL;
    if (len > INT32_MAX / 2)
        return (struct json_verdict){.fault = JSON_TOO_LONG};
    valid = utf8_valid_length(text, len);
    if (valid < len) /* §8.1 */
        return (struct json_verdict){JSON_NOT_UTF8, valid, 0};
    parse_text(&p);
    if (p.root)
        *out = json_own(a, p.root);
    return (struct json_verdict){p.fault, p.at, p.memory};
}

enum rc json_explain(const struct json_verdict *v, size_t len, struct err *e) {
    switch (v->fault) {
    case JSON_GOOD:
        return OK;
    case JSON_TOO_LONG:
        return err_set(e, ERR_INVALID_REQUEST, "the JSON text is too long");
    case JSON_TOO_DEEP:
        return err_set(e, ERR_INVALID_REQUEST, "the JSON text is nested deeper than %d levels",
                       JSON_DEPTH_MAX);
    case JSON_TOO_MANY_VALUES:
        return err_set(e, ERR_INVALID_REQUEST,
                       "the JSON text has too many values: they would take %zu bytes of memory, "
                       "and %zu may be taken by a text of this length",
                       v->memory, values_max(len));
    case JSON_NAME_TWICE:
        return err_set(e, ERR_INVALID_REQUEST, "not valid JSON: an object has a name twice");
    case JSON_NOT_UTF8:
        return err_set(e, ERR_INVALID_REQUEST, "not valid UTF-8 at byte %zu", v->at);
    case JSON_BAD_NAME:
        return err_set(e, ERR_INVALID_REQUEST,
                       "not valid JSON: the name before byte %zu has \\u0000 or half a surrogate "
                       "pair in it",
                       v->at);
    case JSON_MALFORMED:
        break;
    }
    return err_set(e, ERR_INVALID_REQUEST, "not valid JSON at byte %zu", v->at);
}

enum rc json_parse(struct arena *a, const char *text, size_t len, struct json **out,
                   struct err *e) {
    struct json_verdict v = json_read(a, text, len, out);

    return json_explain(&v, len, e);
}

/* Private part of pattern.h: from ECMA-262 to PCRE2. */
#include <ctype.h>

#include "base/encode.h"
#include "base/text.h"
#include "jsonschema/pattern.h"

#define OUT_BYTES_MAX ((size_t)1 << 20)
#define CODE_POINT_MAX 0x10ffffU
#define NO_GROUP SIZE_MAX

/* \s: white space and line ends (§12.2, §12.3), and its complement. Not by \p{Z}: beside \D or \W
 * in a negated class PCRE2 10.42 forgets some characters then. */
#define WHITE_SPACE "\\t-\\r \\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
#define NOT_WHITE_SPACE                                                                            \
    "\\0-\\x08\\x0e-\\x1f\\x21-\\x9f\\u00a1-\\u167f\\u1681-\\u1fff\\u200b-\\u2027\\u202a-\\u202e"  \
    "\\u2030-\\u205e\\u2060-\\u2fff\\u3001-\\ufefe\\uff00-\\u{10ffff}"

enum group_kind { GROUP_CAPTURING, GROUP_NON_CAPTURING, GROUP_LOOKAHEAD, GROUP_LOOKBEHIND };

struct group {
    size_t outer; /* NO_GROUP: none */
    enum group_kind kind;
    size_t number; /* of those that capture */
    bool closed, repeated;
    struct text name; /* NULL: it has none */
};

/* \1 or \k<name>. */
struct back_reference {
    size_t number;
    struct text name;
    bool forward; /* to a group that was not closed yet */
};

struct regex {
    struct arena *arena;
    const char *s, *end;
    struct buf out;
    const char *why;
    struct group *groups; /* in the order of their opening parentheses */
    size_t group_count, capture_count;
    size_t innermost;   /* open group */
    size_t just_closed; /* the group that a quantifier would apply to */
    bool quantifiable;  /* a quantifier may follow here (§22.2.1) */
    struct back_reference *references;
    size_t reference_count;
};

enum atom { ATOM_INVALID, ATOM_CHARACTER, ATOM_SET, ATOM_ASSERTION };

static bool fail(struct regex *r, const char *why) {
    if (!r->why)
        r->why = why;
    return false;
}

/* The i-th byte from here; 0 behind the end. */
static char peek(const struct regex *r, size_t i) {
    return i < (size_t)(r->end - r->s) ? r->s[i] : 0;
}

static bool is_one_of(char c, const char *set) {
    return c && strchr(set, c);
}

static bool accept(struct regex *r, const char *text) {
    size_t n = strlen(text);

    if ((size_t)(r->end - r->s) < n || memcmp(r->s, text, n) != 0)
        return false;
    r->s += n;
    return true;
}

static void copy(struct regex *r, size_t n) {
    buf_add(&r->out, r->s, n);
    r->s += n;
}

static void replace(struct regex *r, size_t n, const char *by) {
    buf_adds(&r->out, by);
    r->s += n;
}

/* How many decimal digits stand at the i-th byte, and their value, if it is below SIZE_MAX / 10. */
static size_t read_number(const struct regex *r, size_t i, size_t *value) {
    size_t n = 0;

    *value = 0;
    for (; isdigit((unsigned char)peek(r, i + n)); n++)
        if (*value < SIZE_MAX / 10 - 9)
            *value = *value * 10 + (size_t)(peek(r, i + n) - '0');
    return n;
}

/* The same for at most `most` hexadecimal ones, and a value up to CODE_POINT_MAX. */
static size_t read_hex(const struct regex *r, size_t i, size_t most, uint32_t *value) {
    size_t n = 0;

    *value = 0;
    for (; n < most && isxdigit((unsigned char)peek(r, i + n)); n++)
        if (*value <= CODE_POINT_MAX)
            *value = *value << 4 | (uint32_t)hex_value(peek(r, i + n));
    return n;
}

/* Halves of a pair: 0xd800 to 0xdbff, and 0xdc00 to 0xdfff. */
#define IS_HIGH_SURROGATE(cp) ((cp) >> 10 == 0xd800 >> 10)
#define IS_LOW_SURROGATE(cp) ((cp) >> 10 == 0xdc00 >> 10)

/* \uXXXX\uXXXX as the code point of a surrogate pair, whose first half is *cp. */
static bool read_surrogate_pair(const struct regex *r, uint32_t *cp) {
    uint32_t low;

    if (!IS_HIGH_SURROGATE(*cp) || peek(r, 6) != '\\' || peek(r, 7) != 'u' ||
        read_hex(r, 8, 4, &low) < 4 || !IS_LOW_SURROGATE(low))
        return false;
    *cp = 0x10000 + ((*cp - 0xd800) << 10 | (low - 0xdc00));
    return true;
}

/* \u and four digits, two halves of a surrogate pair, or any number of digits in braces. */
static bool read_unicode(struct regex *r) {
    uint32_t cp;
    size_t len;

    if (peek(r, 2) == '{') {
        len = read_hex(r, 3, SIZE_MAX, &cp) + 4;
        if (len == 4 || peek(r, len - 1) != '}' || cp > CODE_POINT_MAX)
            return fail(r, "\\u{…} must be a code point");
    } else {
        if (read_hex(r, 2, 4, &cp) < 4)
            return fail(r, "\\u needs four hexadecimal digits");
        len = read_surrogate_pair(r, &cp) ? 12 : 6;
    }
    if (IS_HIGH_SURROGATE(cp) || IS_LOW_SURROGATE(cp))
        return fail(r, "half of a surrogate pair is no character here");
    buf_addf(&r->out, "\\u{%x}", (unsigned)cp);
    r->s += len;
    return true;
}

/* \p{…} and \P{…} */
static bool read_property(struct regex *r) {
    const char *close = memchr(r->s, '}', (size_t)(r->end - r->s)), *name;
    bool negated = peek(r, 1) == 'P';

    if (peek(r, 2) != '{' || !close)
        return fail(r, "\\p needs a property in braces");
    name = regex_property(r->arena, r->s + 3, (size_t)(close - r->s) - 3, &negated);
    if (!name)
        return fail(r, "\\p{…} names a property that ECMA-262 does not know");
    buf_addf(&r->out, "\\%c{%s}", negated ? 'P' : 'p', name);
    r->s = close + 1;
    return true;
}

/* Of an escape that stands for one character, with its backslash; 0: it is not whole. */
static size_t escape_length(const struct regex *r) {
    uint32_t value;

    switch (peek(r, 1)) {
    case '0':
        return isdigit((unsigned char)peek(r, 2)) ? 0 : 2;
    case 'c':
        return isalpha((unsigned char)peek(r, 2)) ? 3 : 0;
    case 'x':
        return read_hex(r, 2, 2, &value) == 2 ? 4 : 0;
    default:
        return 2;
    }
}

struct escape {
    const char *letters;
    bool outside, in_class;
    enum atom atom;
    const char *pcre2[2]; /* outside, in a class; NULL: as it is */
};

static const struct escape *find_escape(char c, bool in_class) {
    static const struct escape escapes[] = {
        {"dDwW", true, true, ATOM_SET, {NULL, NULL}},
        {"s", true, true, ATOM_SET, {"[" WHITE_SPACE "]", WHITE_SPACE}},
        {"S", true, true, ATOM_SET, {"[^" WHITE_SPACE "]", NOT_WHITE_SPACE}},
        {"v", true, true, ATOM_CHARACTER, {"\\x0b", "\\x0b"}}, /* a set in PCRE2 */
        {"fnrt0cx^$\\.*+?()[]{}|/", true, true, ATOM_CHARACTER, {NULL, NULL}},
        {"b-", false, true, ATOM_CHARACTER, {NULL, NULL}},
        {"bB", true, false, ATOM_ASSERTION, {NULL, NULL}},
    };

    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++)
        if (is_one_of(c, escapes[i].letters) &&
            (in_class ? escapes[i].in_class : escapes[i].outside))
            return &escapes[i];
    return NULL;
}

/* An escape that is no reference. */
static enum atom read_escape(struct regex *r, bool in_class) {
    char c = peek(r, 1);
    size_t len = escape_length(r);
    const struct escape *escape = find_escape(c, in_class);

    if (c == 'u')
        return read_unicode(r) ? ATOM_CHARACTER : ATOM_INVALID;
    if (c == 'p' || c == 'P')
        return read_property(r) ? ATOM_SET : ATOM_INVALID;
    if (!escape || !len) {
        (void)fail(r, r->end - r->s < 2 ? "it ends in a backslash"
                                        : "it has an escape that ECMA-262 does not know");
        return ATOM_INVALID;
    }
    if (escape->pcre2[in_class])
        replace(r, len, escape->pcre2[in_class]);
    else
        copy(r, len);
    return escape->atom;
}

static enum atom read_class_atom(struct regex *r) {
    if (peek(r, 0) == '\\')
        return read_escape(r, true);
    if (is_one_of(peek(r, 0), "[:.=")) /* [: [. and [= would begin a class of POSIX */
        buf_addc(&r->out, '\\');
    copy(r, 1);
    return ATOM_CHARACTER;
}

/* A character, a set, or a range. */
static bool read_class_range(struct regex *r) {
    enum atom from = read_class_atom(r), to;

    if (!from || peek(r, 0) != '-' || r->end - r->s < 2 || peek(r, 1) == ']')
        return from != ATOM_INVALID;
    copy(r, 1);
    to = read_class_atom(r);
    if (to && (from == ATOM_SET || to == ATOM_SET))
        return fail(r, "a range in brackets must be of characters");
    return to != ATOM_INVALID;
}

static bool read_class(struct regex *r) {
    if (accept(r, "[]")) {
        buf_adds(&r->out, "(?!)"); /* [] of PCRE2 cannot be repeated */
        return true;
    }
    copy(r, peek(r, 1) == '^' ? 2 : 1);
    while (r->s < r->end && *r->s != ']')
        if (!read_class_range(r))
            return false;
    if (r->s == r->end)
        return fail(r, "a bracket is not closed");
    copy(r, 1);
    return true;
}

static bool is_name_character(unsigned char c, bool is_first) {
    return c >= 128 || isalpha(c) || c == '_' || c == '$' || (isdigit(c) && !is_first);
}

/* A name and ">". Names are not written: PCRE2 has other rules for them. */
static bool accept_name(struct regex *r, struct text *name) {
    name->p = r->s;
    while (r->s < r->end && is_name_character((unsigned char)*r->s, r->s == name->p))
        r->s++;
    name->len = (size_t)(r->s - name->p);
    return (name->len && accept(r, ">")) || fail(r, "the name of a group is not one");
}

/* The group that it refers to; NO_GROUP: there is none, or not yet. */
static size_t find_group(const struct regex *r, const struct back_reference *ref) {
    for (size_t i = 0; i < r->group_count; i++) {
        const struct group *g = &r->groups[i];

        if (ref->name.p ? g->name.p && text_equal(g->name, ref->name)
                        : g->kind == GROUP_CAPTURING && g->number == ref->number)
            return i;
    }
    return NO_GROUP;
}

/* "(" or "(?<name>" */
static bool open_capture(struct regex *r, struct group *g) {
    struct back_reference same = {0};

    buf_addc(&r->out, '(');
    if (accept(r, "(?<")) {
        if (!accept_name(r, &same.name))
            return false;
        if (find_group(r, &same) != NO_GROUP)
            return fail(r, "two groups have the same name");
    } else if (accept(r, "(?") || !accept(r, "(")) {
        return fail(r, "it has a kind of group that ECMA-262 does not know");
    }
    g->name = same.name;
    g->number = ++r->capture_count;
    return true;
}

static bool open_group(struct regex *r) {
    static const struct {
        const char *text;
        enum group_kind kind;
    } openings[] = {{"(?:", GROUP_NON_CAPTURING},
                    {"(?=", GROUP_LOOKAHEAD},
                    {"(?!", GROUP_LOOKAHEAD},
                    {"(?<=", GROUP_LOOKBEHIND},
                    {"(?<!", GROUP_LOOKBEHIND}};
    struct group *g = &r->groups[r->group_count];

    *g = (struct group){.outer = r->innermost, .kind = GROUP_CAPTURING};
    r->quantifiable = false;
    for (size_t i = 0; g->kind == GROUP_CAPTURING && i < sizeof openings / sizeof *openings; i++)
        if (accept(r, openings[i].text)) {
            buf_adds(&r->out, openings[i].text);
            g->kind = openings[i].kind;
        }
    if (g->kind == GROUP_CAPTURING && !open_capture(r, g))
        return false;
    r->innermost = r->group_count++;
    return true;
}

static bool close_group(struct regex *r) {
    if (r->innermost == NO_GROUP)
        return fail(r, "a parenthesis is closed but not opened");
    r->just_closed = r->innermost;
    r->groups[r->innermost].closed = true;
    r->quantifiable =
        r->groups[r->innermost].kind <= GROUP_NON_CAPTURING; /* with the u flag no look-around */
    r->innermost = r->groups[r->innermost].outer;
    copy(r, 1);
    return true;
}

/* \1 and \k<name>. A group that is not closed yet has matched nothing (§22.2.2.9.2), in PCRE2 maybe
 * something in a repetition before. */
static bool read_back_reference(struct regex *r) {
    struct back_reference *ref = &r->references[r->reference_count++];
    size_t group;

    *ref = (struct back_reference){0};
    for (size_t in = r->innermost; in != NO_GROUP; in = r->groups[in].outer)
        if (r->groups[in].kind == GROUP_LOOKBEHIND)
            return fail(r, "a back reference within a look-behind is not supported");
    if (accept(r, "\\k")) {
        if (!accept(r, "<") || !accept_name(r, &ref->name))
            return fail(r, "\\k needs the name of a group");
    } else {
        r->s += 1 + read_number(r, 1, &ref->number);
    }
    group = find_group(r, ref);
    ref->forward = group == NO_GROUP || !r->groups[group].closed;
    if (ref->forward)
        buf_adds(&r->out, "(?:)");
    else
        buf_addf(&r->out, "\\g{%zu}", r->groups[group].number);
    return true;
}

/* §22.2.2.3.1: each repetition forgets what groups in it matched before; PCRE2 does not. */
static bool check_back_references(struct regex *r) {
    for (size_t i = 0; i < r->reference_count; i++) {
        size_t g = find_group(r, &r->references[i]);

        if (g == NO_GROUP)
            return fail(r, "a back reference is to no group");
        for (; !r->references[i].forward && g != NO_GROUP; g = r->groups[g].outer)
            if (r->groups[g].repeated)
                return fail(r, "a back reference to a group in a repetition is not supported");
    }
    return true;
}

/* {2}, {2,} or {2,3}: how long that is, and how often it repeats at most. 0: it is none of them. */
static size_t read_quantifier_braces(const struct regex *r, size_t *most) {
    size_t n = read_number(r, 1, most), len = n + 1;

    if (!n)
        return 0;
    if (peek(r, len) == ',') {
        n = read_number(r, len + 1, most);
        if (!n)
            *most = SIZE_MAX;
        len += n + 1;
    }
    return peek(r, len) == '}' ? len + 1 : 0;
}

/* `group`: what it repeats, if that is one. */
static bool read_quantifier(struct regex *r, size_t group) {
    size_t most = peek(r, 0) == '?' ? 1 : SIZE_MAX;
    size_t len = peek(r, 0) == '{' ? read_quantifier_braces(r, &most) : 1;

    if (!r->quantifiable)
        return fail(r, "a repetition follows nothing that can be repeated");
    if (!len)
        return fail(r, "a repetition in braces must be of the form {2,3}");
    copy(r, peek(r, len) == '?' ? len + 1 : len);
    if (group != NO_GROUP && most > 1)
        r->groups[group].repeated = true;
    r->quantifiable = false;
    return true;
}

static bool read_backslash(struct regex *r) {
    enum atom atom;

    if (is_one_of(peek(r, 1), "123456789k"))
        return read_back_reference(r);
    atom = read_escape(r, false);
    r->quantifiable = atom != ATOM_ASSERTION;
    return atom != ATOM_INVALID;
}

static bool read_term(struct regex *r) {
    size_t closed = r->just_closed;

    r->just_closed = NO_GROUP;
    if (is_one_of(*r->s, "*+?{"))
        return read_quantifier(r, closed);
    r->quantifiable = !is_one_of(*r->s, "|^$");
    switch (*r->s) {
    case '\\':
        return read_backslash(r);
    case '(':
        return open_group(r);
    case ')':
        return close_group(r);
    case '[':
        return read_class(r);
    case ']':
    case '}':
        return fail(r, "a bracket or brace is closed but not opened");
    case '.':
        replace(r, 1, "[^\\n\\r\\u2028\\u2029]");
        return true;
    default:
        copy(r, 1);
        return true;
    }
}

const char *regex_translate(struct arena *a, const char *text, size_t len, size_t *out_len,
                            const char **why) {
    struct regex r = {
        .arena = a, .s = text, .end = text + len, .innermost = NO_GROUP, .just_closed = NO_GROUP};
    bool ok = true;

    buf_init(&r.out, a, OUT_BYTES_MAX);
    r.groups = arena_alloc(a, (len + 1) * sizeof *r.groups);
    r.references = arena_alloc(a, (len + 1) * sizeof *r.references);
    while (ok && r.s < r.end)
        ok = read_term(&r);
    if (ok && r.innermost != NO_GROUP)
        ok = fail(&r, "a parenthesis is not closed");
    ok = ok && check_back_references(&r);
    if (ok && r.out.overflow)
        ok = fail(&r, "it is too long");
    *why = r.why;
    *out_len = r.out.len;
    return ok ? r.out.p : NULL;
}

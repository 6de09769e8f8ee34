/* From a pattern of ECMA-262 with the u flag (§22.2.1), which is what JSON Schema means (Core
 * §6.4), to one of PCRE2. The whole grammar is read, so that nothing that PCRE2 alone knows gets
 * through, and characters are written as numbers, so that nothing means anything else there. */
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "jsonschema/node.h"

#define OUT_BYTES_MAX ((size_t)1 << 20)
#define REPEAT_MAX 65535 /* PCRE2's own */
#define NO_GROUP SIZE_MAX

/* \s: white space and line ends (§12.2, §12.3), and what is left of all characters. */
#define SPACES                                                                                     \
    "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"           \
    "\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACES                                                                                  \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"               \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

enum group_kind { GROUP_CAPTURES, GROUP_PLAIN, GROUP_LOOKS_AHEAD, GROUP_LOOKS_BEHIND };

struct group {
    size_t outer; /* NO_GROUP: none */
    enum group_kind kind;
    bool closed, repeated;
    const char *name;
    size_t name_len;
};

struct regex {
    struct arena *arena;
    const char *s, *end;
    struct buf out;
    const char *why;
    struct group *groups;                /* in the order of their opening parentheses */
    size_t group_count, seen;            /* all, and those that have been opened */
    size_t in;                           /* the innermost open one */
    size_t just_closed;                  /* the one that a repetition would be of */
    bool repeatable;                     /* something stands here that may be repeated */
    size_t *references, reference_count; /* groups that \1 and \k name */
};

static bool fail(struct regex *r, const char *why) {
    if (!r->why)
        r->why = why;
    return false;
}

static bool next_is(const struct regex *r, const char *text) {
    size_t n = strlen(text);

    return (size_t)(r->end - r->s) >= n && !memcmp(r->s, text, n);
}

static bool take(struct regex *r, const char *text) {
    if (!next_is(r, text))
        return false;
    r->s += strlen(text);
    return true;
}

/* One character; the text is known to be UTF-8. */
static uint32_t take_character(struct regex *r) {
    unsigned char c = (unsigned char)*r->s++;
    size_t more = c < 0xc0 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    uint32_t cp = more ? c & (0x3fU >> more) : c;

    for (; more && r->s < r->end; more--)
        cp = cp << 6 | ((unsigned char)*r->s++ & 0x3fU);
    return cp;
}

static void put_character(struct regex *r, uint32_t cp) {
    if (cp < 128 && isalnum((int)cp))
        buf_addc(&r->out, (char)cp);
    else
        buf_addf(&r->out, "\\x{%x}", (unsigned)cp);
}

static bool take_hex(struct regex *r, size_t digits, uint32_t *out) {
    *out = 0;
    for (; digits; digits--, r->s++) {
        if (r->s == r->end || !isxdigit((unsigned char)*r->s))
            return false;
        *out = *out << 4 |
               (uint32_t)(isdigit((unsigned char)*r->s) ? *r->s - '0' : (*r->s | 32) - 'a' + 10);
    }
    return true;
}

/* After \u: four digits, two halves of a pair, or any number of digits in braces. */
static bool take_unicode(struct regex *r, uint32_t *cp) {
    uint32_t low;
    const char *after;

    if (take(r, "{")) {
        *cp = 0;
        if (next_is(r, "}"))
            return fail(r, "\\u{} has no digits");
        while (!take(r, "}")) {
            if (!take_hex(r, 1, &low) || *cp > 0x10ffff >> 4)
                return fail(r, "\\u{…} must be a code point");
            *cp = *cp << 4 | low;
        }
        if (*cp > 0x10ffff)
            return fail(r, "\\u{…} must be a code point");
    } else if (!take_hex(r, 4, cp)) {
        return fail(r, "\\u needs four hexadecimal digits");
    }
    after = r->s;
    if (*cp >= 0xd800 && *cp < 0xdc00 && take(r, "\\u") && take_hex(r, 4, &low) && low >= 0xdc00 &&
        low < 0xe000) {
        *cp = 0x10000 + ((*cp - 0xd800) << 10 | (low - 0xdc00));
        return true;
    }
    r->s = after;
    if (*cp >= 0xd800 && *cp < 0xe000)
        return fail(r, "half of a surrogate pair is no character here");
    return true;
}

/* Escapes that stand for one character, everywhere. False if it is none of them. */
static bool take_character_escape(struct regex *r, bool in_class, uint32_t *cp) {
    static const char letters[] = "fnrtv", values[] = "\f\n\r\t\v";
    char c = r->s < r->end ? *r->s : 0;
    const char *letter = c ? strchr(letters, c) : NULL;

    if (!c)
        return fail(r, "it ends in a backslash");
    r->s++;
    if (letter) {
        *cp = (unsigned char)values[letter - letters];
        return true;
    }
    if (c == '0' && !(r->s < r->end && isdigit((unsigned char)*r->s))) {
        *cp = 0;
        return true;
    }
    if (c == 'c' && r->s < r->end && isalpha((unsigned char)*r->s)) {
        *cp = (unsigned char)*r->s++ & 31;
        return true;
    }
    if (c == 'x')
        return take_hex(r, 2, cp) || fail(r, "\\x needs two hexadecimal digits");
    if (c == 'u')
        return take_unicode(r, cp);
    if (strchr("^$\\.*+?()[]{}|/", c) || (in_class && c == '-')) {
        *cp = (unsigned char)c;
        return true;
    }
    return fail(r, "it has an escape that ECMA-262 does not know");
}

/* \d \D \s \S \w \W \p \P. False if it is none of them, or wrong. */
static bool take_set(struct regex *r, bool in_class) {
    char c = r->s < r->end ? *r->s : 0;
    bool negated = c == 'P';
    const char *close, *name;

    if (!c || !strchr("dDsSwWpP", c))
        return false;
    r->s++;
    if (strchr("dDwW", c)) {
        buf_addf(&r->out, "\\%c", c);
    } else if (c == 's' || c == 'S') {
        buf_adds(&r->out, in_class ? "" : "[");
        buf_adds(&r->out, c == 's' ? SPACES : NO_SPACES);
        buf_adds(&r->out, in_class ? "" : "]");
    } else {
        close = memchr(r->s, '}', (size_t)(r->end - r->s));
        if (!take(r, "{") || !close)
            return fail(r, "\\p needs a property in braces");
        name = regex_property(r->arena, r->s, (size_t)(close - r->s), &negated);
        if (!name)
            return fail(r, "\\p{…} names a property that ECMA-262 does not know");
        buf_addf(&r->out, "\\%c{%s}", negated ? 'P' : 'p', name);
        r->s = close + 1;
    }
    return true;
}

/* One end of a range. *is_set: it was \d or the like, and has been written. */
static bool take_class_atom(struct regex *r, uint32_t *cp, bool *is_set) {
    *is_set = false;
    if (!take(r, "\\")) {
        *cp = take_character(r);
        return true;
    }
    if (take(r, "b")) {
        *cp = '\b';
        return true;
    }
    *is_set = take_set(r, true);
    return *is_set || (!r->why && take_character_escape(r, true, cp));
}

/* After [. */
static bool read_class(struct regex *r) {
    bool negated = take(r, "^"), set, other_set;
    uint32_t from = 0, to = 0;

    if (take(r, "]")) {
        buf_adds(&r->out, negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)");
        return true;
    }
    buf_adds(&r->out, negated ? "[^" : "[");
    while (r->s < r->end && !take(r, "]")) {
        if (!take_class_atom(r, &from, &set))
            return false;
        if (!set)
            put_character(r, from);
        if (next_is(r, "]") || next_is(r, "-]") || !take(r, "-"))
            continue;
        if (r->s == r->end)
            break;
        buf_addc(&r->out, '-');
        if (!take_class_atom(r, &to, &other_set))
            return false;
        if (set || other_set)
            return fail(r, "a range in brackets must be of characters");
        if (from > to)
            return fail(r, "a range in brackets is out of order");
        put_character(r, to);
    }
    if (r->s[-1] != ']')
        return fail(r, "a bracket is not closed");
    buf_addc(&r->out, ']');
    return true;
}

/* (?<name> after "(?<". */
static bool take_name(struct regex *r, const char **name, size_t *len) {
    *name = r->s;
    while (r->s < r->end && *r->s != '>') {
        unsigned char c = (unsigned char)*r->s++;

        if (!(c >= 128 || isalpha(c) || c == '_' || c == '$' || (isdigit(c) && r->s - 1 > *name)))
            return fail(r, "the name of a group is not one");
    }
    *len = (size_t)(r->s - *name);
    return (*len && take(r, ">")) || fail(r, "the name of a group is not one");
}

static bool group_named(const struct regex *r, const char *name, size_t len, size_t *out) {
    for (*out = 0; *out < r->group_count; ++*out)
        if (r->groups[*out].name && r->groups[*out].name_len == len &&
            !memcmp(r->groups[*out].name, name, len))
            return true;
    return false;
}

/* References may name a group that comes later: all groups are found first. */
static bool find_groups(struct regex *r) {
    const char *start = r->s;
    bool in_class = false;
    size_t other;

    r->groups = arena_alloc(r->arena, (size_t)(r->end - r->s + 1) * sizeof *r->groups);
    for (; r->s < r->end; r->s++) {
        struct group g = {.kind = GROUP_PLAIN, .outer = NO_GROUP};

        if (*r->s == '\\') {
            r->s += r->s + 1 < r->end;
            continue;
        }
        if (in_class || *r->s == '[') {
            in_class = *r->s != ']';
            continue;
        }
        if (*r->s != '(')
            continue;
        if (next_is(r, "(?=") || next_is(r, "(?!"))
            g.kind = GROUP_LOOKS_AHEAD;
        else if (next_is(r, "(?<=") || next_is(r, "(?<!"))
            g.kind = GROUP_LOOKS_BEHIND;
        else if (!next_is(r, "(?:"))
            g.kind = GROUP_CAPTURES;
        if (next_is(r, "(?<") && g.kind == GROUP_CAPTURES) {
            r->s += 3;
            if (!take_name(r, &g.name, &g.name_len))
                return false;
            r->s--;
            if (group_named(r, g.name, g.name_len, &other))
                return fail(r, "two groups have the same name");
        }
        r->groups[r->group_count++] = g;
    }
    r->s = start;
    return true;
}

static bool open_group(struct regex *r) {
    static const char *const openings[] = {"?:", "?=", "?!", "?<=", "?<!"};
    struct group *g = &r->groups[r->seen];
    const char *name;
    size_t len;

    g->outer = r->in;
    r->in = r->seen++;
    r->repeatable = false;
    buf_addc(&r->out, '(');
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++)
        if (take(r, openings[i])) {
            buf_adds(&r->out, openings[i]);
            return true;
        }
    if (take(r, "?<"))
        return take_name(r, &name, &len);
    return !next_is(r, "?") || fail(r, "it has a kind of group that ECMA-262 does not know");
}

static bool close_group(struct regex *r) {
    if (r->in == NO_GROUP)
        return fail(r, "a parenthesis is closed but not opened");
    r->just_closed = r->in;
    r->groups[r->in].closed = true;
    r->repeatable = r->groups[r->in].kind <= GROUP_PLAIN; /* with the u flag no look-around */
    r->in = r->groups[r->in].outer;
    buf_addc(&r->out, ')');
    return true;
}

/* A group that is not closed yet has matched nothing (§22.2.2.9.2), in PCRE2 maybe something in a
 * repetition before. */
static bool put_reference(struct regex *r, size_t group) {
    size_t number = 0;

    for (size_t in = r->in; in != NO_GROUP; in = r->groups[in].outer)
        if (r->groups[in].kind == GROUP_LOOKS_BEHIND)
            return fail(r, "a back reference within a look-behind is not supported");
    for (size_t i = 0; i <= group; i++)
        number += r->groups[i].kind == GROUP_CAPTURES;
    r->repeatable = true;
    if (group >= r->seen || !r->groups[group].closed) {
        buf_adds(&r->out, "(?:)");
        return true;
    }
    r->references[r->reference_count++] = group;
    buf_addf(&r->out, "\\g{%zu}", number);
    return true;
}

/* \1 and \k<name>, after the backslash. */
static bool read_reference(struct regex *r) {
    size_t number = 0, group, len;
    const char *name;

    if (take(r, "k")) {
        if (!take(r, "<") || !take_name(r, &name, &len))
            return fail(r, "\\k needs the name of a group");
        return group_named(r, name, len, &group) ? put_reference(r, group)
                                                 : fail(r, "\\k names no group");
    }
    for (; r->s < r->end && isdigit((unsigned char)*r->s) && number < SCHEMA_PATTERN_MAX; r->s++)
        number = number * 10 + (size_t)(*r->s - '0');
    for (group = 0; group < r->group_count; group++)
        if (r->groups[group].kind == GROUP_CAPTURES && !--number)
            return put_reference(r, group);
    return fail(r, "a back reference is to no group");
}

static bool read_escape(struct regex *r) {
    uint32_t cp;

    if (take(r, "b") || take(r, "B")) {
        buf_addf(&r->out, "\\%c", r->s[-1]);
        r->repeatable = false;
        return true;
    }
    if (r->s < r->end && ((*r->s >= '1' && *r->s <= '9') || *r->s == 'k'))
        return read_reference(r);
    r->repeatable = true;
    if (take_set(r, false))
        return true;
    if (r->why || !take_character_escape(r, false, &cp))
        return false;
    put_character(r, cp);
    return true;
}

static bool take_count(struct regex *r, size_t *out) {
    if (r->s == r->end || !isdigit((unsigned char)*r->s))
        return false;
    for (*out = 0; r->s < r->end && isdigit((unsigned char)*r->s); r->s++)
        if (*out <= REPEAT_MAX)
            *out = *out * 10 + (size_t)(*r->s - '0');
    return *out <= REPEAT_MAX || fail(r, "it repeats something more than 65535 times");
}

static bool read_repetition(struct regex *r) {
    const char *start = r->s;
    size_t least = 0, most = SIZE_MAX;

    if (!r->repeatable)
        return fail(r, "a repetition follows nothing that can be repeated");
    if (take(r, "{")) {
        if (!take_count(r, &least))
            return fail(r, "a repetition in braces must be of the form {2,3}");
        most = least;
        if (take(r, ",") && !next_is(r, "}") && !take_count(r, &most))
            return fail(r, "a repetition in braces must be of the form {2,3}");
        if (r->s[-1] == ',')
            most = SIZE_MAX;
        if (!take(r, "}"))
            return fail(r, "a repetition in braces must be of the form {2,3}");
        if (most < least)
            return fail(r, "a repetition in braces is out of order");
    } else {
        most = *r->s++ == '?' ? 1 : SIZE_MAX;
    }
    (void)take(r, "?");
    buf_add(&r->out, start, (size_t)(r->s - start));
    if (r->just_closed != NO_GROUP && most > 1)
        r->groups[r->just_closed].repeated = true;
    r->repeatable = false;
    return true;
}

static bool read_one(struct regex *r) {
    size_t closed = r->just_closed;

    r->just_closed = NO_GROUP;
    if (next_is(r, "*") || next_is(r, "+") || next_is(r, "?") || next_is(r, "{")) {
        r->just_closed = closed;
        return read_repetition(r);
    }
    if (take(r, "\\"))
        return read_escape(r);
    if (take(r, "("))
        return open_group(r);
    if (take(r, ")"))
        return close_group(r);
    if (take(r, "|") || take(r, "^") || take(r, "$")) {
        buf_addc(&r->out, r->s[-1]);
        r->repeatable = false;
        return true;
    }
    if (next_is(r, "]") || next_is(r, "}"))
        return fail(r, "a bracket or brace is closed but not opened");
    r->repeatable = true;
    if (take(r, "["))
        return read_class(r);
    if (take(r, "."))
        buf_adds(&r->out, "[^\\n\\r\\x{2028}\\x{2029}]");
    else
        put_character(r, take_character(r));
    return true;
}

/* §22.2.2.3.1: each round of a repetition forgets what groups in it matched before; PCRE2 does not.
 * It matters to back references alone. */
static bool references_are_plain(struct regex *r) {
    for (size_t i = 0; i < r->reference_count; i++)
        for (size_t g = r->references[i]; g != NO_GROUP; g = r->groups[g].outer)
            if (r->groups[g].repeated)
                return fail(r, "a back reference to a group in a repetition is not supported");
    return true;
}

const char *regex_translate(struct arena *a, const char *text, size_t len, size_t *out_len,
                            const char **why) {
    struct regex r = {
        .arena = a, .s = text, .end = text + len, .in = NO_GROUP, .just_closed = NO_GROUP};
    bool ok;

    buf_init(&r.out, a, OUT_BYTES_MAX);
    r.references = arena_alloc(a, (len + 1) * sizeof *r.references);
    ok = find_groups(&r);
    while (ok && r.s < r.end)
        ok = read_one(&r);
    if (ok && r.in != NO_GROUP)
        ok = fail(&r, "a parenthesis is not closed");
    ok = ok && references_are_plain(&r);
    if (ok && r.out.overflow)
        ok = fail(&r, "it is too long");
    *why = r.why;
    *out_len = r.out.len;
    return ok ? r.out.p : NULL;
}

/* Texts of known length, lists of words, and what is near to a word. */
#pragma once

#include "base/base.h"

/* The bytes belong to an arena, or are static. */
struct text {
    const char *p;
    size_t len;
};

#define TEXT_LITERAL(s) ((struct text){(s), sizeof(s) - 1})

static inline struct text text_of(const char *s) {
    return (struct text){s, strlen(s)};
}
static inline bool text_equal(struct text a, struct text b) {
    return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}
char *text_lower(struct arena *a, const char *s, size_t len); /* a copy, of ASCII in lower case */
bool text_ends_with(const char *s, const char *end);
int text_compare(const void *a, const void *b); /* strings in an array, for qsort and bsearch */
/* Ends the text before a comment: one of these marks at its beginning or after a blank. */
void text_cut_comment(char *s, const char *marks);
bool text_is_one_of(const char *s, const char *const *list); /* NULL ends it, and is in no list */

/* FNV-1a (Fowler, Noll and Vo; public domain): for tables whose entries nobody can choose, or that
 * stay short. The hash of what `hash` is of, with more bytes after it; nothing has FNV_BASIS. */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
uint64_t fnv_add(uint64_t hash, const void *data, size_t len);
/* For the place in a table: the high bits are mixed better than the low ones. */
static inline uint64_t fnv_fold(uint64_t hash) {
    return hash ^ hash >> 32;
}
/* The index of the first element of a sorted array whose name, by name_of, is not before this one.
 * Names are compared as bytes: the order must not depend on the locale. */
size_t text_find_place(const void *array, size_t count,
                       const char *(*name_of)(const void *array, size_t i), const char *name);

/* All of them, one behind the other: one allocation of the exact size, with a NUL behind it. */
struct text text_join(struct arena *a, const struct text *parts, size_t count);
/* The same of strings, at a fraction of the cost of arena_printf. */
#define text_concat(a, ...) text_concat_all(a, (const char *const[]){__VA_ARGS__, NULL})
char *text_concat_all(struct arena *a, const char *const *strings); /* NULL ends them */

/* A copy of a client's text that may stand in an error message: at most TEXT_QUOTE_MAX bytes, with
 * '?' for whatever is not printable ASCII. */
#define TEXT_QUOTE_MAX 80
const char *text_quotable(struct arena *a, const char *s);
/* Puts '?' in place of each control character: for what may be shown on a terminal. */
void text_mask_controls(char *s);

/* A {{…}} in a text. */
struct placeholder {
    const char *start; /* at its {{ */
    struct text inner; /* between the braces */
    const char *end;   /* behind its }}; NULL: it is not closed */
};

/* The first one in what lies from p to end. false: there is none. */
bool placeholder_next(const char *p, const char *end, struct placeholder *out);

/* Seconds since 1970 as RFC 3339 has them, in UTC; "" for a year that it cannot write. */
const char *text_rfc3339(struct arena *a, int64_t seconds);
/* The other way, from any offset (RFC 3339 §5.6); a fraction is dropped. false: it is none. */
bool text_parse_rfc3339(const char *text, int64_t *seconds);

/* Makes a text that should be UTF-8 valid, if it is not: *s becomes a copy, with a NUL behind it,
 * in which U+FFFD stands for each byte that is no part of a character. Returns how many such bytes
 * there were. */
size_t utf8_repair(struct arena *a, const char **s, size_t *len);

/* ---- lists of words with spaces between them, as OAuth's scopes are written ---- */

/* A copy of the next word of *list, behind which it moves *list; NULL: there is none. */
char *list_next(struct arena *a, const char **list);
/* Is `item` one of `list`? */
bool list_has(const char *list, const char *item);
/* Is every item of `part` in `whole`? */
bool list_covers(const char *whole, const char *part);
/* The items of `list`, each once, that `others` has; or those that it has not. */
const char *list_among(struct arena *a, const char *list, const char *others);
const char *list_without(struct arena *a, const char *list, const char *others);

/* ---- "did you mean" ---- */

#define SUGGEST_NAME_MAX 64 /* longer words have no suggestion */
/* The one of `names` (NULL ends them) that is nearest to a word, or NULL if none is near: upper and
 * lower case, and - and _, are the same, and one letter and a third of all may be wrong, missing or
 * too many. */
const char *suggest(const char *word, const char *const *names);

/* Every text that a user sees, in a table for each language, and the choice of the language. */
#ifndef PAGES_WORDS_H
#define PAGES_WORDS_H

#include "base/arena.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct word {
    const char *name, *text;
};

/* Texts are HTML of ours, with placeholders (pages/template.h) for what is not. */
struct language {
    const char *tag; /* BCP 47, for the lang attribute */
    const struct word *words;
    size_t word_count;
    const struct word *reasons; /* NULL: as they are, in English */
};

#define LANGUAGE_COUNT 2
extern const struct language languages[LANGUAGE_COUNT]; /* the first is the default */

/* The best of ours for an Accept-Language header (RFC 9110 §12.5.4; NULL if there was none). */
const struct language *language_choose(const char *accept_language);
/* A text, or NULL if there is none of that name. */
const char *language_text(const struct language *l, const char *name);
/* reasons.c: the text of an error (struct err) in this language, or NULL if there is none. */
extern const struct word reasons_ja[];
const char *language_reason(struct arena *a, const struct language *l, const char *reason);
/* What a user can do about an error: the name of a text. */
const char *error_advice(enum rc code);

#endif

/* Every text that a user sees, from a file of share/words for each language, and the choice of the
 * language. */
#pragma once

#include "base/base.h"

#define LANGUAGE_COUNT 2
#define LANGUAGE_WORDS_MAX 256

/* Texts are HTML of ours, with placeholders (pages/template.h) for what is not. */
struct language {
    char *file;      /* its texts, which the words point into */
    const char *tag; /* BCP 47, for the lang attribute */
    struct word {
        const char *name, *text;
    } words[LANGUAGE_WORDS_MAX];
    size_t word_count;
};

/* All of them; the first is the default. Read at first use: a mistake in them ends the process. */
const struct language *languages(void);

/* The best of ours for an Accept-Language header (RFC 9110 §12.5.4; NULL if there was none). */
const struct language *language_choose(const char *accept_language);
/* A text, or NULL if there is none of that name. */
const char *language_text(const struct language *l, const char *name);
/* The text of an error (struct err) in this language, or NULL if there is none. */
const char *language_reason(struct arena *a, const struct language *l, const char *reason);
/* What a user can do about an error: the name of a text. */
const char *error_advice(enum rc code);

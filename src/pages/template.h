/* Templates of pages: a small part of Mustache, in which every value is escaped and nothing can put
 * one in as it is.
 *
 *   {{name}}              a value
 *   {{#name}}…{{/name}}   once if the value is not empty; of a list, once for each item
 *   {{^name}}…{{/name}}   once if the value is empty
 *   {{!…}}                nothing: a comment
 *   {{text.name}}         a text of ours in the reader's language, which has placeholders itself */
#pragma once

#include "base/base.h"

#define TEMPLATE_DEPTH_MAX 8 /* sections in sections, texts included */
#define TEMPLATE_NAME_MAX 40

struct template_value {
    const char *name, *value; /* name NULL ends a list of them; value is never NULL */
};

/* The one list that a page can have: its name, and the values of each item. */
struct template_list {
    const char *name;
    const struct template_value *const *items; /* NULL-terminated */
};

struct template_scope {
    const struct template_value *values; /* NULL: none */
    const char *sample; /* for template_check: names of more values, which spaces separate */
    const struct template_list *list;                            /* NULL: none */
    const char *(*text)(const void *language, const char *name); /* NULL: no texts */
    const void *language;
    const struct template_scope *outer; /* for names that are not here; NULL: none */
};

/* Adds a value with the escapes that text and double-quoted attributes need. */
void html_text(struct buf *b, const char *s);

/* Adds the page to b. The template was checked; what is wrong with it nevertheless adds nothing. */
void template_render(struct buf *b, const char *source, const struct template_scope *scope);
/* Goes through all sections, and says what is wrong with the first line that is: a name that is not
 * in `sample`, a section that is not closed. A list needs one item in the sample.
 * ERR_MISCONFIGURED. */
enum rc template_check(struct arena *a, const char *source, const struct template_scope *sample,
                       struct err *e) MUST_USE;

/* The pages that a user sees: ours, or those that an admin put in their place. */
#pragma once

#include "pages/template.h"
#include "pages/words.h"
#include "web/reply.h"
#include "web/request.h"

#define PAGE_FILE_BYTES_MAX 65536
#define PAGE_BYTES_MAX 262144 /* with its values */

enum page { PAGE_CONSENT, PAGE_CONTINUE, PAGE_ERROR, PAGE_SERVER, PAGE_COUNT };

struct page_set;
/* Reads the templates in dir: NAME.LANGUAGE.html, else NAME.html, else ours. One that is wrong is
 * left out and reported to `problems`, a line each; *bad counts them. Never NULL. */
struct page_set *page_set_load(const char *dir, FILE *problems, unsigned *bad);
void page_set_free(struct page_set *s);

/* What a page shows. Besides `values`, each has `lang` and `nonce`. */
struct page_content {
    enum page page;
    int status;
    const struct template_value *values;
    const struct template_list *list; /* NULL: the page has none */
    const char *form_action; /* the CSP source list of its forms, such as "'self'" or "'none'" */
    const char *images;      /* CSP sources of its images, besides 'self'; NULL: none */
    bool scripts;            /* the page's <script> elements with the nonce may run */
};

/* Makes the page the reply, in the language of the request. set NULL: our own pages. */
void page_reply(const struct page_set *set, const struct request *rq, struct reply *rp,
                const struct page_content *content);

/* What is wrong. With a client's URI and its host the page has a link to there; "" for none. */
struct page_problem {
    int status;
    const struct err *e;
    const char *client_uri, *client_host;
};

/* The page that says what is wrong, and what a user can do about it. */
void page_error(const struct page_set *set, const struct request *rq, struct reply *rp,
                const struct page_problem *problem);

/* A name that a client gives itself, as it may stand on a page or a terminal: on one line, without
 * what could end a quotation, act on the text around it, or not be seen. Quotation marks become ',
 * spaces of all kinds and control characters one space, and invisible characters are left out. "?"
 * if nothing remains. It is no HTML. */
const char *display_name(struct arena *a, const char *name);

/* share/templates, as they were when this was built. */
extern const char page_builtin_consent[], page_builtin_continue[], page_builtin_error[];
extern const char page_builtin_server[];
extern const char page_builtin_style[];

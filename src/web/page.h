/* The frame of every page that a user sees. */
#ifndef WEB_PAGE_H
#define WEB_PAGE_H

#include "base/buf.h"
#include "web/reply.h"

#define PAGE_BYTES_MAX 65536

/* Begins a page; title is ours, not a client's. Add the body to b, escaping with html_text. */
void page_begin(struct buf *b, struct arena *a, const char *title);
/* The same with more elements in its head. */
void page_begin_with(struct buf *b, struct arena *a, const char *title, const char *head);
/* Ends it and makes it the reply; form_action as for reply_html. */
void page_end(struct buf *b, struct reply *rp, int status, const char *form_action);
/* A whole page that says what is wrong. `text` is escaped; `id` names the request in the log. */
void page_error(struct reply *rp, int status, const char *text, const char *id);

#endif

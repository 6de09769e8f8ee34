/* Writing HTML. Everything that is not ours goes through html_text. */
#ifndef PAGES_HTML_H
#define PAGES_HTML_H

#include "base/buf.h"

/* Escapes for text and for double-quoted attribute values. */
void html_text(struct buf *b, const char *s);

#endif

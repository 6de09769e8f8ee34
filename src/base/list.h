/* Lists of words with spaces between them, as OAuth's scopes are written. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/arena.h"
#include <stdbool.h>

/* Is `item` one of `list`? */
bool list_has(const char *list, const char *item);
/* Is every item of `part` in `whole`? */
bool list_covers(const char *whole, const char *part);
/* The items of `list`, each once, that `others` has; or those that it has not. */
const char *list_among(struct arena *a, const char *list, const char *others);
const char *list_without(struct arena *a, const char *list, const char *others);

#endif

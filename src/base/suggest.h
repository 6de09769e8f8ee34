/* "Did you mean": the known name that is nearest to one that is not known. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#define SUGGEST_NAME_MAX 64 /* longer words have no suggestion */

/* One of `names` (NULL ends them), or NULL if none is near: upper and lower case, and - and _, are
 * the same, and one letter and a third of all may be wrong, missing or too many. */
const char *suggest(const char *word, const char *const *names);

#endif

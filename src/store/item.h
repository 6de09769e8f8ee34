/* The attributes of a DynamoDB item as it travels: an object of typed values. */
#ifndef STORE_ITEM_H
#define STORE_ITEM_H

#include "base/json.h"

void item_put_text(struct arena *a, struct json *into, const char *name, const char *text);
void item_put_number(struct arena *a, struct json *into, const char *name, int64_t n);
const char *item_text(const struct json *item, const char *name); /* NULL: it has no such text */
bool item_number(const struct json *item, const char *name, int64_t *out); /* false: the same */

#endif

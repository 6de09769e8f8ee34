#include "store/item.h"

#include <stdlib.h>

static void put(struct arena *a, struct json *into, const char *name, const char *type,
                const char *text) {
    struct json *v = json_new_object(a);

    json_put_str(v, type, text);
    json_put(into, name, v);
}

void item_put_text(struct arena *a, struct json *into, const char *name, const char *text) {
    put(a, into, name, "S", text);
}

void item_put_number(struct arena *a, struct json *into, const char *name, int64_t n) {
    put(a, into, name, "N", arena_printf(a, "%lld", (long long)n)); /* numbers travel as text */
}

const char *item_text(const struct json *item, const char *name) {
    return json_get_str(json_get(item, name), "S");
}

bool item_number(const struct json *item, const char *name, int64_t *out) {
    const char *digits = json_get_str(json_get(item, name), "N");
    char *end;

    if (!digits || !*digits)
        return false;
    *out = strtoll(digits, &end, 10);
    return !*end;
}

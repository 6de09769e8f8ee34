#include "base/list.h"

#include <string.h>

#include "base/buf.h"

/* The length of the next item, to which *p is moved; 0: there is none. */
static size_t next_item(const char **p) {
    *p += strspn(*p, " ");
    return strcspn(*p, " ");
}

static bool has(const char *list, const char *item, size_t len) {
    size_t n;

    for (; (n = next_item(&list)); list += n)
        if (n == len && !memcmp(list, item, len))
            return true;
    return false;
}

bool list_has(const char *list, const char *item) {
    return has(list, item, strlen(item));
}

bool list_covers(const char *whole, const char *part) {
    size_t n;

    for (; (n = next_item(&part)); part += n)
        if (!has(whole, part, n))
            return false;
    return true;
}

static const char *list_select(struct arena *a, const char *list, const char *others, bool wanted) {
    struct buf b;
    size_t n;

    buf_init(&b, a, strlen(list) + 1);
    for (; (n = next_item(&list)); list += n)
        if (has(others, list, n) == wanted && !has(b.p, list, n)) {
            buf_adds(&b, b.len ? " " : "");
            buf_add(&b, list, n);
        }
    return b.p;
}

const char *list_among(struct arena *a, const char *list, const char *others) {
    return list_select(a, list, others, true);
}

const char *list_without(struct arena *a, const char *list, const char *others) {
    return list_select(a, list, others, false);
}

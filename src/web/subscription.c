#include "web/subscription.h"

#include <unistd.h>

/* What each begins with in a list; argument and text follow. */
struct head {
    uint32_t kind, argument_len, text_len;
};

void subscription_add(struct buf *b, enum subscription_kind kind, struct text argument,
                      struct text text) {
    struct head head = {kind, (uint32_t)argument.len, (uint32_t)text.len};

    buf_add(b, &head, sizeof head);
    buf_add(b, argument.p, argument.len);
    buf_add(b, text.p, text.len);
}

size_t subscription_write(const struct subscription *s, char *out, size_t max) {
    struct head head = {s->kind, (uint32_t)s->argument.len, (uint32_t)s->text.len};
    size_t len = sizeof head + s->argument.len + s->text.len;

    if (len > max)
        return 0;
    memcpy(out, &head, sizeof head);
    memcpy(out + sizeof head, s->argument.p, s->argument.len);
    memcpy(out + sizeof head + s->argument.len, s->text.p, s->text.len);
    return len;
}

bool subscription_next(struct text *list, struct subscription *out) {
    struct head head;
    size_t remaining = list->len;

    if (remaining < sizeof head)
        return false;
    memcpy(&head, list->p, sizeof head);
    remaining -= sizeof head;
    if (head.kind < SUBSCRIPTION_FILE || head.kind > SUBSCRIPTION_EVENT_IDS ||
        head.argument_len > remaining || head.text_len > remaining - head.argument_len)
        return false;
    out->kind = head.kind;
    out->argument = (struct text){list->p + sizeof head, head.argument_len};
    out->text = (struct text){out->argument.p + head.argument_len, head.text_len};
    *list =
        (struct text){out->text.p + head.text_len, remaining - head.argument_len - head.text_len};
    return true;
}

bool subscription_find(struct text list, enum subscription_kind kind, struct subscription *out) {
    while (subscription_next(&list, out))
        if (out->kind == kind)
            return true;
    *out = (struct subscription){0};
    return false;
}

bool subscription_next_argument(struct text *list, enum subscription_kind kind,
                                struct text argument, struct subscription *out) {
    struct text before = out->text;

    for (; subscription_next(list, out); before = out->text) {
        if (!out->text.len)
            out->text = before;
        if (out->kind == kind && text_equal(out->argument, argument))
            return true;
    }
    *out = (struct subscription){0};
    return false;
}

bool subscription_find_argument(struct text list, enum subscription_kind kind, struct text argument,
                                struct subscription *out) {
    *out = (struct subscription){0};
    return subscription_next_argument(&list, kind, argument, out);
}

bool subscription_folder_path(const char *dir, char path[SUBSCRIPTION_PATH_MAX]) {
    size_t len = strlen(dir);
    char here[SUBSCRIPTION_PATH_MAX] = "";

    while (len > 1 && dir[len - 1] == '/')
        len--;
    if (!len || (*dir != '/' && !getcwd(here, sizeof here)))
        return false;
    return snprintf(path, SUBSCRIPTION_PATH_MAX, "%s%s%.*s", here, *here ? "/" : "", (int)len,
                    dir) < SUBSCRIPTION_PATH_MAX;
}

/* Replies for tests that need no server. */
#ifndef REPLY_OF_H
#define REPLY_OF_H

#include "unit.h"

#include "net/http.h"

/* A reply with these header lines, as http_fetch splits them. */
static inline struct http_reply reply_of(struct arena *a, const char *head) {
    struct http_reply_field *fields = arena_alloc(a, 8 * sizeof *fields);
    struct http_reply rp = {.status = 200, .fields = fields};
    char *rest = arena_strdup(a, head), *line;

    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, ':'), *end = strchr(line, '\r');

        if (!value)
            continue;
        *value++ = 0;
        value += strspn(value, " ");
        while (end > value && end[-1] == ' ')
            end--;
        *end = 0;
        assert_true(rp.field_count < 8);
        fields[rp.field_count++] = (struct http_reply_field){line, value};
    }
    return rp;
}

#endif

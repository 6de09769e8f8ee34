#include "base/problems.h"

void problems_begin(struct problems *p) {
    *p = (struct problems){0};
    p->f = open_memstream(&p->text, &p->len);
    if (!p->f)
        out_of_memory("stream", 0);
}

const char *problems_next(struct problems *p) {
    const char *line;

    if (p->f) {
        (void)fclose(p->f);
        p->f = NULL;
        p->rest = p->text;
    }
    while ((line = strsep(&p->rest, "\n")))
        if (*line)
            return line;
    free(p->text);
    p->text = NULL;
    return NULL;
}

void problems_end(struct problems *p, const char *event) {
    for (const char *line; (line = problems_next(p));)
        if (event)
            log_warn(event, kv("problem", line));
}

#include "app/problems.h"

#include <unistd.h>

void problems_begin(struct problems *p) {
    p->f = open_memstream(&p->text, &p->len);
    if (!p->f)
        out_of_memory("stream", 0);
}

void problems_end(struct problems *p, const char *event) {
    char *save = NULL;

    (void)fclose(p->f);
    for (char *line = event ? strtok_r(p->text, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save))
        log_warn(event, kv("problem", line));
    free(p->text);
}

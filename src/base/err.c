#include "base/err.h"

#include <stdarg.h>

enum rc err_set(struct err *e, enum rc code, const char *fmt, ...) {
    va_list ap;

    e->code = code;
    e->detail[0] = 0;
    e->advice = NULL;
    e->position.line = e->position.column = 0;
    e->position.file = NULL;
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    return code;
}

enum rc err_detail(struct err *e, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(e->detail, sizeof e->detail, fmt, ap);
    va_end(ap);
    return e->code;
}

void err_print(FILE *out, const char *path, const struct err *e) {
    if (e->position.line)
        (void)fprintf(out, "%s:%u:%u: %s\n", path, e->position.line, e->position.column, e->text);
    else
        (void)fprintf(out, "%s: %s\n", path, e->text);
}

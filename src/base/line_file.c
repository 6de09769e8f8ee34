#include "base/line_file.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"

#define PROBLEM_BYTES_MAX 512 /* of a message about a line */

void line_file_bad(struct line_file *f, const char *fmt, ...) {
    char text[PROBLEM_BYTES_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    text_mask_controls(text);
    (void)fprintf(f->problems, "%s:%u: %s\n", f->path, f->line, text);
    f->bad++;
}

bool line_file_read(struct line_file *f, void (*read_line)(void *arg, char *line), void *arg,
                    const char **why) {
    const int fd = file_open(f->path, why);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    size_t bytes = 0, room = 0;
    char *line = NULL;
    ssize_t len;

    if (fd >= 0 && !in) {
        *why = strerror(errno);
        (void)close(fd);
    }
    if (!in)
        return false;
    while ((len = getline(&line, &room, in)) >= 0) {
        f->line++;
        bytes += (size_t)len;
        if ((size_t)len > f->line_bytes_max || bytes > f->bytes_max) {
            line_file_bad(f, "%s", f->too_long);
            break;
        }
        if (strlen(line) < (size_t)len)
            line_file_bad(f, "the line has a NUL byte in it");
        else
            read_line(arg, line + (f->line == 1 ? utf8_bom_length(line, strlen(line)) : 0));
    }
    if (ferror(in))
        line_file_bad(f, "%s", strerror(errno));
    free(line);
    (void)fclose(in);
    return true;
}

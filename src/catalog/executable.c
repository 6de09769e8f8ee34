#include "catalog/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/base.h"
#include "base/utf8.h"

#define FIRST_LINE_MAX 255 /* what the kernel reads of a script: BINPRM_BUF_SIZE less its NUL */

static bool is_in_path(struct arena *a, const char *name) {
    char *path = arena_strdup(a, PROGRAM_PATH), *save = NULL;

    for (char *dir = strtok_r(path, ":", &save); dir; dir = strtok_r(NULL, ":", &save))
        if (!access(arena_printf(a, "%s/%s", dir, name), X_OK))
            return true;
    return false;
}

/* The program that env(1) would start; NULL: unknown. */
static const char *program_of_env(char **save) {
    const char *word = strtok_r(NULL, " \t", save);

    while (word && (!strcmp(word, "-S") || (*word != '-' && strchr(word, '='))))
        word = strtok_r(NULL, " \t", save);
    return word && *word != '-' && !strchr(word, '/') ? word : NULL;
}

/* execve(2), "Interpreter scripts". `line` is the text after #!. */
static const char *interpreter_fault(struct arena *a, char *line) {
    char *save = NULL;
    const char *interpreter, *program;

    if (strchr(line, '\r'))
        return "its lines end in CRLF, as on Windows: save it with LF";
    interpreter = strtok_r(line, " \t", &save);
    if (!interpreter)
        return "there is no interpreter after its #!";
    if (*interpreter != '/')
        return arena_printf(a, "its interpreter %s must be an absolute path", interpreter);
    if (access(interpreter, X_OK))
        return arena_printf(a, "its interpreter %s: %s", interpreter, strerror(errno));
    program = strcmp(strrchr(interpreter, '/'), "/env") ? NULL : program_of_env(&save);
    if (program && !is_in_path(a, program))
        return arena_printf(a, "its interpreter %s is not in PATH (%s)", program, PROGRAM_PATH);
    return NULL;
}

/* Reads the first bytes, with a NUL after them; -1: it cannot be read. */
static ssize_t read_head(const char *path, char *head, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, head, size - 1);

    if (fd >= 0)
        (void)close(fd);
    head[n < 0 ? 0 : n] = 0;
    return n;
}

const char *executable_fault(struct arena *a, const char *path) {
    char head[FIRST_LINE_MAX + 1];
    ssize_t n = read_head(path, head, sizeof head);
    size_t len = n < 0 ? 0 : (size_t)n, bom;

    if (n < 0)
        return NULL; /* a program need not be readable */
    if (!len)
        return "it is empty";
    if (len >= 4 && !memcmp(head, "\177ELF", 4))
        return NULL;
    bom = utf8_bom_length(head, len);
    if (bom && !strncmp(head + bom, "#!", 2))
        return "a byte order mark stands before its #!: save it without one";
    if (strncmp(head, "#!", 2) != 0)
        return "it does not begin with a line such as #!/bin/sh";
    head[strcspn(head, "\n")] = 0;
    return interpreter_fault(a, head + 2);
}

#include "catalog/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "base/utf8.h"

/* ---- can it be started? ---- */

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

/* Why execve would fail for a file with the right permissions; NULL: it would not. For a script
 * with a wrong first line the kernel only reports "No such file or directory", and only at the
 * start. */
static const char *executable_fault(struct arena *a, const char *path) {
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

/* ---- "run" of a manifest ---- */

/* The program, as an absolute path that can be run now. */
static enum rc find_file(const struct manifest *m, const char *member, const char *given,
                         const char **out) {
    char real[PATH_MAX];
    struct stat st;
    const char *fault,
        *path = *given == '/' ? given : arena_printf(m->scratch, "%s/%s", m->dir, given);

    if (!realpath(path, real) || stat(real, &st))
        return err_set(m->e, ERR_INVALID_REQUEST, "%s: %s: %s", member,
                       text_quotable(m->scratch, given), strerror(errno));
    if (!S_ISREG(st.st_mode) || access(real, X_OK))
        return err_set(m->e, ERR_INVALID_REQUEST, "%s: %s is not an executable file", member,
                       text_quotable(m->scratch, given));
    fault = executable_fault(m->scratch, real);
    if (fault)
        return err_set(m->e, ERR_INVALID_REQUEST, "%s: %s: %s", member,
                       text_quotable(m->scratch, given), fault);
    /* Not the resolved name: some programs depend on the name that they are called by. */
    *out = arena_strdup(m->keep, path);
    return OK;
}

static enum rc read_command(const struct manifest *m, const struct json *command,
                            const char *member, struct program *out) {
    size_t n = json_len(command);
    const char **argv;

    if (!n || n > PROGRAM_ARGS_MAX)
        return manifest_bad(m, member, "must be an array of 1 to 64 strings");
    argv = arena_alloc(m->keep, (n + 1) * sizeof *argv);
    for (size_t i = 0; i < n; i++) {
        argv[i] = json_str(json_at(command, i));
        if (!argv[i] || (!i && !*argv[i]))
            return manifest_bad(m, member, "must be an array of 1 to 64 strings");
        argv[i] = arena_strdup(m->keep, argv[i]);
    }
    out->argv = argv;
    out->dir = arena_strdup(m->keep, m->dir);
    return find_file(m, member, argv[0], &argv[0]);
}

static enum rc read_output(const struct manifest *m, const struct json *run,
                           enum output_form *out) {
    const struct program_output *outputs = m->outputs;
    const char *given = json_get_str(run, "output");
    struct buf names;

    *out = outputs->form;
    if (!json_has(run, "output"))
        return OK;
    buf_init(&names, m->scratch, 128);
    for (; outputs->name; outputs++) {
        if (given && !strcmp(given, outputs->name)) {
            *out = outputs->form;
            return OK;
        }
        buf_addf(&names, "%s\"%s\"",
                 !names.len        ? ""
                 : outputs[1].name ? ", "
                                   : " or ",
                 outputs->name);
    }
    return err_set(m->e, ERR_INVALID_REQUEST, "run.output must be %s", names.p);
}

static enum rc read_truncate(const struct manifest *m, const struct json *run,
                             struct program *out) {
    if (json_has(run, "truncate_output") && !json_is_bool(json_get(run, "truncate_output")))
        return manifest_bad(m, "run.truncate_output", "must be true or false");
    out->truncate = json_get_bool(run, "truncate_output");
    return out->truncate && out->output != OUTPUT_TEXT
               ? manifest_bad(m, "run.truncate_output", "needs \"output\": \"text\"")
               : OK;
}

static enum rc read_program(const struct manifest *m, const struct json *run, struct source *out) {
    const struct manifest_limit timeout = {"timeout_ms", PROGRAM_TIMEOUT_MS_DEFAULT, 1,
                                           json_has(run, "task") ? TASK_TIMEOUT_MS_MAX
                                                                 : PROGRAM_TIMEOUT_MS_MAX};
    const struct manifest_limit output = {"max_output_bytes", PROGRAM_OUTPUT_BYTES_DEFAULT, 1,
                                          PROGRAM_OUTPUT_BYTES_MAX};
    struct program *p = arena_alloc(m->keep, sizeof *p);
    int64_t output_max = 0;
    enum rc rc = read_command(m, json_get(run, "command"), "run.command", p);

    out->spec = p;
    if (!rc)
        rc = read_output(m, run, &p->output);
    if (!rc)
        rc = manifest_limit(m, run, &timeout, &out->timeout_ms);
    if (!rc)
        rc = manifest_limit(m, run, &output, &output_max);
    p->output_max = (size_t)output_max;
    out->gives_text = p->output == OUTPUT_TEXT;
    return rc ? rc : read_truncate(m, run, p);
}

static const char *const options[] = {"output", "timeout_ms", "truncate_output", NULL};
const struct source_kind program_source = {"command", options, read_program};

/* A program with a command and default limits. */
static enum rc program_read_plain(const struct manifest *m, const struct json *command,
                                  const char *member, struct source *out) {
    struct program *p = arena_alloc(m->keep, sizeof *p);

    p->output_max = PROGRAM_OUTPUT_BYTES_DEFAULT;
    *out = (struct source){&program_source, p, PROGRAM_TIMEOUT_MS_DEFAULT, true};
    return read_command(m, command, member, p);
}

/* ---- completions ---- */

static enum rc read_one(const struct manifest *m, struct json *v, struct completion *out) {
    if (json_is_object(v)) {
        static const char *const known[] = {"command", NULL};
        enum rc rc = manifest_members(m, v, known, " in run.complete");

        return rc ? rc
                  : program_read_plain(m, json_get(v, "command"), "run.complete", &out->source);
    }
    if (!json_is_array(v))
        return manifest_bad(m, "run.complete", "must have arrays of strings, or a command");
    for (size_t i = 0; i < json_len(v); i++)
        if (!json_str(json_at(v, i)))
            return manifest_bad(m, "run.complete", "must have arrays of strings, or a command");
    out->values = json_clone(m->keep, v);
    return OK;
}

enum rc completion_read(const struct manifest *m, const struct json *complete,
                        const struct json *names, const struct completion **out) {
    struct completion *list;
    struct json_member member;
    size_t n = 0;
    enum rc rc;

    *out = NULL;
    if (!complete)
        return OK;
    if (!json_is_object(complete))
        return manifest_bad(m, "run.complete", "must be an object");
    list = arena_alloc(m->keep, (json_size(complete) + 1) * sizeof *list);
    for (bool more = json_first(complete, &member); more; more = json_next(&member)) {
        if (!json_has(names, member.key))
            return err_set(m->e, ERR_INVALID_REQUEST, "run.complete has %s, which is no argument",
                           text_quotable(m->scratch, member.key));
        list[n].name = arena_strdup(m->keep, member.key);
        rc = read_one(m, member.value, &list[n++]);
        if (rc)
            return rc;
    }
    *out = list;
    return OK;
}

#include "catalog/program.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"

/* ---- can it be started? ---- */

#define FIRST_LINE_MAX 255 /* what the kernel reads of a script: BINPRM_BUF_SIZE less its NUL */

/* Where programs are looked for. */
struct lookup {
    struct arena *a;
    const char *path; /* as the variable PATH has it */
};

/* By its mode and not by access(2): whoever executes it is not always this process, which its own
 * sandbox may allow nothing (NoExecPaths= of systemd.exec(5)). false: errno. */
static bool is_executable(const char *path) {
    struct stat st;

    if (stat(path, &st))
        return false;
    errno = EACCES;
    return S_ISREG(st.st_mode) && st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH);
}

/* NULL: it is in none of them. */
static const char *find_in_path(const struct lookup *l, const char *name) {
    char *dirs = arena_strdup(l->a, l->path), *save = NULL;

    for (char *dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        const char *path = arena_printf(l->a, "%s/%s", dir, name);

        if (is_executable(path))
            return path;
    }
    return NULL;
}

/* The program that env(1) would start; NULL: unknown. */
static const char *program_of_env(char **save) {
    const char *word = strtok_r(NULL, " \t", save);

    while (word && (!strcmp(word, "-S") || (*word != '-' && strchr(word, '='))))
        word = strtok_r(NULL, " \t", save);
    return word && *word != '-' && !strchr(word, '/') ? word : NULL;
}

/* execve(2), "Interpreter scripts". `line` is the text after #!. */
static const char *interpreter_fault(const struct lookup *l, char *line) {
    char *save = NULL;
    const char *interpreter, *program;

    if (strchr(line, '\r'))
        return "its lines end in CRLF, as on Windows: save it with LF";
    interpreter = strtok_r(line, " \t", &save);
    if (!interpreter)
        return "there is no interpreter after its #!";
    if (*interpreter != '/')
        return arena_printf(l->a, "its interpreter %s must be an absolute path", interpreter);
    if (!is_executable(interpreter))
        return arena_printf(l->a, "its interpreter %s: %s", interpreter, strerror(errno));
    program = strcmp(strrchr(interpreter, '/'), "/env") ? NULL : program_of_env(&save);
    if (program && !find_in_path(l, program))
        return arena_printf(l->a, "its interpreter %s is not in PATH (%s)", program, l->path);
    return NULL;
}

/* Why execve would fail for a file with the right permissions; NULL: it would not. For a script
 * with a wrong first line the kernel only reports "No such file or directory", and only when it is
 * started. */
static const char *executable_fault(const struct lookup *l, const char *path) {
    char head[FIRST_LINE_MAX + 1];
    const char *why;
    int fd = file_open(path, &why);
    ssize_t n = fd < 0 ? -1 : file_read_all(fd, head, sizeof head - 1);
    size_t len = n < 0 ? 0 : (size_t)n, bom;

    if (fd >= 0)
        (void)close(fd);
    if (n < 0)
        return NULL; /* a program need not be readable */
    head[len] = 0;
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
    return interpreter_fault(l, head + 2);
}

/* ---- "run" of a manifest ---- */

/* The value of PATH; a manifest may set it. */
static const char *path_variable(const struct program *p) {
    static const char name[] = "PATH=";

    for (const char **variable = p->env; *variable; variable++)
        if (!strncmp(*variable, name, sizeof name - 1))
            return *variable + sizeof name - 1;
    return PROGRAM_PATH;
}

static enum rc command_error(const struct program_members *p, const char *given, const char *why) {
    return program_errorf(p, ".command: %s: %s", text_quotable(p->m->scratch, given), why);
}

/* argv[0] becomes the program's absolute path; it can be run now. */
static enum rc find_file(const struct program_members *p, struct program *out) {
    const struct lookup lookup = {p->m->scratch, path_variable(out)};
    const char *given = out->argv[0], *fault;
    char real[PATH_MAX];
    const char *path =
        *given == '/' ? given : arena_printf(p->m->scratch, "%s/%s", p->m->dir, given);

    if (p->search_path && !strchr(given, '/')) {
        path = find_in_path(&lookup, given);
        if (!path)
            return command_error(
                p, given, arena_printf(p->m->scratch, "it is not in PATH (%s)", lookup.path));
    }
    if (!realpath(path, real))
        return command_error(p, given, strerror(errno));
    if (!is_executable(real))
        return command_error(p, given, "it is not an executable file");
    fault = executable_fault(&lookup, real);
    if (fault)
        return command_error(p, given, fault);
    /* Not the resolved name: some programs depend on the name that they are called by. */
    out->argv[0] = arena_strdup(p->m->keep, path);
    return OK;
}

static enum rc read_command(const struct program_members *p, struct program *out) {
    out->argv = manifest_strings(p->m, json_get(p->object, "command"), PROGRAM_ARGS_MAX);
    if (!out->argv || !*out->argv || !**out->argv)
        return program_errorf(p, ".command must be an array of 1 to %d strings", PROGRAM_ARGS_MAX);
    out->dir = arena_strdup(p->m->keep, p->m->dir);
    return find_file(p, out);
}

/* The message to the runner is limited (runner/request.h), and has more than these. */
static enum rc check_size(const struct program_members *p, const struct program *out) {
    const char **const lists[] = {out->argv, out->env, out->read, out->write};
    size_t bytes = 0;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const char **s = lists[i]; *s; s++)
            bytes += strlen(*s) + 1;
    if (bytes <= PROGRAM_TEXT_MAX)
        return OK;
    return program_errorf(
        p, ": command, env, read and write have %zu bytes together; they may have %d", bytes,
        PROGRAM_TEXT_MAX);
}

enum rc program_read_start(const struct program_members *p, struct program *out) {
    return program_read_inputs(p, out) || program_read_access(p, out) || read_command(p, out)
               ? p->m->e->code
               : check_size(p, out);
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
    return manifest_errorf(m, "run.output must be %s", names.p);
}

static enum rc read_truncate(const struct manifest *m, const struct json *run,
                             struct program *out) {
    if (manifest_read_bool(m, run, "run.truncate_output", &out->truncate))
        return m->e->code;
    return out->truncate && out->output != OUTPUT_TEXT
               ? manifest_error(m, "run.truncate_output", "needs \"output\": \"text\"")
               : OK;
}

/* Its answers are lines: text that has newlines is none. */
static enum rc read_persistent(const struct manifest *m, const struct json *run,
                               struct program *out) {
    static const struct manifest_limit idle = {"idle_s", PROGRAM_IDLE_S_DEFAULT, 1,
                                               PROGRAM_IDLE_S_MAX};
    const struct json *given = json_get(run, "persistent");
    const char *word = json_str(given);

    if (json_has(run, "persistent") && !json_is_bool(given) && (!word || strcmp(word, "user") != 0))
        return manifest_error(m, "run.persistent", "must be true, false or \"user\"");
    out->lifetime = word                               ? PERSISTENT_PER_USER
                    : json_get_bool(run, "persistent") ? PERSISTENT
                                                       : RUNS_ONCE;
    if (out->lifetime == RUNS_ONCE && json_has(run, "idle_s"))
        return manifest_error(m, "run.idle_s", "is only valid with run.persistent");
    if (out->lifetime != RUNS_ONCE && out->output != OUTPUT_JSON && out->output != OUTPUT_STREAM)
        return manifest_error(m, "run.persistent", "needs \"output\": \"json\" or \"stream\"");
    return manifest_read_limit(m, run, &idle, &out->idle_s);
}

static enum rc read_program(const struct manifest *m, const struct json *run, struct source *out) {
    const struct manifest_limit timeout = {"timeout_ms", PROGRAM_TIMEOUT_MS_DEFAULT, 1,
                                           json_has(run, "task") ? TASK_TIMEOUT_MS_MAX
                                                                 : PROGRAM_TIMEOUT_MS_MAX};
    const struct manifest_limit output = {"max_output_bytes", PROGRAM_OUTPUT_BYTES_DEFAULT, 1,
                                          PROGRAM_OUTPUT_BYTES_MAX};
    struct program *p = arena_alloc(m->keep, sizeof *p);
    int64_t output_max = 0;

    out->spec = p;
    if (program_read_start(&(struct program_members){m, run, "run", false}, p) ||
        read_output(m, run, &p->output) ||
        manifest_read_limit(m, run, &timeout, &out->timeout_ms) ||
        manifest_read_limit(m, run, &output, &output_max) || read_truncate(m, run, p) ||
        quota_read(m, run, "run", &out->quota))
        return m->e->code;
    p->output_max = (size_t)output_max;
    out->gives_text = p->output == OUTPUT_TEXT;
    return read_persistent(m, run, p);
}

/* Options of every program, and those of one that answers a call. */
#define START_OPTIONS                                                                              \
    "env", "secrets", "claims", "home", "instance_metadata", "read", "write", "limits"
static const char *const options[] = {START_OPTIONS, "output", "timeout_ms", "truncate_output",
                                      "persistent",  "idle_s", "quota",      NULL};
const struct source_kind program_source = {"command", options, read_program};

/* ---- completions ---- */

/* Of output and time it has the default limits. */
static enum rc read_completion_program(const struct manifest *m, const struct json *v,
                                       struct source *out) {
    static const char *const known[] = {"command", START_OPTIONS, NULL};
    struct program *p = arena_alloc(m->keep, sizeof *p);

    p->output_max = PROGRAM_OUTPUT_BYTES_DEFAULT;
    *out = (struct source){&program_source, p, PROGRAM_TIMEOUT_MS_DEFAULT, true, NULL};
    return manifest_check_members(m, v, known, " in run.complete")
               ? m->e->code
               : program_read_start(&(struct program_members){m, v, "run.complete", false}, p);
}

static enum rc read_completion(const struct manifest *m, struct json *v, struct completion *out) {
    bool is_list = json_is_array(v);

    if (json_is_object(v))
        return read_completion_program(m, v, &out->source);
    for (size_t i = 0; is_list && i < json_len(v); i++)
        is_list = json_str(json_at(v, i));
    if (!is_list)
        return manifest_error(m, "run.complete", "must have arrays of strings, or a command");
    out->values = json_clone(m->keep, v);
    return OK;
}

enum rc completion_read(const struct manifest *m, const struct json *complete,
                        const struct json *names, const struct completion **out) {
    struct completion *list;
    size_t n = 0;

    *out = NULL;
    if (!complete)
        return OK;
    if (!json_is_object(complete))
        return manifest_error(m, "run.complete", "must be an object");
    list = arena_alloc(m->keep, (json_size(complete) + 1) * sizeof *list);
    for (struct json_member member = json_first(complete); member.key; json_next(&member)) {
        if (!json_has(names, member.key))
            return manifest_errorf(m, "run.complete has %s, which is not an argument",
                                   text_quotable(m->scratch, member.key));
        list[n].name = arena_strdup(m->keep, member.key);
        if (read_completion(m, member.value, &list[n++]))
            return m->e->code;
    }
    *out = list;
    return OK;
}

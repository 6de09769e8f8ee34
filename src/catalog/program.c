#include "catalog/program.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "catalog/executable.h"

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

enum rc program_read_plain(const struct manifest *m, const struct json *command, const char *member,
                           struct source *out) {
    struct program *p = arena_alloc(m->keep, sizeof *p);

    p->output_max = PROGRAM_OUTPUT_BYTES_DEFAULT;
    *out = (struct source){&program_source, p, PROGRAM_TIMEOUT_MS_DEFAULT, true};
    return read_command(m, command, member, p);
}

#include "catalog/manifest.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/suggest.h"
#include "base/text.h"
#include "base/url.h"
#include "catalog/executable.h"

#define SCOPES_MAX 1024                      /* bytes of the scopes of one manifest */
#define SCRATCH_BYTES_MAX ((size_t)64 << 20) /* to read one */

enum rc manifest_bad(const struct manifest *m, const char *member, const char *what) {
    return err_set(m->e, ERR_INVALID_REQUEST, "%s %s", member, what);
}

struct known {
    const char *const *names;
    const char *unknown;
};

static bool is_known(const char *key, struct json *v, void *arg) {
    struct known *k = arg;

    (void)v;
    for (const char *const *name = k->names; *name; name++)
        if (!strcmp(key, *name))
            return true;
    k->unknown = key;
    return false;
}

enum rc manifest_members(const struct manifest *m, const struct json *object,
                         const char *const *names, const char *where) {
    struct known k = {names, NULL};
    const char *meant;

    json_each(object, is_known, &k);
    if (!k.unknown)
        return OK;
    meant = suggest(k.unknown, names);
    return err_set(m->e, ERR_INVALID_REQUEST, "unknown member \"%s\"%s%s%s%s",
                   text_quotable(m->scratch, k.unknown), where, meant ? "; did you mean " : "",
                   meant ? meant : "", meant ? "?" : "");
}

/* "Tool Names" */
bool manifest_is_name(const char *s) {
    size_t len = s ? strlen(s) : 0;

    if (!len || len > MANIFEST_NAME_MAX)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-' && *s != '.')
            return false;
    return true;
}

enum rc manifest_common(const struct manifest *m, const struct json *v) {
    static const char *const strings[] = {"title", "description", NULL};
    static const char *const objects[] = {"annotations", "_meta", NULL};

    if (!manifest_is_name(json_get_str(v, "name")))
        return manifest_bad(m, "name", "must be 1 to 128 of A-Z a-z 0-9 _ - .");
    for (const char *const *s = strings; *s; s++)
        if (json_has(v, *s) && !json_is_string(json_get(v, *s)))
            return manifest_bad(m, *s, "must be a string");
    for (const char *const *s = objects; *s; s++)
        if (json_has(v, *s) && !json_is_object(json_get(v, *s)))
            return manifest_bad(m, *s, "must be an object");
    if (json_has(v, "icons") && !json_is_array(json_get(v, "icons")))
        return manifest_bad(m, "icons", "must be an array");
    return OK;
}

/* The program, as an absolute path that can be run now. */
static enum rc read_program(const struct manifest *m, const char *member, const char *given,
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
    /* Not the resolved name: a program may go by the name that it is called under. */
    *out = arena_strdup(m->keep, path);
    return OK;
}

enum rc manifest_command(const struct manifest *m, const struct json *command, const char *member,
                         struct tool_run *out) {
    size_t n = json_len(command);
    const char **argv;

    if (!n || n > MANIFEST_ARGS_MAX)
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
    return read_program(m, member, argv[0], &argv[0]);
}

enum rc manifest_limit(const struct manifest *m, const struct json *run, const char *name,
                       int64_t standard, int64_t min, int64_t max, int64_t *out) {
    *out = standard;
    if (!json_has(run, name))
        return OK;
    if (json_get_int(run, name, out) && *out >= min && *out <= max)
        return OK;
    return err_set(m->e, ERR_INVALID_REQUEST, "run.%s must be an integer from %lld to %lld", name,
                   (long long)min, (long long)max);
}

static enum rc read_output(const struct manifest *m, const struct json *run,
                           const struct manifest_output *outputs, enum tool_output *out) {
    const char *given = json_get_str(run, "output");
    struct buf names;

    *out = outputs->output;
    if (!json_has(run, "output"))
        return OK;
    buf_init(&names, m->scratch, 128);
    for (; outputs->name; outputs++) {
        if (given && !strcmp(given, outputs->name)) {
            *out = outputs->output;
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
                             struct tool_run *out) {
    if (json_has(run, "truncate_output") && !json_is_bool(json_get(run, "truncate_output")))
        return manifest_bad(m, "run.truncate_output", "must be true or false");
    out->truncate = json_get_bool(run, "truncate_output");
    return out->truncate && out->output != TOOL_OUTPUT_TEXT
               ? manifest_bad(m, "run.truncate_output", "needs \"output\": \"text\"")
               : OK;
}

enum rc manifest_program(const struct manifest *m, const struct json *run,
                         const struct manifest_output *outputs, struct tool_run *out) {
    int64_t output_max = 0;
    enum rc rc = manifest_command(m, json_get(run, "command"), "run.command", out);

    if (!rc)
        rc = read_output(m, run, outputs, &out->output);
    if (!rc)
        rc = manifest_limit(m, run, "timeout_ms", TOOL_TIMEOUT_MS_DEFAULT, 1,
                            json_has(run, "task") ? TASK_TIMEOUT_MS_MAX : TOOL_TIMEOUT_MS_MAX,
                            &out->timeout_ms);
    if (!rc)
        rc = manifest_limit(m, run, "max_output_bytes", TOOL_OUTPUT_BYTES_DEFAULT, 1,
                            TOOL_OUTPUT_BYTES_MAX, &output_max);
    out->output_max = (size_t)output_max;
    return rc ? rc : read_truncate(m, run, out);
}

/* RFC 6749 §3.3 scope-token: these go into a header. */
static bool is_scope(const char *s) {
    if (!s || !*s)
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s > '~' || *s == '"' || *s == '\\')
            return false;
    return true;
}

enum rc manifest_scopes(const struct manifest *m, const struct json *run, const char **out) {
    const struct json *scopes = json_get(run, "scopes");
    struct buf b;

    if (json_has(run, "scopes") && !json_is_array(scopes))
        return manifest_bad(m, "run.scopes", "must be an array of scopes");
    buf_init(&b, m->keep, SCOPES_MAX);
    for (size_t i = 0; i < json_len(scopes); i++) {
        const char *scope = json_str(json_at(scopes, i));

        if (!is_scope(scope))
            return manifest_bad(m, "run.scopes", "must be an array of scopes");
        if (!list_has(b.p, scope))
            buf_addf(&b, "%s%s", b.len ? " " : "", scope);
    }
    *out = b.p;
    return b.overflow ? manifest_bad(m, "run.scopes", "are too long") : OK;
}

static enum rc read_completion(const struct manifest *m, struct json *v, struct completion *out) {
    if (json_is_object(v)) {
        static const char *const known[] = {"command", NULL};
        enum rc rc = manifest_members(m, v, known, " in run.complete");

        out->run.timeout_ms = TOOL_TIMEOUT_MS_DEFAULT;
        out->run.output_max = TOOL_OUTPUT_BYTES_DEFAULT;
        return rc ? rc : manifest_command(m, json_get(v, "command"), "run.complete", &out->run);
    }
    if (!json_is_array(v))
        return manifest_bad(m, "run.complete", "must have arrays of strings, or a command");
    for (size_t i = 0; i < json_len(v); i++)
        if (!json_str(json_at(v, i)))
            return manifest_bad(m, "run.complete", "must have arrays of strings, or a command");
    out->values = json_clone(m->keep, v);
    return OK;
}

enum rc manifest_complete(const struct manifest *m, const struct json *complete,
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
        rc = read_completion(m, member.value, &list[n++]);
        if (rc)
            return rc;
    }
    *out = list;
    return OK;
}

static int file_order(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_manifest(const struct dirent *d) {
    size_t len = strlen(d->d_name);

    return d->d_name[0] != '.' && len > 5 && !strcmp(d->d_name + len - 5, ".json");
}

static enum rc open_manifest(struct manifest *m, const char *dir) {
    char real_dir[PATH_MAX];
    enum rc rc;

    if (!realpath(dir, real_dir)) /* programs run there: it must not depend on our own directory */
        return err_set(m->e, ERR_INVALID_REQUEST, "%s", strerror(errno));
    m->dir = arena_strdup(m->scratch, real_dir);
    m->given_dir = *dir == '/' ? dir : m->dir;
    rc = json_parse_file(m->scratch, arena_printf(m->scratch, "%s/%s", dir, m->file),
                         MANIFEST_BYTES_MAX, &m->v, m->e);
    if (!rc && !json_is_object(m->v))
        return manifest_bad(m, "a manifest", "must be a JSON object");
    return rc;
}

void manifest_load_all(const char *dir, struct arena *keep, FILE *problems, unsigned *bad,
                       manifest_load_fn *load, void *set) {
    struct arena *scratch;
    struct dirent **files;
    int n = scandir(dir, &files, is_manifest, file_order);

    if (n < 0) {
        (void)fprintf(problems, "%s: %s\n", dir, strerror(errno));
        (*bad)++;
        return;
    }
    scratch = arena_new(SCRATCH_BYTES_MAX);
    for (int i = 0; i < n; i++) {
        struct err e = {0};
        struct manifest m = {.file = arena_strdup(keep, files[i]->d_name),
                             .keep = keep,
                             .scratch = scratch,
                             .e = &e};

        if (open_manifest(&m, dir) || load(set, &m)) {
            err_print(problems, arena_printf(scratch, "%s/%s", dir, m.file), &e);
            (*bad)++;
        }
        free(files[i]);
        arena_reset(scratch);
    }
    free(files);
    arena_free(scratch);
}

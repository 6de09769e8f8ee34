/* Manifests: the JSON files of TOOLS_DIR, RESOURCES_DIR and PROMPTS_DIR. Each is an object of MCP
 * with a member "run", which says how it is served. Unknown members are refused: a mistyped limit
 * must not become no limit. */
#pragma once

#include "base/json.h"

/* Limits of a manifest (docs/tools.md). */
#define MANIFEST_BYTES_MAX 65536
#define MANIFEST_NAME_MAX 128
#define QUOTA_MAX 1000000000

/* One manifest while it is read. `keep` has what is needed afterwards; `scratch` is wiped before
 * the next manifest. */
struct manifest {
    const char *dir, *file; /* its directory as a real path, and its name there */
    const char *kind;       /* such as "tool" */
    /* The directory as configured if that is absolute, else dir: its symbolic links are followed
     * each time that a file is read. */
    const char *given_dir;
    struct arena *keep, *scratch;
    struct json *v; /* the whole manifest */
    const struct config *config;
    const struct catalog_sources *sources;
    const struct program_output *outputs; /* allowed for its kind */
    struct err *e;
};

/* Each of the following returns ERR_INVALID_REQUEST with the reason if the manifest is wrong. */

/* Reads m->file in m->dir: fills v. */
enum rc manifest_open(struct manifest *m) MUST_USE;
#define manifest_errorf(m, ...) err_set((m)->e, ERR_INVALID_REQUEST, __VA_ARGS__)
#define manifest_error(m, member, what) manifest_errorf(m, "%s %s", member, what)
/* Checks that the object has only these members, in an array that NULL ends. `where` is the end of
 * the error's sentence, such as " in run". */
enum rc manifest_check_members(const struct manifest *m, const struct json *object,
                               const char *const *names, const char *where) MUST_USE;
/* Checks that the manifest has only these members, and that those which all kinds share ("name",
 * "title", "description", "icons", "annotations" and "_meta") have the right types. */
enum rc manifest_check_definition(const struct manifest *m, const char *const *names) MUST_USE;
/* Of those that are there: "title", "description" and "mimeType" are strings, and so on. */
enum rc manifest_check_types(const struct manifest *m) MUST_USE;
/* An optional member, whose name is the last one of `path`: without it, false. */
enum rc manifest_read_bool(const struct manifest *m, const struct json *object, const char *path,
                           bool *out) MUST_USE;
/* A list of the array's strings, which NULL ends. NULL: it is no array of at most `max` strings. */
const char **manifest_strings(const struct manifest *m, const struct json *array, size_t max);
bool manifest_is_name(const char *s);
/* An optional integer of "run". */
struct manifest_limit {
    const char *member;
    int64_t default_value, min, max;
};
enum rc manifest_read_limit(const struct manifest *m, const struct json *run,
                            const struct manifest_limit *limit, int64_t *out) MUST_USE;

/* How many calls a day (UTC) may be made of what a manifest describes; 0: any number. */
struct quota {
    const char *of; /* what is counted: kind and name of the manifest's file, as "tool weather" */
    uint32_t user, all; /* of one user, and of all together */
};
/* "quota" of "run", or of a server's manifest, which is `where` in errors; *out is NULL if there is
 * none. */
enum rc quota_read(const struct manifest *m, const struct json *object, const char *where,
                   const struct quota **out) MUST_USE;

/* ---- the source of an entry's answers, from "run": a program, or another kind of exec/ ---- */

struct source {
    const struct source_kind *kind; /* NULL: the entry has its content itself */
    const void *spec;               /* the kind's own structure */
    int64_t timeout_ms;             /* of one execution */
    bool gives_text;                /* it answers with text, so a tool has no structuredContent */
    const struct quota *quota;      /* NULL: executions are not counted */
};

struct source_kind {
    /* The member of "run" that selects it, such as "command"; NULL: none does. */
    const char *member;
    const char *const *options; /* other members of "run" that belong to it, NULL-terminated */
    /* Fills all but the kind. ERR_INVALID_REQUEST with the reason. */
    enum rc (*read)(const struct manifest *m, const struct json *run, struct source *out);
};

/* A kind of source, and what executes it: only exec/ knows that. */
struct source_executor {
    const struct source_kind *kind;
    const struct executor *executor;
};

/* The kinds of sources and the built-in tools, which exec/ supplies. */
struct catalog_sources {
    /* The first kind is the default; a kind without a member ends the array. */
    const struct source_executor *kinds;
    const struct tool *builtin_tools;
    size_t builtin_count;
};

/* Does "run" name a source? */
bool source_is_given(const struct manifest *m, const struct json *run);
/* Reads the source. If "run" names none, the default kind reports what is missing. Members of two
 * kinds are an error. */
enum rc source_read(const struct manifest *m, const struct json *run, struct source *out) MUST_USE;
/* Checks that "run" is an object that has only the members in `own` and those of the kinds. */
enum rc source_check_members(const struct manifest *m, const struct json *run,
                             const char *const *own) MUST_USE;
/* Checks that "run", which names no source, has no option of one either. */
enum rc source_check_absent(const struct manifest *m, const struct json *run) MUST_USE;

/* Manifests: the JSON files of TOOLS_DIR, RESOURCES_DIR and PROMPTS_DIR. Each is an object of MCP
 * with a member "run", which says how it is served. Unknown members are refused: a mistyped limit
 * must not become no limit. */
#pragma once

#include "base/base.h"
#include "base/json.h"

/* Limits of a manifest (docs/tools.md). */
#define MANIFEST_BYTES_MAX 65536
#define MANIFEST_NAME_MAX 128

struct catalog_sources;
struct program_output;
struct tool;

/* One manifest while it is read. `keep` has what is needed afterwards; `scratch` is wiped before
 * the next manifest. */
struct manifest {
    const char *dir, *file; /* its directory as a real path, and its name there */
    const char *given_dir;  /* the directory as configured if that is absolute, else dir */
    struct arena *keep, *scratch;
    struct json *v; /* the whole manifest */
    const struct catalog_sources *sources;
    const struct program_output *outputs; /* allowed for its kind */
    struct err *e;
};

/* Each of the following returns ERR_INVALID_REQUEST with the reason if the manifest is wrong. */
/* Reads m->file in that directory: fills dir, given_dir and v. */
enum rc manifest_open(struct manifest *m, const char *dir) MUST_USE;
enum rc manifest_bad(const struct manifest *m, const char *member, const char *what);
/* Checks that the object has only these members. `where` ends the error's sentence, such as " in
 * run". */
enum rc manifest_members(const struct manifest *m, const struct json *object,
                         const char *const *names, const char *where) MUST_USE;
/* "name", "title", "description", "icons", "annotations" and "_meta", which all kinds share. */
enum rc manifest_common(const struct manifest *m, const struct json *v) MUST_USE;
bool manifest_is_name(const char *s);
/* Scopes of "run", as one string with spaces between. */
enum rc manifest_scopes(const struct manifest *m, const struct json *run,
                        const char **out) MUST_USE;
/* An optional integer of "run". */
struct manifest_limit {
    const char *member;
    int64_t standard, min, max;
};
enum rc manifest_limit(const struct manifest *m, const struct json *run,
                       const struct manifest_limit *limit, int64_t *out) MUST_USE;

/* ---- the source of an entry's answers, from "run": a program, or another kind of exec/ ---- */

struct source {
    const struct source_kind *kind; /* NULL: the entry has its content itself */
    const void *spec;               /* the kind's own structure */
    int64_t timeout_ms;             /* of one execution */
    bool gives_text;                /* it answers with text: a tool has no structured result */
};

struct source_kind {
    /* The member of "run" that selects it, such as "command"; NULL: none does. */
    const char *member;
    const char *const *options; /* other members of "run" that belong to it, NULL-terminated */
    /* Fills all but the kind. ERR_INVALID_REQUEST with the reason. */
    enum rc (*read)(const struct manifest *m, const struct json *run, struct source *out);
};

/* The kinds of sources and the built-in tools, which exec/ supplies. */
struct catalog_sources {
    const struct source_kind *const *kinds; /* NULL-terminated; the first is the default */
    const struct tool *builtin_tools;
    size_t builtin_count;
};

/* The number of sources that "run" names. */
size_t source_count(const struct manifest *m, const struct json *run);
/* Reads the source. If there is none, the first kind reports what is missing. */
enum rc source_read(const struct manifest *m, const struct json *run, struct source *out) MUST_USE;
/* Checks that "run" is an object that has only the members in `own` and those of the kinds. */
enum rc source_members(const struct manifest *m, const struct json *run,
                       const char *const *own) MUST_USE;
/* Does "run" have an option of a source? It is valid only with that source. */
bool source_option_is_given(const struct manifest *m, const struct json *run);

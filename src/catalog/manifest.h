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

/* One manifest while it is read. `keep` has what is needed afterwards; `scratch` is wiped before
 * the next manifest. */
struct manifest {
    const char *dir, *file; /* the directory as a real path, */
    const char *given_dir;  /* and as it was given */
    struct arena *keep, *scratch;
    struct json *v; /* the whole manifest */
    const struct catalog_sources *sources;
    const struct program_output *outputs; /* allowed for its kind */
    struct err *e;
};

/* Each returns ERR_INVALID_REQUEST with the reason. */
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

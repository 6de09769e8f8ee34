/* Manifests: the JSON files of TOOLS_DIR, RESOURCES_DIR and PROMPTS_DIR. Each is an object of MCP
 * and, under "run", how it is served. Whatever is not known is refused: a mistyped limit must not
 * become no limit. */
#ifndef CATALOG_MANIFEST_H
#define CATALOG_MANIFEST_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Limits of a manifest (docs/tools.md). */
#define MANIFEST_BYTES_MAX 65536
/* Of all of a directory, each as long as it may be, for both kinds of protocol versions, in lists:
 * memory is taken only for what is there. */
#define MANIFESTS_MEMORY_MAX ((size_t)1 << 30)
#define MANIFEST_NAME_MAX 128
#define MANIFEST_ARGS_MAX 64
#define TOOL_TIMEOUT_MS_DEFAULT 10000
#define TOOL_TIMEOUT_MS_MAX 120000
#define TASK_TIMEOUT_MS_MAX 1800000 /* of a tool whose calls may become tasks */
#define TOOL_OUTPUT_BYTES_DEFAULT 65536
#define TOOL_OUTPUT_BYTES_MAX 1048576

/* What a program prints. */
enum tool_output { TOOL_OUTPUT_TEXT, TOOL_OUTPUT_JSON, TOOL_OUTPUT_STREAM, TOOL_OUTPUT_BINARY };

/* A program, as a manifest says under "run". */
struct tool_run {
    const char *dir;   /* of the manifest */
    const char **argv; /* argv[0] is an absolute path; NULL: there is no program */
    enum tool_output output;
    int64_t timeout_ms;
    size_t output_max;
    bool truncate; /* text over output_max is cut off there; otherwise it is an error */
};

/* One manifest while it is read. What outlives that is in `keep`; `scratch` is wiped
 * before the next one. */
struct manifest {
    const char *dir, *file; /* the directory as a real path, */
    const char *given_dir;  /* and as it was given */
    struct arena *keep, *scratch;
    struct json *v; /* the whole manifest */
    struct err *e;
};

/* Each returns ERR_INVALID_REQUEST with the reason. */
enum rc manifest_bad(const struct manifest *m, const char *member, const char *what);
/* Does the object have no member but these? `where` ends the sentence, such as " in run". */
enum rc manifest_members(const struct manifest *m, const struct json *object,
                         const char *const *names, const char *where) MUST_USE;
/* "name", "title", "description", "icons", "annotations" and "_meta", which all kinds share. */
enum rc manifest_common(const struct manifest *m, const struct json *v) MUST_USE;
bool manifest_is_name(const char *s);
/* command, output (one of `outputs`, the first by default), timeout_ms and max_output_bytes. */
struct manifest_output {
    const char *name;
    enum tool_output output;
};
enum rc manifest_program(const struct manifest *m, const struct json *run,
                         const struct manifest_output *outputs, struct tool_run *out) MUST_USE;
enum rc manifest_command(const struct manifest *m, const struct json *command, const char *member,
                         struct tool_run *out) MUST_USE;
enum rc manifest_scopes(const struct manifest *m, const struct json *run,
                        const char **out) MUST_USE;
enum rc manifest_limit(const struct manifest *m, const struct json *run, const char *name,
                       int64_t standard, int64_t min, int64_t max, int64_t *out) MUST_USE;

/* Values that completion/complete may propose for an argument, by the member "complete": either a
 * list of them, or a program that prints one a line. */
struct completion {
    const char *name; /* NULL: the end of the list */
    struct json *values;
    struct tool_run run;
};
enum rc manifest_complete(const struct manifest *m, const struct json *complete,
                          const struct json *names, const struct completion **out) MUST_USE;

/* Reads every manifest of a directory in the order of the file names and gives it to `load`. A bad
 * one is left out and reported to `problems`, a line each with file and reason; *bad counts them.
 */
typedef enum rc manifest_load_fn(void *set, struct manifest *m);
void manifest_load_all(const char *dir, struct arena *keep, FILE *problems, unsigned *bad,
                       manifest_load_fn *load, void *set);

#endif

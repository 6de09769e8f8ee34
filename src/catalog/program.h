/* A source that is a program: "command" under "run" of a manifest, and its limits; and the values
 * for completions, from a list or a program. */
#pragma once

#include "catalog/manifest.h"

#define PROGRAM_PATH "/usr/local/bin:/usr/bin:/bin" /* where programs look for programs */

/* Limits of a manifest (docs/tools.md). */
#define PROGRAM_ARGS_MAX 64
#define PROGRAM_TIMEOUT_MS_DEFAULT 10000
#define PROGRAM_TIMEOUT_MS_MAX 120000
#define TASK_TIMEOUT_MS_MAX 1800000 /* of a tool whose calls may become tasks */
#define PROGRAM_OUTPUT_BYTES_DEFAULT 65536
#define PROGRAM_OUTPUT_BYTES_MAX 1048576

/* What a program prints. */
enum output_form { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_STREAM, OUTPUT_BINARY };

/* Names for "output" that a kind of manifest has; the first is the default, name NULL ends them. */
struct program_output {
    const char *name;
    enum output_form form;
};

struct program {
    const char *dir;   /* of the manifest: the working directory */
    const char **argv; /* argv[0] is an absolute path */
    enum output_form output;
    size_t output_max; /* bytes of the output; with OUTPUT_STREAM, of a line */
    bool truncate;     /* longer text is cut; otherwise it is an error */
};

/* Its spec is a struct program. */
extern const struct source_kind program_source;

/* Values for completion/complete, from the member "complete" of "run": a list, or a program that
 * prints one on each line. */
struct completion {
    const char *name;     /* of the argument; NULL: the end of the list */
    struct json *values;  /* the list; NULL: they come from */
    struct source source; /* this source */
};

/* If `complete` is NULL, so is *out. The members of `names` are the existing arguments.
 * ERR_INVALID_REQUEST with the reason. */
enum rc completion_read(const struct manifest *m, const struct json *complete,
                        const struct json *names, const struct completion **out) MUST_USE;

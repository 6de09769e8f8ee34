/* A source that is a program: "command" in "run" of a manifest, what it is given, what it may use,
 * and its limits. Also the values for completions, which come from a list or a program. */
#pragma once

#include "catalog/manifest.h"

/* The private directories of runs are in here: no program may get all of it. */
#define PROGRAM_PRIVATE_PARENT "/var/tmp"
#define PROGRAM_PATH "/usr/local/bin:/usr/bin:/bin" /* PATH of the programs */

/* Limits of a manifest (docs/tools.md). */
#define PROGRAM_ARGS_MAX 64
#define PROGRAM_TIMEOUT_MS_DEFAULT 10000
#define PROGRAM_TIMEOUT_MS_MAX 120000
#define TASK_TIMEOUT_MS_MAX 1800000 /* of a tool whose calls may become tasks */
#define PROGRAM_OUTPUT_BYTES_DEFAULT 65536
#define PROGRAM_OUTPUT_BYTES_MAX 1048576
#define PROGRAM_IDLE_S_DEFAULT 300
#define PROGRAM_IDLE_S_MAX 86400
#define PROGRAM_ENV_MAX 64
#define PROGRAM_VARIABLE_NAME_MAX 128 /* bytes of the name of a variable, or of a secret */
#define PROGRAM_SECRETS_MAX 16
#define PROGRAM_SECRET_BYTES_MAX 65536 /* of a secret's file */
#define PROGRAM_CLAIMS_MAX 32
#define PROGRAM_CLAIM_NAME_MAX 256 /* bytes */
#define PROGRAM_PATHS_MAX 64       /* in "read", and in "write" */
#define PROGRAM_TEXT_MAX 32768     /* bytes of command, env, read and write in all */

/* What a program prints; OUTPUT_STREAM: messages while it runs, a line of JSON each. */
enum output_form { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_STREAM, OUTPUT_BINARY };

/* A value of "output" that a kind of manifest may have. The first of an array is the default; name
 * NULL ends it. */
struct program_output {
    const char *name;
    enum output_form form;
};

/* A file whose content the program finds in the file that the variable NAME_FILE names. */
struct program_secret {
    const char *name, *path;
};

/* 0: the default. */
struct program_limits {
    int64_t memory, file_size; /* bytes */
    int64_t processes, cpu_weight, open_files;
};

struct program {
    const char *dir;   /* of the manifest: the working directory */
    const char **argv; /* argv[0] is an absolute path */
    /* NULL ends each list. */
    const char **env;           /* NAME=value: PATH, LANG and those of the manifest */
    const char **read, **write; /* absolute paths that it may read, or read and write */
    const char **claims;        /* names of the token's claims that it is told; NULL: none */
    const struct program_secret *secrets;
    size_t secret_count;
    struct program_limits limits;
    bool home;              /* it gets a private directory */
    bool instance_metadata; /* it may connect to the instance metadata addresses */
    enum output_form output;
    size_t output_max; /* bytes of the output; with OUTPUT_STREAM, of a line */
    bool truncate;     /* longer output is cut off; otherwise it is an error */
    enum program_lifetime { RUNS_ONCE, PERSISTENT, PERSISTENT_PER_USER } lifetime;
    int64_t idle_s; /* after which a persistent one that is not needed is ended */
};

/* Its spec is a struct program. */
extern const struct source_kind program_source;

/* Why a secret's file is not given to a program; NULL: it is. Asked at each run, so that a secret
 * can be replaced, and one that is missing can come, without a reload. */
const char *program_secret_fault(const char *path);
/* Writes a line with "warning:" for each secret that is not given now. */
void program_warn(const struct program *p, const char *where, FILE *out);

/* An object of a manifest with members of a program. */
struct program_members {
    const struct manifest *m;
    const struct json *object;
    const char *where; /* its name in errors, such as "run" */
    bool search_path;  /* a command without a slash is looked for in PATH */
};
/* The text follows `where`. */
#define program_errorf(p, text, ...) manifest_errorf((p)->m, "%s" text, (p)->where, ##__VA_ARGS__)

/* What is started, what it is given, and what it may use. ERR_INVALID_REQUEST with the reason. */
enum rc program_read_start(const struct program_members *p, struct program *out) MUST_USE;

/* The same without the command. program_inputs.c: "env", "secrets" and "claims". */
enum rc program_read_inputs(const struct program_members *p, struct program *out) MUST_USE;
/* program_access.c: "home", "instance_metadata", "read", "write" and "limits". */
enum rc program_read_access(const struct program_members *p, struct program *out) MUST_USE;

/* Values for completion/complete, from the member "complete" of "run": a list, or a program that
 * prints one on each line. */
struct completion {
    const char *name;     /* of the argument; NULL: the end of the array */
    struct json *values;  /* NULL: `source` prints them */
    struct source source; /* used if there are no `values` */
};

/* Reads the member "complete"; if it is NULL, so is *out. The members of `names` are the existing
 * arguments. ERR_INVALID_REQUEST with the reason. */
enum rc completion_read(const struct manifest *m, const struct json *complete,
                        const struct json *names, const struct completion **out) MUST_USE;

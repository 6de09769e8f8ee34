/* AWS's settings: environment variables, and the shared config and credentials files ("Shared
 * config and credentials files" in the AWS SDKs and Tools Reference Guide). */
#pragma once

#include "base/base.h"

#define AWS_FILE_MAX ((size_t)256 * 1024) /* bytes of a shared file, or of one with a token */

/* The variables that AWS's SDKs read: "NAME=value" texts, NULL-terminated, such as `environ`.
 * Borrowed: they outlive whatever was made with them. */
struct aws_env {
    const char *const *vars;
};
/* NULL if the variable is not there or empty. */
const char *aws_env_get(const struct aws_env *env, const char *name);

/* All that reading both files and one fetch need, if a file is as long as it may be and has nothing
 * but the shortest lines. Wiped when it is done: the files hold secrets. */
#define AWS_SCRATCH_MAX ((size_t)128 << 20)

/* A line of a file that says something. */
struct aws_ini_line {
    const char *section; /* as between the brackets, white space folded, quotes taken away */
    const char *key; /* lower case; "services.key" for one nested in another; "" opens a section */
    const char *value;
    struct aws_ini_line *next;
};
/* ERR_MISCONFIGURED names the file and line; never a value, which may be a secret. */
enum rc aws_ini_parse(struct arena *a, const char *file, char *text, struct aws_ini_line **out,
                      struct err *e) MUST_USE;

/* One profile of both files. */
struct aws_profile {
    struct arena *arena;
    const struct aws_env *env;
    const char *name;                          /* of AWS_PROFILE, or "default" */
    struct aws_ini_line *credentials, *config; /* the first of each; NULL: none */
};
/* Reads both files. Files that are not there are empty. ERR_MISCONFIGURED if one that is named
 * cannot be read, or AWS_PROFILE names a profile that is in neither. */
enum rc aws_profile_load(struct arena *a, const struct aws_env *env, struct aws_profile *out,
                         struct err *e) MUST_USE;
/* The value, from the credentials file first; NULL if it is absent or empty. */
const char *aws_profile_get(const struct aws_profile *p, const char *key);
/* The value of a key of a service in the `services` section that the profile names. */
const char *aws_profile_get_service(const struct aws_profile *p, const char *service,
                                    const char *key);

/* A variable, or else the profile's key; NULL if neither is there. */
const char *aws_setting(const struct aws_profile *p, const char *variable, const char *key);
/* The same as true or false; false if neither is there. */
enum rc aws_setting_flag(const struct aws_profile *p, const char *variable, const char *key,
                         bool *out, struct err *e) MUST_USE;

/* A whole file as text. ERR_MISSING if it is not there or may not be read, ERR_TOO_LARGE. */
enum rc aws_file_read(struct arena *a, const char *path, char **text, struct err *e) MUST_USE;

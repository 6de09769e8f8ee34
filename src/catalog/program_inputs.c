/* Private part of program.h: what a program is given besides its input: "env", "secrets" and
 * "claims" of a manifest. */
#include "catalog/program.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/config.h"

#define LANG_VARIABLE "LANG=C.UTF-8"
/* Where systemd has the credentials of the service, for commands that are no part of it. */
#define SERVICE_CREDENTIALS "/run/credentials/mcp-authd.service"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define DIGITS "0123456789"

/* Set for each run, so a manifest cannot set them (exec/program.c). */
static const char *const reserved[] = {
    "MCP_TOOL",    "MCP_RESOURCE", "MCP_PROMPT", "MCP_REQUEST_ID",
    "TRACEPARENT", "TRACESTATE",   "BAGGAGE",    NULL};
static const char *const of_home[] = {"HOME", "TMPDIR", NULL};

/* ---- env ---- */

static enum rc check_name(const struct program_members *p, const char *member, const char *name) {
    const char *quoted = text_quotable(p->m->scratch, name);
    size_t len = strspn(name, LETTERS DIGITS);

    if (!len || name[len] || strchr(DIGITS, *name) || len > PROGRAM_VARIABLE_NAME_MAX)
        return program_errorf(
            p,
            ".%s: \"%s\" cannot be the name of a variable: 1 to %d letters, digits "
            "and _, and no digit first",
            member, quoted, PROGRAM_VARIABLE_NAME_MAX);
    if (text_is_one_of(name, reserved))
        return program_errorf(p, ".%s: %s is set by mcp-authd itself", member, quoted);
    if (json_get_bool(p->object, "home") && text_is_one_of(name, of_home))
        return program_errorf(p, ".%s: %s names the private directory, since %s.home is true",
                              member, quoted, p->where);
    return OK;
}

/* With the variables that every program has, unless the manifest sets them. */
static enum rc read_env(const struct program_members *p, struct program *out) {
    const struct json *env = json_get(p->object, "env");
    size_t n = 0;

    if (json_has(p->object, "env") && !json_is_object(env))
        return program_errorf(p, ".env must be an object of strings");
    if (json_size(env) > PROGRAM_ENV_MAX)
        return program_errorf(p, ".env has %zu members; it may have %d", json_size(env),
                              PROGRAM_ENV_MAX);
    out->env = arena_alloc(p->m->keep, (json_size(env) + 3) * sizeof *out->env);
    if (!json_has(env, "PATH"))
        out->env[n++] = "PATH=" PROGRAM_PATH;
    if (!json_has(env, "LANG"))
        out->env[n++] = LANG_VARIABLE;
    for (struct json_member member = json_first(env); member.key; json_next(&member)) {
        if (check_name(p, "env", member.key))
            return p->m->e->code;
        if (!json_str(member.value))
            return program_errorf(p, ".env.%s must be a string without NUL",
                                  text_quotable(p->m->scratch, member.key));
        out->env[n++] = arena_printf(p->m->keep, "%s=%s", member.key, json_str(member.value));
    }
    return OK;
}

/* ---- secrets ---- */

/* An absolute path is one; a name is that of a credential (systemd.exec(5): LoadCredential=), or
 * else of a file in SECRETS_DIR. NULL: it is neither. */
static const char *secret_path(const struct program_members *p, const char *given) {
    const char *const credentials[] = {getenv("CREDENTIALS_DIRECTORY"), SERVICE_CREDENTIALS};

    if (*given == '/')
        return arena_strdup(p->m->keep, given);
    if (!manifest_is_name(given) || *given == '.')
        return NULL;
    for (size_t i = 0; i < sizeof credentials / sizeof *credentials; i++) {
        const char *path =
            credentials[i] ? arena_printf(p->m->keep, "%s/%s", credentials[i], given) : NULL;

        if (path && !access(path, F_OK))
            return path;
    }
    return arena_printf(p->m->keep, "%s/%s", p->m->config->secrets_dir, given);
}

const char *program_secret_fault(const char *path) {
    struct stat st;
    const char *why;
    int fd = file_open(path, &why);

    if (fd < 0)
        return why;
    if (fstat(fd, &st))
        why = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        why = "is not a file";
    else if (st.st_mode & S_IRWXO)
        why = "every user of the system can open it: chmod o= it";
    else if (!st.st_size)
        why = "it is empty";
    else
        why = st.st_size > PROGRAM_SECRET_BYTES_MAX ? "it is longer than 65536 bytes" : NULL;
    (void)close(fd);
    return why;
}

static enum rc read_secret(const struct program_members *p, const struct json_member *member,
                           struct program_secret *out) {
    const char *given = json_str(member->value);

    if (check_name(p, "secrets", member->key))
        return p->m->e->code;
    if (json_has(json_get(p->object, "env"), arena_printf(p->m->scratch, "%s_FILE", member->key)))
        return program_errorf(p, ".env sets %s_FILE, which names the file of a secret",
                              text_quotable(p->m->scratch, member->key));
    out->name = arena_strdup(p->m->keep, member->key);
    out->path = given ? secret_path(p, given) : NULL;
    return out->path
               ? OK
               : program_errorf(p,
                                ".secrets.%s must be the absolute path of a file, or the name of "
                                "a file in SECRETS_DIR or of a systemd credential",
                                out->name);
}

static enum rc read_secrets(const struct program_members *p, struct program *out) {
    const struct json *secrets = json_get(p->object, "secrets");
    struct program_secret *list;

    if (json_has(p->object, "secrets") && !json_is_object(secrets))
        return program_errorf(p, ".secrets must be an object: names, each with a file");
    if (json_size(secrets) > PROGRAM_SECRETS_MAX)
        return program_errorf(p, ".secrets has %zu members; it may have %d", json_size(secrets),
                              PROGRAM_SECRETS_MAX);
    out->secrets = list = arena_alloc(p->m->keep, (json_size(secrets) + 1) * sizeof *list);
    for (struct json_member member = json_first(secrets); member.key; json_next(&member))
        if (read_secret(p, &member, &list[out->secret_count++]))
            return p->m->e->code;
    return OK;
}

void program_warn(const struct program *p, const char *where, FILE *out) {
    const char *fault;

    for (size_t i = 0; i < p->secret_count; i++)
        if ((fault = program_secret_fault(p->secrets[i].path)))
            (void)fprintf(out,
                          "%s: warning: the secret %s: %s: %s; calls fail until that is mended\n",
                          where, p->secrets[i].name, p->secrets[i].path, fault);
}

/* ---- claims ---- */

static enum rc read_claims(const struct program_members *p, struct program *out) {
    const struct json *claims = json_get(p->object, "claims");
    size_t n = json_len(claims);

    if (!json_has(p->object, "claims"))
        return OK;
    if (!json_is_array(claims) || n > PROGRAM_CLAIMS_MAX)
        return program_errorf(p, ".claims must be an array of at most %d names of claims",
                              PROGRAM_CLAIMS_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_str(json_at(claims, i));

        if (!name || !*name || strlen(name) > PROGRAM_CLAIM_NAME_MAX)
            return program_errorf(
                p,
                ".claims: number %zu must be the name of a claim, a string of 1 to %d "
                "bytes",
                i + 1, PROGRAM_CLAIM_NAME_MAX);
    }
    out->claims = manifest_strings(p->m, claims, n);
    return OK;
}

enum rc program_read_inputs(const struct program_members *p, struct program *out) {
    return read_env(p, out) || read_secrets(p, out) ? p->m->e->code : read_claims(p, out);
}

#include "exec/program_start.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/digest.h"
#include "mcp/call.h"

/* W3C Trace Context §3.3.1.5 and W3C Baggage §3.3.2: the least sizes that must be propagated. */
#define TRACE_MAX 512
#define BAGGAGE_MAX 8192
#define KEY_TEXT_MAX ((size_t)1 << 20) /* more than a program's texts and paths in all */
#define SECRETS_FD 3                   /* of the first secret, in the program (runner/request.h) */

_Static_assert(PROGRAM_SECRETS_MAX <= RUN_SECRETS_MAX && PROGRAM_PATHS_MAX <= RUN_PATHS_MAX &&
                   PROGRAM_ARGS_MAX <= RUN_ARGS_MAX,
               "what a manifest may have fits into a message to the runner");
_Static_assert(!__builtin_strcmp(PROGRAM_PRIVATE_PARENT, PRIVATE_DIRECTORY_PARENT),
               "manifests are kept from where the runner makes private directories");

_Static_assert(INSTANCE_ID_LEN == SHA256_LEN, "keys are digests");
_Static_assert(INSTANCE_NAME_MAX > MANIFEST_NAME_MAX + sizeof "resource ", "a name fits");

/* ---- the environment ---- */

/* The members of _meta with W3C Trace Context and Baggage, and the environment variables by which
 * OpenTelemetry passes them to programs. */
static const struct trace_variable {
    const char *member, *variable;
    size_t max;
} trace_variables[] = {{"traceparent", "TRACEPARENT", TRACE_MAX},
                       {"tracestate", "TRACESTATE", TRACE_MAX},
                       {"baggage", "BAGGAGE", BAGGAGE_MAX}};
#define TRACE_VARIABLES (sizeof trace_variables / sizeof *trace_variables)

/* NULL: there is none, or it is too long or not printable ASCII. */
static const char *trace_value(const struct mcp_call *c, const struct trace_variable *t) {
    const char *v = json_get_str(json_get(c->msg.params, "_meta"), t->member);

    if (!v || !*v || strlen(v) > t->max)
        return NULL;
    for (const char *p = v; *p; p++)
        if (*p < ' ' || *p > '~')
            return NULL;
    return v;
}

struct json *program_call_variables(struct mcp_call *c) {
    struct json *variables = json_new_object(c->arena);
    const char *value;

    json_put_str(variables, "MCP_REQUEST_ID", c->x->rq->id);
    for (size_t t = 0; t < TRACE_VARIABLES; t++)
        if ((value = trace_value(c, &trace_variables[t])))
            json_put_str(variables, trace_variables[t].variable, value);
    return variables;
}

struct json *program_caller(struct mcp_call *c, const struct program *p) {
    const struct token_claims *claims = c->client.claims;
    struct json *caller = mcp_client_identity(c->arena, &c->client), *all, *chosen;

    json_put(caller, "groups", json_of_text(c->arena, claims->groups, strlen(claims->groups)));
    if (!p->claims)
        return caller;
    all = json_of_text(c->arena, claims->all, strlen(claims->all));
    chosen = json_new_object(c->arena);
    for (const char **name = p->claims; *name; name++)
        if (json_has(all, *name))
            json_put(chosen, *name, json_get(all, *name));
    json_put(caller, "claims", chosen);
    return caller;
}

static size_t add_call_variables(struct mcp_call *c, const char **envp) {
    size_t n = 0;

    for (struct json_member m = json_first(program_call_variables(c)); m.key; json_next(&m))
        envp[n++] = arena_printf(c->arena, "%s=%s", m.key, json_str(m.value));
    return n;
}

/* For PATH and LANG see catalog/program_inputs.c. */
static const char *const *make_environment(struct mcp_call *c, const struct invocation *i) {
    const struct program *p = i->source->spec;
    const char **envp, *kind;
    size_t n = 0;

    while (p->env[n])
        n++;
    envp = arena_alloc(c->arena, (n + 3 + TRACE_VARIABLES + p->secret_count) * sizeof *envp);
    memcpy(envp, p->env, n * sizeof *envp);
    kind = !strcmp(i->kind, "server")   ? NULL
           : !strcmp(i->kind, "tool")   ? "TOOL"
           : !strcmp(i->kind, "prompt") ? "PROMPT"
                                        : "RESOURCE";
    if (kind)
        envp[n++] = arena_printf(c->arena, "MCP_%s=%s", kind, i->name);
    if (p->lifetime == RUNS_ONCE)
        n += add_call_variables(c, envp + n);
    for (size_t s = 0; s < p->secret_count; s++)
        envp[n++] = arena_printf(c->arena, "%s_FILE=/proc/self/fd/%zu", p->secrets[s].name,
                                 (size_t)SECRETS_FD + s);
    return envp;
}

/* ---- secrets ---- */

/* A file that is in no file system and cannot change, with its offset at the start. -1: errno. */
static int sealed_file(const struct text *content) {
    int fd = file_in_memory("secret", MFD_ALLOW_SEALING);

    if (fd >= 0 && file_write_all(fd, content->p, content->len, 0) &&
        !fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
        return fd;
    descriptor_close(fd);
    return -1;
}

static enum rc open_secret(struct arena *a, const struct program_secret *secret, int *fd,
                           struct err *e) {
    const char *fault = program_secret_fault(secret->path);
    struct err why = {0};
    struct text content;

    if (fault)
        return err_set(e, ERR_MISSING, "%s (%.80s): %.120s", secret->name, secret->path, fault);
    if (file_read(a, secret->path, PROGRAM_SECRET_BYTES_MAX, &content, &why))
        return err_set(e, why.code, "%s (%.80s): %.120s", secret->name, secret->path, why.text);
    *fd = sealed_file(&content);
    explicit_bzero((char *)(uintptr_t)content.p, content.len);
    return *fd >= 0 ? OK
                    : err_set(e, ERR_MISSING, "%s: no file in memory: %s", secret->name,
                              strerror(errno));
}

enum rc program_start_begin(struct mcp_call *c, const struct invocation *i,
                            struct program_start *out, struct err *e) {
    const struct program *p = i->source->spec;
    const struct program_limits *l = &p->limits;

    *out = (struct program_start){.run = {.argv = p->argv,
                                          .envp = make_environment(c, i),
                                          .dir = p->dir,
                                          .read = p->read,
                                          .write = p->write,
                                          .limits = {.memory = l->memory,
                                                     .file_size = l->file_size,
                                                     .processes = (uint32_t)l->processes,
                                                     .cpu_weight = (uint32_t)l->cpu_weight,
                                                     .open_files = (uint32_t)l->open_files},
                                          .home = p->home,
                                          .instance_metadata = p->instance_metadata}};
    for (size_t s = 0; s < p->secret_count; s++) {
        if (open_secret(c->arena, &p->secrets[s], &out->secrets[s], e)) {
            program_start_end(out);
            return e->code;
        }
        out->run.secrets++;
    }
    return OK;
}

void program_start_end(struct program_start *s) {
    for (unsigned n = 0; n < s->run.secrets; n++)
        (void)close(s->secrets[n]);
    s->run.secrets = 0;
}

/* ---- instances ---- */

/* With its NUL, so that no two lists give the same text. */
static void add(struct buf *b, const char *s) {
    buf_add(b, s, strlen(s) + 1);
}

static void add_list(struct buf *b, const char *const *list) {
    for (; list && *list; list++)
        add(b, *list);
    add(b, "");
}

/* A file that is replaced or changed is another one. */
static void add_file(struct buf *b, const char *path) {
    struct stat st;

    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return;
    buf_add(b, &st.st_dev, sizeof st.st_dev);
    buf_add(b, &st.st_ino, sizeof st.st_ino);
    buf_add(b, &st.st_size, sizeof st.st_size);
    buf_add(b, &st.st_mtim, sizeof st.st_mtim);
}

/* The program, and arguments that are files, such as an interpreter's script. */
static void add_command(struct buf *b, struct arena *a, const struct program *p) {
    for (const char **word = p->argv; *word; word++) {
        add(b, *word);
        add_file(b, **word == '/' ? *word : arena_printf(a, "%s/%s", p->dir, *word));
    }
    add(b, "");
}

/* Everything that it is started with, except what is different for each call. */
static void make_revision(struct arena *a, const struct program *p, uint8_t out[SHA256_LEN]) {
    struct buf b;

    buf_init(&b, a, KEY_TEXT_MAX);
    add(&b, p->dir);
    add_command(&b, a, p);
    add_list(&b, p->env);
    add_list(&b, p->read);
    add_list(&b, p->write);
    for (size_t i = 0; i < p->secret_count; i++) {
        add(&b, p->secrets[i].name);
        add(&b, p->secrets[i].path);
        add_file(&b, p->secrets[i].path);
    }
    buf_add(&b, &p->limits, sizeof p->limits);
    buf_addc(&b, p->home ? '1' : '0');
    sha256(b.p, b.len, out);
}

/* Sites that share a directory of manifests share no instance. `user`: whose it is, or NULL. */
static void make_id(struct mcp_call *c, const struct invocation *i, const char *user,
                    uint8_t out[SHA256_LEN]) {
    const struct program *p = i->source->spec;
    struct buf b;

    buf_init(&b, c->arena, KEY_TEXT_MAX);
    add(&b, c->x->site->config->state_dir);
    add(&b, p->dir);
    add(&b, i->kind);
    add(&b, i->name);
    if (user)
        add(&b, user);
    sha256(b.p, b.len, out);
}

void program_instance_key(struct mcp_call *c, const struct invocation *i,
                          struct instance_key *out) {
    const struct program *p = i->source->spec;

    *out = (struct instance_key){.idle_s = (uint32_t)p->idle_s};
    (void)snprintf(out->name, sizeof out->name, "%s %s", i->kind, i->name);
    make_id(c, i, NULL, out->group);
    memcpy(out->id, out->group, sizeof out->id);
    if (p->lifetime == PERSISTENT_PER_USER)
        make_id(c, i, c->client.claims->sub, out->id);
    make_revision(c->arena, p, out->revision);
}

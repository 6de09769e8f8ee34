/* Reads a manifest: the Tool object of MCP and, under "run", what to run. Whatever is not known is
 * refused: a mistyped limit must not become no limit. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/url.h"
#include "mcp/tools.h"

#define SCOPES_MAX 1024 /* bytes of the scopes of one tool */

struct manifest {
    const char *dir;
    struct arena *keep, *scratch;
    struct tool *tool;
    struct err *e;
};

static enum rc bad(const struct manifest *m, const char *member, const char *what) {
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

static enum rc check_members(const struct manifest *m, const struct json *object,
                             const char *const *names) {
    struct known k = {names, NULL};

    json_each(object, is_known, &k);
    if (!k.unknown)
        return OK;
    return err_set(m->e, ERR_INVALID_REQUEST, "unknown member \"%s\"",
                   rpc_quotable(m->scratch, k.unknown));
}

/* "Tool Names" */
static bool is_name(const char *s) {
    size_t len = s ? strlen(s) : 0;

    if (!len || len > TOOL_NAME_MAX)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-' && *s != '.')
            return false;
    return true;
}

/* The members that clients see. */
static enum rc read_definition(struct manifest *m, const struct json *v) {
    static const char *const names[] = {
        "name",         "title",       "description", "icons", "inputSchema",
        "outputSchema", "annotations", "_meta",       "run",   NULL};
    static const char *const strings[] = {"title", "description", NULL};
    static const char *const objects[] = {"inputSchema", "outputSchema", "annotations", "_meta",
                                          NULL};
    const char *type = json_get_str(json_get(v, "inputSchema"), "type");
    enum rc rc = check_members(m, v, names);

    if (rc)
        return rc;
    if (!is_name(json_get_str(v, "name")))
        return bad(m, "name", "must be 1 to 128 of A-Z a-z 0-9 _ - .");
    for (const char *const *s = strings; *s; s++)
        if (json_has(v, *s) && !json_is_string(json_get(v, *s)))
            return bad(m, *s, "must be a string");
    for (const char *const *s = objects; *s; s++)
        if (json_has(v, *s) && !json_is_object(json_get(v, *s)))
            return bad(m, *s, "must be an object");
    if (json_has(v, "icons") && !json_is_array(json_get(v, "icons")))
        return bad(m, "icons", "must be an array");
    if (!type || strcmp(type, "object") != 0)
        return bad(m, "inputSchema", "must be an object with \"type\": \"object\"");
    m->tool->name = arena_strdup(m->keep, json_get_str(v, "name"));
    m->tool->has_output_schema = json_has(v, "outputSchema");
    return param_headers_scan(m->keep, json_get(v, "inputSchema"), &m->tool->headers, m->e);
}

/* The program, as an absolute path that can be run now. */
static enum rc read_program(struct manifest *m, const char *given, const char **out) {
    char real[PATH_MAX];
    struct stat st;
    const char *path = *given == '/' ? given : arena_printf(m->scratch, "%s/%s", m->dir, given);

    if (!realpath(path, real) || stat(real, &st))
        return err_set(m->e, ERR_INVALID_REQUEST, "run.command: %s: %s",
                       rpc_quotable(m->scratch, given), strerror(errno));
    if (!S_ISREG(st.st_mode) || access(real, X_OK))
        return err_set(m->e, ERR_INVALID_REQUEST, "run.command: %s is not an executable file",
                       rpc_quotable(m->scratch, given));
    /* Not the resolved name: a program may go by the name that it is called under. */
    *out = arena_strdup(m->keep, path);
    return OK;
}

static enum rc read_command(struct manifest *m, const struct json *command) {
    size_t n = json_len(command);
    const char **argv;

    if (!n || n > TOOL_ARGS_MAX)
        return bad(m, "run.command", "must be an array of 1 to 64 strings");
    argv = arena_alloc(m->keep, (n + 1) * sizeof *argv);
    for (size_t i = 0; i < n; i++) {
        argv[i] = json_str(json_at(command, i));
        if (!argv[i] || (!i && !*argv[i]))
            return bad(m, "run.command", "must be an array of 1 to 64 strings");
        argv[i] = arena_strdup(m->keep, argv[i]);
    }
    m->tool->run.argv = argv;
    return read_program(m, argv[0], &argv[0]);
}

static enum rc read_limit(struct manifest *m, const struct json *run, const char *name,
                          int64_t standard, int64_t max, int64_t *out) {
    *out = standard;
    if (!json_has(run, name))
        return OK;
    if (json_get_int(run, name, out) && *out >= 1 && *out <= max)
        return OK;
    return err_set(m->e, ERR_INVALID_REQUEST, "run.%s must be an integer from 1 to %lld", name,
                   (long long)max);
}

static enum rc read_output(struct manifest *m, const struct json *run) {
    const char *output = json_get_str(run, "output");

    if (json_has(run, "output") &&
        (!output || (strcmp(output, "text") != 0 && strcmp(output, "json") != 0)))
        return bad(m, "run.output", "must be \"text\" or \"json\"");
    m->tool->run.output = output && !strcmp(output, "json") ? TOOL_OUTPUT_JSON : TOOL_OUTPUT_TEXT;
    if (m->tool->has_output_schema && m->tool->run.output != TOOL_OUTPUT_JSON)
        return bad(m, "outputSchema", "needs \"output\": \"json\" in run");
    return OK;
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

static enum rc read_scopes(struct manifest *m, const struct json *run) {
    const struct json *scopes = json_get(run, "scopes");
    struct buf b;

    if (json_has(run, "scopes") && !json_is_array(scopes))
        return bad(m, "run.scopes", "must be an array of scopes");
    buf_init(&b, m->keep, SCOPES_MAX);
    for (size_t i = 0; i < json_len(scopes); i++) {
        const char *scope = json_str(json_at(scopes, i));

        if (!is_scope(scope))
            return bad(m, "run.scopes", "must be an array of scopes");
        if (!list_has(b.p, scope))
            buf_addf(&b, "%s%s", b.len ? " " : "", scope);
    }
    m->tool->scopes = b.p;
    return b.overflow ? bad(m, "run.scopes", "are too long") : OK;
}

static enum rc read_run(struct manifest *m, const struct json *run) {
    static const char *const names[] = {"command",          "output", "timeout_ms",
                                        "max_output_bytes", "scopes", NULL};
    struct tool_run *out = &m->tool->run;
    int64_t output_max;
    enum rc rc;

    if (!json_is_object(run))
        return bad(m, "run", "must be an object");
    rc = check_members(m, run, names);
    if (rc)
        return err_set(m->e, rc, "%s in run", arena_strdup(m->scratch, m->e->text));
    rc = read_command(m, json_get(run, "command"));
    if (!rc)
        rc = read_output(m, run);
    if (!rc)
        rc = read_limit(m, run, "timeout_ms", TOOL_TIMEOUT_MS_DEFAULT, TOOL_TIMEOUT_MS_MAX,
                        &out->timeout_ms);
    if (!rc)
        rc = read_limit(m, run, "max_output_bytes", TOOL_OUTPUT_BYTES_DEFAULT,
                        TOOL_OUTPUT_BYTES_MAX, &output_max);
    if (rc)
        return rc;
    out->output_max = (size_t)output_max;
    out->dir = arena_strdup(m->keep, m->dir);
    return read_scopes(m, run);
}

/* What tools/list shows. Before 2026-07-28 an outputSchema has to be of an object, and clients
 * refuse the whole list otherwise: there it is left out. */
static void keep_definition(struct manifest *m, struct json *v) {
    const char *type = json_get_str(json_get(v, "outputSchema"), "type");
    struct text *t = &m->tool->definition[tool_era_index(ERA_MODERN)];

    json_del(v, "run");
    t->p = json_text(m->scratch, v, &t->len);
    if (m->tool->has_output_schema && (!type || strcmp(type, "object") != 0))
        json_del(v, "outputSchema");
    t = &m->tool->definition[tool_era_index(ERA_HANDSHAKE)];
    t->p = json_text(m->scratch, v, &t->len);
}

enum rc tool_manifest_load(const char *dir, const char *file, struct arena *keep,
                           struct arena *scratch, struct tool *out, struct err *e) {
    struct manifest m = {.keep = keep, .scratch = scratch, .tool = out, .e = e};
    char real_dir[PATH_MAX];
    struct json *v;
    enum rc rc;

    if (!realpath(dir, real_dir)) /* programs run there: it must not depend on our own directory */
        return err_set(e, ERR_INVALID_REQUEST, "%s", strerror(errno));
    m.dir = real_dir;
    rc = json_parse_file(scratch, arena_printf(scratch, "%s/%s", dir, file),
                         TOOL_MANIFEST_BYTES_MAX, &v, e);
    if (rc)
        return rc;
    if (!json_is_object(v))
        return bad(&m, "a manifest", "must be a JSON object");
    rc = read_definition(&m, v);
    if (!rc)
        rc = read_run(&m, json_get(v, "run"));
    if (rc)
        return rc;
    out->file = arena_strdup(keep, file);
    keep_definition(&m, v);
    return OK;
}

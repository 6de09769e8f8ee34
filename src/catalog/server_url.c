/* Private part of servers.h: a server that is an address. */
#include "catalog/servers.h"

#include <limits.h>
#include <strings.h>
#include <unistd.h>

#include "base/url.h"

#define WHERE "server"
#define DELETED " (deleted)"
#define TOKEN_CHARACTERS                                                                           \
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* What the transport itself says. */
static const char *const reserved[] = {
    "Accept",        "Connection",     "Content-Length",       "Content-Type",      "Host",
    "Last-Event-ID", "Mcp-Session-Id", "MCP-Protocol-Version", "Transfer-Encoding", NULL};

/* The file of this program. After an upgrade it is another one, which can do the same. */
static const char *own_path(struct arena *a) {
    char path[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n <= 0)
        return NULL;
    path[n] = 0;
    if (text_ends_with(path, DELETED))
        path[(size_t)n - strlen(DELETED)] = 0;
    return arena_strdup(a, path);
}

static enum rc read_address(const struct manifest *m, const char **out) {
    const char *given = json_get_str(m->v, "url");
    struct err why = {0};
    bool allow_http;
    struct url u;

    if (manifest_read_bool(m, m->v, "allow_http", &allow_http))
        return m->e->code;
    if (!given || strlen(given) > URL_LEN_MAX)
        return manifest_error(m, "url", "must be a string of at most 2048 bytes");
    if (url_parse(m->scratch, given, &u, &why))
        return manifest_error(m, "url", arena_printf(m->scratch, "is no URL: %s", why.text));
    if (u.fragment || u.userinfo ||
        (strcmp(u.scheme, "https") != 0 && strcmp(u.scheme, "http") != 0))
        return manifest_error(m, "url",
                              "must begin with https:// or http://, without user and fragment");
    if (!strcmp(u.scheme, "http") && !url_is_loopback(&u) && !allow_http)
        return manifest_error(m, "url",
                              "must begin with https://, since its host is not this one; in a "
                              "network that nobody else reads, set \"allow_http\": true");
    *out = arena_strdup(m->keep, given);
    return OK;
}

static bool is_secret(const struct program *p, const char *name) {
    size_t i = 0;

    while (i < p->secret_count && strcmp(p->secrets[i].name, name) != 0)
        i++;
    return i < p->secret_count;
}

/* A member of the caller (exec/program_start.h), or a claim of the manifest. */
static bool is_of_caller(const struct program *p, const char *name) {
    static const char *const members[] = {"caller.sub", "caller.username", "caller.client_id",
                                          "caller.groups", NULL};
    static const char claims[] = "caller.claims.";

    return text_is_one_of(name, members) ||
           (p->claims && !strncmp(name, claims, sizeof claims - 1) &&
            text_is_one_of(name + sizeof claims - 1, p->claims));
}

/* What is wrong with it; NULL: nothing. */
static const char *header_fault(const struct manifest *m, const struct program *p, const char *name,
                                const char *value) {
    const char *const *r = reserved;

    while (*r && strcasecmp(*r, name) != 0)
        r++;
    if (*r)
        return "is set by the transport";
    if (!*name || name[strspn(name, TOKEN_CHARACTERS)])
        return "is no name of a header";
    if (!value || !*value || strlen(name) + strlen(value) + 2 > SERVER_HEADER_BYTES_MAX)
        return "must be a string of 1 to 2048 bytes with its name";
    for (const char *at = value; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return "must have no control characters";
    for (const char *open = value; (open = strstr(open, "${")); open++) {
        const size_t len = strcspn(open + 2, "}");
        const char *variable = arena_strndup(m->scratch, open + 2, len);

        if (!open[2 + len] || (!is_secret(p, variable) &&
                               !(json_get_bool(m->v, "caller") && is_of_caller(p, variable))))
            return "has a ${NAME} that is not in \"secrets\"; ${caller.sub} and the like need "
                   "\"caller\": true";
    }
    return NULL;
}

static enum rc read_headers(const struct manifest *m, struct program *out, size_t *argc) {
    const struct json *headers = json_get(m->v, "headers");

    if (json_has(m->v, "headers") &&
        (!json_is_object(headers) || json_size(headers) > SERVER_HEADERS_MAX))
        return manifest_error(m, "headers", "must be an object of at most 32 strings");
    for (struct json_member h = json_first(headers); h.key; json_next(&h)) {
        const char *value = json_str(h.value), *fault = header_fault(m, out, h.key, value);

        if (fault)
            return manifest_error(
                m, arena_printf(m->scratch, "headers.%s", text_quotable(m->scratch, h.key)), fault);
        out->argv[(*argc)++] = arena_printf(m->keep, "%s: %s", h.key, value);
    }
    return OK;
}

static enum rc read_authorities(const struct manifest *m, struct program *out, size_t *argc) {
    const char *path = json_get_str(m->v, "ca_file");

    if (!json_has(m->v, "ca_file"))
        return OK;
    if (!path || *path != '/' || access(path, F_OK))
        return manifest_error(m, "ca_file", "must be the absolute path of a file");
    out->read = arena_alloc(m->keep, 2 * sizeof *out->read);
    out->read[0] = out->argv[3] = arena_strdup(m->keep, path);
    out->argv[2] = "--ca-file";
    *argc = 4;
    return OK;
}

enum rc server_read_url(const struct manifest *m, struct program *out) {
    const struct program_members members = {m, m->v, WHERE, false};
    const char *url = NULL;
    size_t argc = 2;

    if (program_read_inputs(&members, out) || program_read_access(&members, out) ||
        read_address(m, &url))
        return m->e->code;
    out->write = arena_alloc(m->keep, sizeof *out->write); /* nothing */
    out->dir = arena_strdup(m->keep, m->dir);
    out->argv = arena_alloc(m->keep, (SERVER_HEADERS_MAX + 6) * sizeof *out->argv);
    out->argv[0] = own_path(m->keep);
    out->argv[1] = "bridge";
    if (!out->argv[0])
        return err_set(m->e, ERR_INTERNAL, "the path of this program is not known");
    if (read_authorities(m, out, &argc))
        return m->e->code;
    out->argv[argc++] = url;
    return read_headers(m, out, &argc);
}

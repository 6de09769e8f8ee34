#include "admin/import.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#define IMPORT_BYTES_MAX (1 << 20) /* of the configuration */
#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define IMPORT_SECRETS_MAX 16 /* of one server, as a manifest may have */
#define NAME_MAX_BYTES 64     /* of a file's name, without its end */

struct secret {
    const char *name, *file; /* of the variable, and in SECRETS_DIR */
    const char *content;     /* NULL: the client asks for it, so the admin has to write it */
};

/* One server. */
struct importing {
    const struct import_options *o;
    struct arena *a;
    const char *name; /* of its file */
    const struct json *given;
    struct json *manifest;
    struct secret secrets[IMPORT_SECRETS_MAX];
    unsigned secret_count;
    bool refused;
};

PRINTF_LIKE(2, 3)
static void refuse(struct importing *x, const char *format, ...) {
    va_list args;

    x->refused = true;
    (void)fprintf(stderr, "mcp-authd import: %s is left out: ", x->name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputs("\n", stderr);
}

/* With '-' for what a file of SERVERS_DIR must not be called. */
static const char *file_name(struct arena *a, const char *given) {
    char *name =
        arena_strndup(a, given, strlen(given) < NAME_MAX_BYTES ? strlen(given) : NAME_MAX_BYTES);

    for (char *p = name; *p; p++)
        if (!isascii(*p) || (!isalnum((unsigned char)*p) && !strchr("_-.", *p)) ||
            (p == name && *p == '.'))
            *p = '-';
    return *name ? name : "server";
}

/* ---- secrets ---- */

static bool sounds_secret(const char *name) {
    static const char *const words[] = {"token", "secret", "key",   "passw",
                                        "auth",  "cred",   "cookie"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

/* ${input:…} and ${env:…} of VS Code and Cursor, ${NAME} of Claude Code: the client's user, or
 * environment, has it. */
static bool is_asked_for(const char *value) {
    return strstr(value, "${");
}

/* A manifest, and the arguments of a process, can be read by others. */
static void warn_of_secret(const struct importing *x, const char *where, const char *text) {
    if (text && sounds_secret(text))
        (void)fprintf(stderr,
                      "mcp-authd import: %s: %s sounds like a secret, which all users of this "
                      "host can read in the manifest and in the list of processes\n",
                      x->name, where);
}

/* The name of the variable; NULL: it is refused. */
static const char *add_secret(struct importing *x, const char *member, const char *value) {
    char *name = arena_strdup(x->a, member);
    struct secret *s = &x->secrets[x->secret_count];

    for (char *p = name; *p; p++)
        *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    if (!*name || isdigit((unsigned char)*name) || x->secret_count == IMPORT_SECRETS_MAX) {
        refuse(x, "%s cannot be a secret", member);
        return NULL;
    }
    x->secret_count++;
    *s = (struct secret){name, arena_printf(x->a, "%s-%s", x->name, name),
                         is_asked_for(value) ? NULL : value};
    return name;
}

/* Takes over a member whose members are texts: the variables of a program (`is_env`), which finds
 * the secret ones as files, or the headers of an address, which name theirs. */
static void read_texts(struct importing *x, const char *member, bool is_env) {
    struct json *texts = json_new_object(x->a);

    for (struct json_member m = json_first(json_get(x->given, member)); m.key && !x->refused;
         json_next(&m)) {
        const char *value = json_str(m.value), *name;

        if (!value)
            refuse(x, "%s.%s is no string", member, m.key);
        else if (!sounds_secret(m.key) && !is_asked_for(value))
            json_put_str(texts, m.key, value);
        else if ((name = add_secret(x, m.key, value)) && !is_env)
            json_put_str(texts, m.key, arena_printf(x->a, "${%s}", name));
        else if (name && strcmp(name, m.key) != 0)
            refuse(x, "env.%s is secret, and has lower case letters in its name", m.key);
    }
    if (json_size(texts))
        json_put(x->manifest, member, texts);
}

/* ---- a program ---- */

/* A program finds secrets as files; these want them as variables. */
static void add_shell(struct importing *x, struct json *command) {
    struct buf script;

    buf_init(&script, x->a, 65536);
    for (unsigned i = 0; i < x->secret_count; i++)
        buf_addf(&script, "%s=\"$(cat \"$%s_FILE\")\" && export %s && ", x->secrets[i].name,
                 x->secrets[i].name, x->secrets[i].name);
    buf_adds(&script, "exec \"$@\"");
    json_add_str(command, "/bin/sh");
    json_add_str(command, "-c");
    json_add_str(command, script.p);
    json_add_str(command, "sh");
}

/* Their users' own folder has what they download. */
static bool needs_home(const char *program) {
    const char *slash = strrchr(program, '/');

    return list_has("npx uvx uv pnpm bunx pipx", slash ? slash + 1 : program);
}

static void read_program(struct importing *x) {
    const char *program = json_get_str(x->given, "command");
    const struct json *args = json_get(x->given, "args");
    struct json *command = json_new_array(x->a);

    read_texts(x, "env", true);
    if (x->secret_count)
        add_shell(x, command);
    json_add_str(command, program);
    for (size_t i = 0; i < json_len(args); i++) {
        const char *word = json_str(json_at(args, i));

        if (!word || is_asked_for(word)) {
            refuse(x, "args[%zu] has a variable of the client, or is no string", i);
            return;
        }
        if (*word == '-')
            warn_of_secret(x, arena_printf(x->a, "args[%zu]", i), word);
        json_add_str(command, word);
    }
    if (*program != '/' && strchr(program, '/'))
        refuse(x, "the path of its command must be absolute");
    if (json_has(x->given, "cwd") || json_has(x->given, "envFile"))
        refuse(x, "there is no cwd and no envFile here: write what it needs into its command");
    json_put(x->manifest, "command", command);
    if (needs_home(program))
        json_put_bool(x->manifest, "home", true);
}

/* ---- an address ---- */

static void read_address(struct importing *x) {
    const char *url = json_get_str(x->given, "url");

    if (is_asked_for(url))
        refuse(x, "its url has a variable of the client");
    warn_of_secret(x, "its url", strchr(url, '?'));
    json_put_str(x->manifest, "url", url);
    read_texts(x, "headers", false);
}

/* ---- files ---- */

static bool write_new(struct importing *x, const char *path, const char *text, mode_t mode) {
    const bool ok = file_write_new(path, &(struct text){text, strlen(text)}, mode, false);

    if (!ok)
        refuse(x, "%s: %s", path, strerror(errno));
    return ok;
}

/* Who may read the folder may read the secret: the daemon, by its group. */
static bool write_secret(struct importing *x, const char *path, const char *content) {
    struct stat dir;

    if (!write_new(x, path, content, 0640))
        return false;
    if (!stat(x->o->secrets_dir, &dir) && chown(path, (uid_t)-1, dir.st_gid) && errno != EPERM)
        refuse(x, "%s: %s", path, strerror(errno));
    return true;
}

/* All of them or none. */
static void write_files(struct importing *x) {
    const char *paths[IMPORT_SECRETS_MAX + 1], *manifest = json_text(x->a, x->manifest, NULL);
    const char *path = arena_printf(x->a, "%s/%s.json", x->o->servers_dir, x->name);
    unsigned count = 0;

    if (!access(path, F_OK))
        refuse(x, "%s is there already", path);
    for (const struct secret *s = x->secrets; s < x->secrets + x->secret_count && !x->refused;
         s++) {
        paths[count] = arena_printf(x->a, "%s/%s", x->o->secrets_dir, s->file);
        if (!s->content)
            (void)fprintf(stderr,
                          "mcp-authd import: %s: the client asks for %s: write it to %s, "
                          "readable for the daemon alone\n",
                          x->name, s->name, paths[count]);
        else if (write_secret(x, paths[count], s->content))
            count++;
    }
    paths[count] = path;
    if (!x->refused && write_new(x, path, arena_printf(x->a, "%s\n", manifest), 0644))
        count++;
    for (unsigned i = 0; i < count; i++)
        if (x->refused)
            (void)unlink(paths[i]);
        else
            (void)printf("%s\n", paths[i]);
}

/* false: it is left out. */
static bool import_one(struct importing *x) {
    struct json *secrets = json_new_object(x->a);

    x->manifest = json_new_object(x->a);
    if (json_get_bool(x->given, "disabled"))
        refuse(x, "it is switched off");
    else if (json_get_str(x->given, "command"))
        read_program(x);
    else if (json_get_str(x->given, "url"))
        read_address(x);
    else
        refuse(x, "it has neither a command nor a url");
    for (unsigned i = 0; i < x->secret_count; i++)
        json_put_str(secrets, x->secrets[i].name, x->secrets[i].file);
    if (x->secret_count)
        json_put(x->manifest, "secrets", secrets);
    if (!x->refused)
        write_files(x);
    return !x->refused;
}

/* Claude Desktop, Cursor, Kiro: mcpServers; VS Code: servers, in its settings below mcp. */
static const struct json *find_servers(const struct json *v) {
    const struct json *servers = json_get(v, "mcpServers");

    if (!servers)
        servers = json_get(v, "servers");
    if (!servers)
        servers = json_get(json_get(v, "mcp"), "servers");
    return json_is_object(servers) ? servers : NULL;
}

bool import_servers(const struct import_options *o) {
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    const struct json *servers;
    struct json *v;
    struct err e = {0};
    bool ok = true;

    if (json_parse_file(a, o->file, IMPORT_BYTES_MAX, &v, &e)) {
        err_print(stderr, o->file, &e);
        arena_free(a);
        return false;
    }
    servers = find_servers(v);
    if (!servers)
        (void)fprintf(stderr,
                      "mcp-authd import: %s has no object \"mcpServers\" (Claude Desktop, Cursor) "
                      "or \"servers\" (VS Code)\n",
                      o->file);
    else if (!json_first(servers).key)
        (void)fprintf(stderr, "mcp-authd import: %s has no server\n", o->file);
    for (struct json_member m = json_first(servers); m.key; json_next(&m)) {
        struct importing x = {.o = o, .a = a, .name = file_name(a, m.key), .given = m.value};

        ok = import_one(&x) && ok;
    }
    arena_free(a);
    return ok && servers;
}

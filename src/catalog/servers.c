#include "catalog/servers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "catalog/server_url.h"

#define KEEP_BYTES_MAX ((size_t)256 << 20)
#define SCRATCH_BYTES_MAX ((size_t)256 << 20)
#define WHERE "server" /* in errors, such as "server.command" */

struct server_file {
    struct server_file *next; /* in the order of their names */
    char *name;
    struct file_version manifest, lists; /* that were read */
    struct arena *keep;
    struct server *server; /* NULL: it is left out */
    struct server_entries entries;
    bool has_lists; /* the server has been asked */
    bool is_there;  /* still */
    bool is_read;   /* in this update */
};

/* ---- the manifest ---- */

static enum rc read_names(const struct manifest *m, const char *member, const char ***out) {
    const struct json *list = json_get(m->v, member);
    const size_t n = json_len(list);

    *out = NULL;
    if (!json_has(m->v, member))
        return OK;
    if (!json_is_array(list) || n > SERVER_NAMES_MAX)
        return manifest_error(m, member, "must be an array of at most 256 names and URIs");
    *out = arena_alloc(m->keep, (n + 1) * sizeof **out);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_str(json_at(list, i));

        if (!name)
            return manifest_error(m, member, "must be an array of names and URIs");
        (*out)[i] = arena_strdup(m->keep, name);
    }
    return OK;
}

static enum rc read_prefix(const struct manifest *m, struct server *s) {
    const char *given = json_get_str(m->v, "prefix");

    s->prefix = given ? arena_strdup(m->keep, given) : arena_printf(m->keep, "%s_", s->name);
    if (json_has(m->v, "prefix") && !given)
        return manifest_error(m, "prefix", "must be a string");
    return *s->prefix && !manifest_is_name(s->prefix)
               ? manifest_error(m, "prefix", "must have A-Z a-z 0-9 _ - . only")
               : OK;
}

static enum rc read_limits(const struct manifest *m, struct server *s) {
    const struct manifest_limit limits[] = {
        {"timeout_ms", PROGRAM_TIMEOUT_MS_DEFAULT, 1, PROGRAM_TIMEOUT_MS_MAX},
        {"start_timeout_s", SERVER_START_S_DEFAULT, 1, SERVER_START_S_MAX},
        {"idle_s", PROGRAM_IDLE_S_DEFAULT, 1, PROGRAM_IDLE_S_MAX},
        {"max_instances", SERVER_INSTANCES_DEFAULT, 1, SERVER_INSTANCES_MAX}};
    int64_t *const out[] = {&s->timeout_ms, &s->start_s, &s->program.idle_s, &s->instances_max};
    enum rc rc = OK;

    for (size_t i = 0; !rc && i < sizeof limits / sizeof *limits; i++)
        rc = manifest_read_limit(m, m->v, &limits[i], out[i]);
    return rc;
}

static enum rc read_instances(const struct manifest *m, struct server *s) {
    static const struct {
        const char *word;
        enum program_stay stay;
    } words[] = {{"shared", PERSISTENT}, {"user", PERSISTENT_PER_USER}, {"call", RUNS_ONCE}};
    const char *given = json_get_str(m->v, "instances");

    s->program.stay = PERSISTENT;
    for (size_t i = 0; given && i < sizeof words / sizeof *words; i++)
        if (!strcmp(given, words[i].word)) {
            s->program.stay = words[i].stay;
            given = NULL;
        }
    if (given || (json_has(m->v, "instances") && !json_get_str(m->v, "instances")))
        return manifest_error(m, "instances", "must be \"shared\", \"user\" or \"call\"");
    if (s->program.stay == PERSISTENT && json_has(m->v, "max_instances"))
        return manifest_error(m, "max_instances",
                              "is only valid with \"instances\": \"user\" or \"call\"");
    if (s->program.stay == RUNS_ONCE && json_has(m->v, "idle_s"))
        return manifest_error(m, "idle_s", "is not valid with \"instances\": \"call\"");
    return OK;
}

static enum rc read_caller(const struct manifest *m, struct server *s) {
    if (json_has(m->v, "caller") && !json_is_bool(json_get(m->v, "caller")))
        return manifest_error(m, "caller", "must be true or false");
    s->tells_caller = json_get_bool(m->v, "caller");
    if (json_has(m->v, "claims") && !s->tells_caller && !json_has(m->v, "identity"))
        return manifest_error(m, "claims", "is only valid with \"caller\": true or \"identity\"");
    return OK;
}

/* A header of the manifest with the same name would be sent besides. */
static bool has_authorization(const struct manifest *m) {
    struct json_member h;

    for (bool more = json_first(json_get(m->v, "headers"), &h); more; more = json_next(&h))
        if (!strcasecmp(h.key, "Authorization"))
            return true;
    return false;
}

static enum rc read_identity(const struct manifest *m, struct server *s) {
    const char *given = json_get_str(m->v, "identity"), *audience = json_get_str(m->v, "audience");

    if (json_has(m->v, "identity") && (!given || strcmp(given, "jwt") != 0))
        return manifest_error(m, "identity", "must be \"jwt\"");
    if (json_has(m->v, "audience") &&
        (!given || !audience || !*audience || strlen(audience) > SERVER_AUDIENCE_MAX))
        return manifest_error(m, "audience",
                              "must be a string of 1 to 256 bytes, with \"identity\"");
    if (given && has_authorization(m))
        return manifest_error(m, "headers.Authorization",
                              "is set by \"identity\": leave out one of them");
    audience = audience ? audience : json_get_str(m->v, "url");
    s->audience = given && audience ? arena_strdup(m->keep, audience) : NULL;
    return OK;
}

static enum rc read_revision(const struct manifest *m, struct server *s) {
    const char *given = json_get_str(m->v, "revision");
    const bool is_known = given && (!strcmp(given, SERVER_REVISION_HANDSHAKE) ||
                                    !strcmp(given, SERVER_REVISION_STATELESS));

    if (json_has(m->v, "revision") && !is_known)
        return manifest_error(m, "revision",
                              "must be \"" SERVER_REVISION_HANDSHAKE
                              "\" (or what the server answers to it) or "
                              "\"" SERVER_REVISION_STATELESS "\"");
    s->revision = given ? arena_strdup(m->keep, given) : NULL;
    return OK;
}

/* A program, or an address. */
static enum rc read_start(const struct manifest *m, struct server *s) {
    s->is_address = json_has(m->v, "url");
    if (s->is_address)
        return server_read_url(m, &s->program);
    return program_read_start(&(struct program_members){m, m->v, WHERE, true}, &s->program);
}

#define COMMON_MEMBERS                                                                             \
    "secrets", "limits", "prefix", ACCESS_MEMBERS, "allow", "deny", "timeout_ms", "idle_s",        \
        "start_timeout_s", "instances", "max_instances", "caller", "claims", "revision", "quota"

static enum rc read_server(const struct manifest *m, struct server *s) {
    static const char *const of_program[] = {"command", "env",          "home", "read",
                                             "write",   COMMON_MEMBERS, NULL};
    static const char *const of_url[] = {"url",      "headers",  "ca_file",      "allow_http",
                                         "identity", "audience", COMMON_MEMBERS, NULL};
    const size_t len = strlen(m->file) - strlen(".json");
    enum rc rc = json_has(m->v, "url")
                     ? manifest_check_members(m, m->v, of_url, " of a server with \"url\"")
                     : manifest_check_members(m, m->v, of_program, "");

    s->name = arena_strndup(m->keep, m->file, len);
    if (!rc && !manifest_is_name(s->name))
        rc = manifest_error(m, "the name of the file", "must have A-Z a-z 0-9 _ - . only");
    if (!rc)
        rc = read_prefix(m, s);
    if (!rc)
        rc = read_names(m, "allow", &s->allow);
    if (!rc)
        rc = read_names(m, "deny", &s->deny);
    if (!rc)
        rc = access_read(m, m->v, &s->access);
    if (!rc)
        rc = quota_read(m, m->v, WHERE, &s->quota);
    if (!rc)
        rc = read_limits(m, s);
    if (!rc)
        rc = read_instances(m, s);
    if (!rc)
        rc = read_caller(m, s);
    if (!rc)
        rc = read_revision(m, s);
    if (!rc)
        rc = read_identity(m, s);
    s->lists = arena_printf(m->keep, "%s/servers/%s.json", m->config->state_dir, s->name);
    return rc ? rc : read_start(m, s);
}

/* ---- files ---- */

static struct file_version version_of(const char *path) {
    struct stat st;

    return stat(path, &st) ? (struct file_version){0} : file_version_of(&st);
}

static void forget(struct catalog *c, struct server_file *f) {
    server_entries_remove(&f->entries, c);
    f->server = NULL;
    arena_free(f->keep);
    f->keep = NULL;
}

static void read_lists(struct catalog *c, struct server_file *f, struct manifest *m,
                       FILE *problems) {
    struct json *lists;
    struct err e = {0};

    f->lists = version_of(f->server->lists);
    f->has_lists = !access(f->server->lists, F_OK);
    if (!f->has_lists)
        return;
    if (json_parse_file(m->scratch, f->server->lists, SERVER_LISTS_BYTES_MAX, &lists, &e)) {
        err_print(problems, f->server->lists, &e);
        return;
    }
    f->server->completes = json_has(json_get(lists, "capabilities"), "completions");
    f->server->subscribes =
        json_get_bool(json_get(json_get(lists, "capabilities"), "resources"), "subscribe");
    server_entries_add(&f->entries, &(struct server_reading){c, f->server, m, problems}, lists);
}

static void read_file(struct catalog *c, struct server_file *f, const char *real_dir,
                      FILE *problems) {
    struct arena *scratch = arena_new(SCRATCH_BYTES_MAX);
    struct server *server;
    struct err e = {0};

    f->keep = arena_new(KEEP_BYTES_MAX);
    server = arena_alloc(f->keep, sizeof *server);

    struct manifest m = {.dir = real_dir,
                         .file = f->name,
                         .kind = WHERE,
                         .given_dir = real_dir,
                         .keep = f->keep,
                         .scratch = scratch,
                         .config = c->config,
                         .sources = c->sources,
                         .e = &e};

    if (manifest_open(&m) || read_server(&m, server)) {
        err_print(problems, arena_printf(scratch, "%s/%s", c->config->servers_dir, f->name), &e);
    } else {
        f->server = server;
        read_lists(c, f, &m, problems);
    }
    arena_free(scratch);
}

static struct server_file *find_file(struct catalog *c, const char *name) {
    struct server_file **at = &c->servers, *f;

    while (*at && strcmp((*at)->name, name) < 0)
        at = &(*at)->next;
    if (*at && !strcmp((*at)->name, name))
        return *at;
    f = xcalloc(1, sizeof *f);
    f->name = xstrdup(name);
    f->next = *at;
    *at = f;
    return f;
}

static bool have_lists_changed(const struct server_file *f) {
    const struct file_version now = version_of(f->server->lists);
    const bool are_there = !access(f->server->lists, F_OK);

    return are_there != f->has_lists || (are_there && !file_version_equal(&now, &f->lists));
}

static void update_file(struct catalog *c, const char *real_dir, const char *name, FILE *problems) {
    struct arena *a = arena_new(65536);
    const struct file_version now = version_of(arena_printf(a, "%s/%s", real_dir, name));
    struct server_file *f = find_file(c, name);

    f->is_there = true;
    f->is_read = false;
    if (!file_version_equal(&now, &f->manifest) || (f->server && have_lists_changed(f))) {
        forget(c, f);
        f->manifest = now;
        f->is_read = true;
        read_file(c, f, real_dir, problems);
    }
    arena_free(a);
}

/* After others have changed: who has the name of one of its entries may be gone. */
static void read_conflicting(struct catalog *c, const char *real_dir, FILE *problems) {
    for (struct server_file *f = c->servers; f; f = f->next)
        if (!f->is_read && f->entries.has_conflicts) {
            forget(c, f);
            read_file(c, f, real_dir, problems);
        }
}

static void free_file(struct server_file *f) {
    arena_free(f->keep);
    free(f->name);
    free(f);
}

/* Returns whether any was removed. */
static bool remove_absent(struct catalog *c) {
    bool any = false;

    for (struct server_file **at = &c->servers; *at;) {
        struct server_file *f = *at;

        if (f->is_there) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        forget(c, f);
        free_file(f);
        any = true;
    }
    return any;
}

static int is_manifest(const struct dirent *d) {
    return d->d_name[0] != '.' && text_ends_with(d->d_name, ".json");
}

static void free_servers(struct catalog *c) {
    while (c->servers) {
        struct server_file *f = c->servers;

        c->servers = f->next;
        free_file(f);
    }
}

unsigned catalog_servers_update(struct catalog *c, FILE *problems) {
    struct dirent **names = NULL;
    char real[PATH_MAX];
    unsigned bad = 0;
    bool changed;
    int n = *c->config->servers_dir && realpath(c->config->servers_dir, real)
                ? scandir(real, &names, is_manifest, alphasort)
                : 0; /* the directory may be made later */

    c->free_servers = free_servers;
    for (struct server_file *f = c->servers; f; f = f->next)
        f->is_there = false;
    for (int i = 0; i < n; i++) {
        if (i < SERVERS_MAX)
            update_file(c, real, names[i]->d_name, problems);
        else
            (void)fprintf(problems, "%s: there are more than %d servers\n", names[i]->d_name,
                          SERVERS_MAX);
        free(names[i]);
    }
    free(names);
    changed = remove_absent(c);
    for (const struct server_file *f = c->servers; f; f = f->next) {
        changed = changed || f->is_read;
        bad += !f->server;
    }
    if (changed)
        read_conflicting(c, real, problems);
    return bad + (n > SERVERS_MAX ? (unsigned)n - SERVERS_MAX : 0);
}

const struct server *catalog_server(const struct catalog *c, size_t i) {
    for (const struct server_file *f = c->servers; f; f = f->next)
        if (f->server && !i--)
            return f->server;
    return NULL;
}

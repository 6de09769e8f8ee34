#include "catalog/servers.h"

#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define WHERE "server" /* in errors, such as "server.command" */

struct loaded_server {
    struct server server; /* first */
    const struct catalog *catalog;
    struct file_version lists; /* that was read */
    bool has_lists;            /* the server has been asked */
    struct server_entries entries;
};

/* ---- the manifest ---- */

static enum rc read_names(const struct manifest *m, const char *member, const char ***out) {
    *out = NULL;
    if (!json_has(m->v, member))
        return OK;
    *out = manifest_strings(m, json_get(m->v, member), SERVER_NAMES_MAX);
    return *out ? OK : manifest_error(m, member, "must be an array of at most 256 names and URIs");
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
    s->program.lifetime = json_get_is(m->v, "instances", "user")   ? PERSISTENT_PER_USER
                          : json_get_is(m->v, "instances", "call") ? RUNS_ONCE
                                                                   : PERSISTENT;
    if (json_has(m->v, "instances") && s->program.lifetime == PERSISTENT &&
        !json_get_is(m->v, "instances", "shared"))
        return manifest_error(m, "instances", "must be \"shared\", \"user\" or \"call\"");
    if (s->program.lifetime == PERSISTENT && json_has(m->v, "max_instances"))
        return manifest_error(m, "max_instances",
                              "is only valid with \"instances\": \"user\" or \"call\"");
    if (s->program.lifetime == RUNS_ONCE && json_has(m->v, "idle_s"))
        return manifest_error(m, "idle_s", "is not valid with \"instances\": \"call\"");
    return OK;
}

static enum rc read_caller(const struct manifest *m, struct server *s) {
    if (manifest_read_bool(m, m->v, "caller", &s->tells_caller))
        return m->e->code;
    if (json_has(m->v, "claims") && !s->tells_caller && !json_has(m->v, "identity"))
        return manifest_error(m, "claims", "is only valid with \"caller\": true or \"identity\"");
    return OK;
}

/* A header of the manifest with the same name would be sent besides. */
static bool has_authorization(const struct manifest *m) {
    for (struct json_member h = json_first(json_get(m->v, "headers")); h.key; json_next(&h))
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

#define COMMON_MEMBERS                                                                             \
    "secrets", "limits", "prefix", ACCESS_MEMBERS, "allow", "deny", "timeout_ms", "idle_s",        \
        "start_timeout_s", "instances", "max_instances", "caller", "claims", "revision", "quota"

static enum rc read_server(const struct manifest *m, struct entry *out) {
    static const char *const of_program[] = {"command", "env",          "home", "read",
                                             "write",   COMMON_MEMBERS, NULL};
    static const char *const of_url[] = {"url",      "headers",  "ca_file",      "allow_http",
                                         "identity", "audience", COMMON_MEMBERS, NULL};
    struct server *s = (struct server *)out;

    out->key = out->name = s->name =
        arena_strndup(m->keep, m->file, strlen(m->file) - strlen(".json"));
    s->is_address = json_has(m->v, "url");
    s->lists = arena_printf(m->keep, "%s/servers/%s.json", m->config->state_dir, s->name);
    if (manifest_check_members(m, m->v, s->is_address ? of_url : of_program,
                               s->is_address ? " of a server with \"url\"" : ""))
        return m->e->code;
    if (!manifest_is_name(s->name))
        return manifest_error(m, "the name of the file", "must have A-Z a-z 0-9 _ - . only");
    if (read_prefix(m, s) || read_names(m, "allow", &s->allow) || read_names(m, "deny", &s->deny) ||
        access_read(m, m->v, &out->access) || quota_read(m, m->v, WHERE, &s->quota) ||
        read_limits(m, s) || read_instances(m, s) || read_caller(m, s) || read_revision(m, s) ||
        read_identity(m, s))
        return m->e->code;
    return s->is_address
               ? server_read_url(m, &s->program)
               : program_read_start(&(struct program_members){m, m->v, WHERE, true}, &s->program);
}

/* ---- its lists ---- */

static struct file_version version_of(const char *path) {
    struct stat st;

    return stat(path, &st) ? (struct file_version){0} : file_version_of(&st);
}

static void read_lists(const struct catalog *c, struct entry *entry, struct manifest *m,
                       FILE *problems) {
    struct loaded_server *s = (struct loaded_server *)entry;
    const char *path = s->server.lists;
    struct json *lists;
    struct err e = {0};

    s->catalog = c;
    s->lists = version_of(path);
    s->has_lists = !access(path, F_OK);
    if (!s->has_lists)
        return;
    if (json_parse_file(m->scratch, path, SERVER_LISTS_BYTES_MAX, &lists, &e)) {
        err_print(problems, path, &e);
        return;
    }
    s->server.completes = json_has(json_get(lists, "capabilities"), "completions");
    s->server.subscribes =
        json_get_bool(json_get(json_get(lists, "capabilities"), "resources"), "subscribe");
    server_entries_add(&s->entries, &(struct server_reading){c, &s->server, m, problems}, lists);
}

static void remove_entries(struct entry *entry) {
    struct loaded_server *s = (struct loaded_server *)entry;

    server_entries_remove(&s->entries, s->catalog);
}

/* Its lists have changed; or who has the name of one of its entries may be gone. */
static bool is_old(const struct entry *entry, bool others_changed) {
    const struct loaded_server *s = (const struct loaded_server *)entry;
    const struct file_version now = version_of(s->server.lists);
    const bool are_there = !access(s->server.lists, F_OK);

    return are_there != s->has_lists || (are_there && !file_version_equal(&now, &s->lists)) ||
           (others_changed && s->entries.has_conflicts);
}

const struct catalog_kind_info server_kind = {.word = WHERE,
                                              .plural = "servers",
                                              .directory = offsetof(struct config, servers_dir),
                                              .entry_size = sizeof(struct loaded_server),
                                              .entries_max = SERVERS_MAX,
                                              .is_optional = true,
                                              .read = read_server,
                                              .added = read_lists,
                                              .removed = remove_entries,
                                              .is_old = is_old};

unsigned catalog_servers_update(struct catalog *c, FILE *problems) {
    struct catalog_set **set = &c->sets[CATALOG_SERVERS];

    if (!*set) {
        *set = catalog_set_new(c, CATALOG_SERVERS);
        (*set)->rules = NULL; /* they are about what servers offer */
    }
    return catalog_set_read_changed(*set, c, INT64_MAX, problems);
}

const struct server *catalog_server(const struct catalog *c, size_t i) {
    const struct catalog_set *set = c->sets[CATALOG_SERVERS];

    return set && i < set->count ? (const struct server *)set->lists[0].entries[i] : NULL;
}

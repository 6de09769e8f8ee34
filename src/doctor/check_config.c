/* Private part of doctor.h: what the configuration says, and whether it fits together and to the
 * files of this host. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "catalog/catalog.h"
#include "catalog/servers.h"
#include "crypto/seal.h"
#include "doctor/doctor.h"
#include "exec/executor.h"
#include "oauth/client_fetch.h"
#include "oauth/clients.h"
#include "shared/lmdb.h"
#include "shared/state_file.h"
#include "store/sessions.h"
#include "store/stores.h"

static void check_key_file(struct doctor *d) {
    const struct config *c = d->config;
    const bool shared = session_store_find(c)->table;
    struct seal_keys *keys;
    struct stat st;
    struct err e;

    if (c->makes_secret_key && stat(c->secret_key_file, &st)) {
        if (shared)
            doctor_warn(d, "all hosts of the site need the same: copy it from the first one",
                        "%s will be made on first start", c->secret_key_file);
        else
            doctor_ok(d, "%s will be made on first start", c->secret_key_file);
        return;
    }
    if (seal_keys_load(c->secret_key_file, false, &keys, &e))
        doctor_fail(d, "a line per key, base64url of 32 bytes; mode 600", "%s", e.detail);
    else {
        seal_keys_free(keys);
        doctor_ok(d, "%s", c->secret_key_file);
    }
}

/* Such as what a daemon has made that was once started by root. NULL: none. */
static const char *foreign_file(const struct doctor *d) {
    static const char *const files[] = {"lock", "sessions", "cache", "limits", "revoked"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = arena_printf(d->arena, "%s/%s", d->config->state_dir, files[i]);

        if (access(path, R_OK | W_OK) && errno == EACCES)
            return path;
    }
    return NULL;
}

static void check_state_dir(struct doctor *d) {
    const char *dir = d->config->state_dir, *foreign = foreign_file(d);
    struct stat st;

    if (*d->config->site && stat(dir, &st) && errno == ENOENT)
        doctor_ok(d, "%s will be made on first request", dir);
    else if (stat(dir, &st) || !S_ISDIR(st.st_mode))
        doctor_fail(d, "make it, owned by the service's user", "STATE_DIR %s is no directory", dir);
    else if (access(dir, W_OK | X_OK))
        doctor_fail(d, "run doctor as the service's user, and let that user own it",
                    "STATE_DIR %s cannot be written by this user: %s", dir, strerror(errno));
    else if (foreign)
        doctor_fail(d, "let the service's user own all that is in STATE_DIR (chown -R)",
                    "%s cannot be written by this user", foreign);
    else if (st.st_mode & S_IWOTH)
        doctor_fail(d, "chmod 700", "%s can be written by everyone", dir);
    else if (!geteuid() && st.st_uid)
        doctor_ok(d, "%s (looked at as root; as the service's user doctor sees more)", dir);
    else
        doctor_ok(d, "%s", dir);
}

/* Damaged files that the service has replaced. */
static void check_damaged(struct doctor *d) {
    static const char *const files[] = {"sessions/" LMDB_DATA, "cache/" LMDB_DATA, "limits"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path =
            arena_printf(d->arena, "%s/%s" DAMAGED_SUFFIX, d->config->state_dir, files[i]);

        if (!access(path, F_OK))
            doctor_warn(d, "look at the disk and at who else writes there, then delete it",
                        "%s was damaged and has been replaced: %s", files[i], path);
    }
}

static void check_scopes(struct doctor *d) {
    const struct config *c = d->config;

    if (!*c->required_scopes)
        doctor_warn(d, "name one in REQUIRED_SCOPES",
                    "any token of the app client may call the MCP endpoint");
    else
        doctor_ok(d, "every call needs %s", c->required_scopes);
}

static void check_audience(struct doctor *d) {
    if (d->needs_audience)
        doctor_ok(d,
                  "access tokens must be for %s: Cognito needs managed login and the plan "
                  "Essentials or Plus for that",
                  d->config->mcp_server_uri);
    else if (d->shares_client)
        doctor_warn(d, "set REQUIRE_AUDIENCE=yes, or use an app client for each",
                    "another site takes tokens of an app client that is of this one too, and its "
                    "access tokens are good here");
}

void check_config(struct doctor *d) {
    unsigned groups = d->config->endpoints;

    if (groups != GROUP_METADATA) {
        doctor_check(d, "state directory", check_state_dir);
        doctor_check(d, "state directory", check_damaged);
    }
    if (groups & (GROUP_AUTHORIZE | GROUP_TOKEN))
        doctor_check(d, "key file", check_key_file);
    if (groups & GROUP_MCP) {
        doctor_check(d, "scopes", check_scopes);
        doctor_check(d, "audience", check_audience);
    }
}

void check_outputs(struct doctor *d) {
    const struct config *c = d->config;
    struct problems problems;

    problems_begin(&problems);
    app_become_service(c);
    if (app_check_outputs(c, problems.f))
        doctor_ok(d, "audit log %s, metrics %s, status %s",
                  *c->audit_log ? c->audit_log : "among the lines of the log",
                  !c->metrics_emf        ? "off"
                  : *c->metrics_emf_file ? c->metrics_emf_file
                                         : "among the lines of the log",
                  c->status_file);
    (void)doctor_report_lines(
        d, VERDICT_FAIL, "let the service's user write there, or name another file", &problems);
}

/* ---- the folders that an admin fills: pinned clients, and manifests. Read by the loaders of the
 * service. ---- */

/* Loads a folder as the service does, throws away what was loaded, and writes what is to be said.
 * CATALOG_KINDS: pinned clients. Returns how many files were left out. */
static unsigned load_folder(const struct config *c, enum catalog_kind kind, FILE *problems) {
    struct catalog *catalog;
    unsigned bad;

    if (kind == CATALOG_KINDS) {
        client_set_free(client_set_load(c, problems, &bad));
        return bad;
    }
    catalog = catalog_new(c, &executor_sources);
    bad = catalog_load(catalog, kind, problems);
    catalog_warn(catalog, kind, problems);
    catalog_free(catalog);
    return bad;
}

static void check_folder(struct doctor *d, const char *name, const char *path,
                         enum catalog_kind kind) {
    struct problems problems;
    unsigned bad;

    if (!*path)
        return; /* switched off */
    d->check = name;
    if (access(path, R_OK | X_OK)) {
        doctor_warn(d, "make it, or let the service's user read it", "%s cannot be read", path);
        return;
    }
    problems_begin(&problems);
    bad = load_folder(d->config, kind, problems.f);
    if (!doctor_report_lines(d, VERDICT_WARN,
                             bad ? "correct it; it is not used until then"
                                 : "it is served as it is; see docs/tools.md",
                             &problems))
        doctor_ok(d, "%s", path);
}

/* All manifests are read for it, whose own problems are reported above. */
static bool load_rules(const struct config *c, FILE *problems) {
    struct catalog *catalog = catalog_new(c, &executor_sources);
    bool good = catalog_update_rules(catalog, problems);
    struct problems known;

    problems_begin(&known);
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++)
        (void)catalog_load(catalog, kind, known.f);
    (void)catalog_servers_update(catalog, known.f);
    problems_end(&known, NULL);
    if (good)
        catalog_warn_rules(catalog, problems);
    catalog_free(catalog);
    return good;
}

static void check_access_rules(struct doctor *d) {
    struct problems problems;
    bool good;

    if (!*d->config->access_file)
        return;
    problems_begin(&problems);
    good = load_rules(d->config, problems.f);
    if (!doctor_report_lines(d, good ? VERDICT_WARN : VERDICT_FAIL,
                             good ? "is its name right? See docs/access.md"
                                  : "correct it; the daemon does not start with it",
                             &problems))
        doctor_ok(d, "%s", d->config->access_file);
}

void check_directories(struct doctor *d) {
    const struct config *c = d->config;
    const struct http_options guarded = document_http_options(c);
    struct err e;

    if (c->endpoints & GROUP_AUTHORIZE) {
        check_folder(d, "pinned clients", c->clients_dir, CATALOG_KINDS);
        d->check = "client documents";
        if (http_options_check(&guarded, &e))
            doctor_fail(d, "see CLIENT_METADATA_…", "%s", e.text);
    }
    for (enum catalog_kind kind = 0; c->endpoints & GROUP_MCP && kind < CATALOG_KINDS; kind++)
        check_folder(d, catalog_kinds[kind]->plural, catalog_directory(c, kind), kind);
    if (c->endpoints & GROUP_MCP)
        doctor_check(d, "access rules", check_access_rules);
}

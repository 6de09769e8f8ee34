/* Private part of doctor.h: what the configuration says, and whether it fits together and to the
 * files of this host. */
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "base/base.h"
#include "catalog/catalog.h"
#include "crypto/seal_keys.h"
#include "doctor/doctor.h"
#include "exec/executors.h"
#include "oauth/client_fetch.h"
#include "oauth/client_set.h"
#include "shared/kv_file.h"
#include "shared/state_file.h"

static void check_key_file(struct doctor *d) {
    const struct config *c = d->config;
    const bool shared = c->session_store == SESSION_STORE_DYNAMODB;
    struct seal_keys *keys;
    struct stat st;
    struct err e;

    if (c->makes_secret_key && stat(c->secret_key_file, &st)) {
        if (shared)
            doctor_warn(d, "key file",
                        "all hosts of the site need the same: copy it from the first one",
                        "%s will be made on first start", c->secret_key_file);
        else
            doctor_ok(d, "key file", "%s will be made on first start", c->secret_key_file);
        return;
    }
    if (seal_keys_load(c->secret_key_file, false, &keys, &e))
        doctor_fail(d, "key file", "a line per key, base64url of 32 bytes; mode 600", "%s",
                    e.detail);
    else {
        seal_keys_free(keys);
        doctor_ok(d, "key file", "%s", c->secret_key_file);
    }
}

static void check_state_dir(struct doctor *d) {
    const char *dir = d->config->state_dir;
    struct stat st;

    if (stat(dir, &st) || !S_ISDIR(st.st_mode))
        doctor_fail(d, "state directory", "make it, owned by the service's user",
                    "STATE_DIR %s is no directory", dir);
    else if (access(dir, W_OK | X_OK))
        doctor_fail(d, "state directory",
                    "run doctor as the service's user, and let that user own it",
                    "STATE_DIR %s cannot be written by this user", dir);
    else if (st.st_mode & S_IWOTH)
        doctor_fail(d, "state directory", "chmod 700", "%s can be written by everyone", dir);
    else if (!geteuid() && st.st_uid)
        doctor_ok(d, "state directory",
                  "%s (looked at as root; as the service's user doctor sees more)", dir);
    else
        doctor_ok(d, "state directory", "%s", dir);
}

/* Damaged files that the service has replaced. */
static void check_damaged(struct doctor *d) {
    static const char *const files[] = {"sessions/" KV_DATA, "cache/" KV_DATA, "limits"};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path =
            arena_printf(d->arena, "%s/%s" DAMAGED_SUFFIX, d->config->state_dir, files[i]);

        if (!access(path, F_OK))
            doctor_warn(d, "state directory",
                        "look at the disk and at who else writes there, then delete it",
                        "%s was damaged and has been replaced: %s", files[i], path);
    }
}

static void check_scopes(struct doctor *d) {
    const struct config *c = d->config;

    if (!*c->required_scopes)
        doctor_warn(d, "scopes", "name one in REQUIRED_SCOPES",
                    "any token of the app client may call the MCP endpoint");
    else
        doctor_ok(d, "scopes", "every call needs %s", c->required_scopes);
}

void check_config(struct doctor *d) {
    unsigned groups = d->config->endpoints;

    if (groups != GROUP_METADATA) {
        check_state_dir(d);
        check_damaged(d);
    }
    if (groups & (GROUP_AUTHORIZE | GROUP_TOKEN))
        check_key_file(d);
    if (groups & GROUP_MCP)
        check_scopes(d);
}

void check_outputs(struct doctor *d) {
    const struct config *c = d->config;
    char *problems = NULL;
    size_t len;
    FILE *f = open_memstream(&problems, &len);

    if (!f)
        return;
    app_become_service(c);
    if (app_check_outputs(c, f))
        doctor_ok(d, "output files", "audit log %s, metrics %s, status %s",
                  *c->audit_log ? c->audit_log : "among the lines of the log",
                  !c->metrics_emf        ? "off"
                  : *c->metrics_emf_file ? c->metrics_emf_file
                                         : "among the lines of the log",
                  c->status_file);
    (void)fclose(f);
    doctor_say_lines(d, VERDICT_FAIL, "output files",
                     "let the service's user write there, or name another file", problems);
    free(problems);
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
    catalog_advise(catalog, kind, problems);
    catalog_free(catalog);
    return bad;
}

static void check_folder(struct doctor *d, const char *what, const char *path,
                         enum catalog_kind kind) {
    char *problems = NULL;
    unsigned bad;
    size_t len;
    FILE *f;

    if (!*path)
        return; /* switched off */
    if (access(path, R_OK | X_OK)) {
        doctor_warn(d, what, "make it, or let the service's user read it", "%s cannot be read",
                    path);
        return;
    }
    if (!(f = open_memstream(&problems, &len)))
        return;
    bad = load_folder(d->config, kind, f);
    (void)fclose(f);
    if (bad)
        doctor_say_lines(d, VERDICT_WARN, what, "mend it; it is left out until then", problems);
    else if (len)
        doctor_say_lines(d, VERDICT_WARN, what, "it is served as it is; see docs/tools.md",
                         problems);
    else
        doctor_ok(d, what, "%s", path);
    free(problems);
}

void check_directories(struct doctor *d) {
    const struct config *c = d->config;
    const struct http_options guarded = document_http_options(c);
    struct err e;

    if (c->endpoints & GROUP_AUTHORIZE) {
        check_folder(d, "pinned clients", c->clients_dir, CATALOG_KINDS);
        if (http_options_check(&guarded, &e))
            doctor_fail(d, "client documents", "see CLIENT_METADATA_…", "%s", e.text);
    }
    for (enum catalog_kind kind = 0; c->endpoints & GROUP_MCP && kind < CATALOG_KINDS; kind++)
        check_folder(d, catalog_kinds[kind]->plural, catalog_directory(c, kind), kind);
}

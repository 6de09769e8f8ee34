/* Private part of app.h: what commands and a reload check without serving. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "app/loaded_site.h"
#include "app/site_set.h"
#include "aws/endpoint.h"
#include "base/output.h"
#include "base/problems.h"
#include "crypto/seal.h"
#include "net/http.h"
#include "oauth/client_fetch.h"
#include "oauth/client_metadata.h"
#include "oauth/clients.h"
#include "oauth/site.h"
#include "pages/page.h"
#include "store/sessions.h"
#include "store/stores.h"
#include "store/table.h"
#include "store/tasks.h"

#define TRY_ARENA_MAX (1 << 20)

void app_become_service(const struct config *c) {
    const struct passwd *p;
    struct stat st;

    if (geteuid() || stat(c->host_state_dir, &st) || !st.st_uid)
        return;
    p = getpwuid(st.st_uid);
    if ((p ? initgroups(p->pw_name, p->pw_gid) : setgroups(1, &st.st_gid)) ||
        setgid(p ? p->pw_gid : st.st_gid) || setuid(st.st_uid))
        perror("mcp-authd: it is root who looks, not the service's user");
}

static bool good(const char *key, enum rc failed, const struct err *e, FILE *problems) {
    const struct passwd *p = getpwuid(geteuid());

    if (failed)
        (void)fprintf(problems,
                      "%s: %s (tried as the user %s; see LogsDirectory= and "
                      "ReadWritePaths= of the unit)\n",
                      key, e->text, p ? p->pw_name : "without a name");
    return !failed;
}

/* The default lies in STATE_DIR. */
static bool in_state_dir(const struct config *c, const char *path) {
    size_t len = strlen(c->host_state_dir);

    return !strncmp(path, c->host_state_dir, len) && path[len] == '/';
}

bool app_check_outputs(const struct config *c, FILE *problems) {
    struct err e = {.code = OK};
    bool all = true;

    if (*c->audit_log && audit_is_written(c))
        all = good("AUDIT_LOG", output_check(c->audit_log, &e), &e, problems);
    if (*c->metrics_emf_file && c->metrics_emf)
        all = good("METRICS_EMF_FILE", output_check(c->metrics_emf_file, &e), &e, problems) && all;
    if (!in_state_dir(c, c->status_file))
        all = good("STATUS_FILE", output_check_folder(c->status_file, &e), &e, problems) && all;
    return all;
}

/* `label` stands before what is wrong. */
static bool try_key(const char *path, bool make, const char *label, FILE *problems) {
    struct seal_keys *keys = NULL;
    struct err e;

    if (seal_keys_load(path, make, &keys, &e)) {
        (void)fprintf(problems, "%s%s\n", label, e.detail);
        return false;
    }
    seal_keys_free(keys);
    return true;
}

bool app_make_key(const char *path, FILE *problems) {
    return try_key(path, true, "", problems);
}

static bool check_key(const struct config *config, FILE *problems) {
    if (!(config->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_MCP)))
        return true;
    if (config->makes_secret_key && access(config->secret_key_file, F_OK) && errno == ENOENT)
        return true;
    return try_key(config->secret_key_file, false, "SECRET_KEY_FILE: ", problems);
}

static bool check_http(const struct http_options *options, const char *setting, const char *value,
                       FILE *problems) {
    struct err e;

    if (!http_options_check(options, &e))
        return true;
    (void)fprintf(problems, "%s=%s: %s\n", setting, value, e.text);
    return false;
}

/* How client documents are fetched. */
static bool check_fetching(const struct config *c, FILE *problems) {
    const char *nets = c->client_metadata_allow_nets, *ca = c->client_metadata_ca_file;
    bool good = check_http(&(struct http_options){.allow_nets = nets}, "CLIENT_METADATA_ALLOW_NETS",
                           nets, problems);

    return check_http(&(struct http_options){.ca_file = ca}, "CLIENT_METADATA_CA_FILE", ca,
                      problems) &&
           good;
}

static bool check_stores(const struct config *c, FILE *problems) {
    const struct table_kind *sessions = session_store_find(c)->table;
    const struct table_kind *tasks = task_store_find(c)->table;
    struct err e;

    if (sessions && c->endpoints & (GROUP_AUTHORIZE | GROUP_TOKEN) && table_check(sessions, c, &e))
        (void)fprintf(problems, "SESSION_STORE=dynamodb: %s\n", e.text);
    else if (tasks && c->endpoints & GROUP_MCP && table_check(tasks, c, &e))
        (void)fprintf(problems, "%s: %s\n", tasks->setting, e.text);
    else
        return true;
    return false;
}

bool app_check(const struct config *config, FILE *problems, struct app_checked *out) {
    const struct http_options aws = aws_http_options("", ""); /* also the identity provider's */
    bool good = check_fetching(config, problems);

    good = check_http(&aws, "AWS_CA_BUNDLE", aws.ca_bundle, problems) && good;
    good = check_key(config, problems) && good;
    good = check_stores(config, problems) && good;
    good = app_check_outputs(config, problems) && good;
    return loaded_site_check(config, problems, out) && good;
}

/* What is wrong with a site of several comes after its name. */
static bool check_site(const struct config *c, FILE *problems, struct app_checked *out) {
    struct problems p;
    bool good;

    if (!*c->site)
        return app_check(c, problems, out);
    problems_begin(&p);
    good = app_check(c, p.f, out);
    for (const char *line; (line = problems_next(&p));)
        (void)fprintf(problems, "site %s: %s\n", c->site, line);
    return good;
}

bool app_check_sites(struct site_set *s, const struct site_set *previous, FILE *problems,
                     struct app_checked *out) {
    bool good = true;

    *out = (struct app_checked){0};
    for (size_t i = s->config->count; good && i-- > 0;) {
        struct app_checked checked = {0};
        const struct config *c;

        if (i >= s->config->count || !s->config->all[i].is_new)
            continue; /* others had to go with one that was wrong */
        c = s->config->all[i].config;
        if (!check_site(c, problems, &checked))
            good = c != s->config->host && site_set_revert(s, i, previous, problems);
        out->left_out += checked.left_out;
        if (s->config->named)
            app_catalog_free(checked.catalog);
        else
            out->catalog = checked.catalog;
    }
    return good;
}

/* ---- mcp-authd try-client: what /authorize would make of a client, without a login ---- */

static void print_client(struct arena *a, const struct client *c, FILE *out) {
    (void)fprintf(out, "The client may log users in.\n");
    (void)fprintf(out, "  name      %s\n", display_name(a, c->name));
    (void)fprintf(out, "  from      %s\n", *c->host ? c->host : "a document in CLIENTS_DIR");
    for (unsigned i = 0; i < c->redirect_uri_count; i++)
        (void)fprintf(out, "  %s  %s\n", i ? "        " : "redirect", c->redirect_uris[i]);
}

static void print_refusal(const struct err *e, FILE *out) {
    (void)fprintf(out, "The client would be refused: %s.\n", e->text);
    if (*e->detail)
        (void)fprintf(out, "  %s\n", e->detail);
    (void)fprintf(out, "  A client can be pinned: put its document into CLIENTS_DIR and reload.\n");
}

bool app_try_client(const struct config *config, const char *client_id, FILE *out) {
    const struct http_options guarded = document_http_options(config);
    struct arena *a = arena_new(TRY_ARENA_MAX);
    struct oauth_site oauth = {0};
    struct site site = {.config = config, .oauth = &oauth};
    struct client client;
    struct err e = {.code = OK};
    unsigned bad;

    oauth.clients = client_set_load(config, out, &bad);
    if (!http_client_new(&guarded, &oauth.guarded, &e) &&
        !client_find(&site, a, client_id, &client, &e))
        print_client(a, &client, out);
    else
        print_refusal(&e, out);
    http_client_free(oauth.guarded);
    client_set_free(oauth.clients);
    arena_free(a);
    return e.code == OK;
}

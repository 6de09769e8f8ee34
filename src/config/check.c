/* Private part of config.h: what each value must be, and all of them together. */
#include <pwd.h>
#include <regex.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text.h"
#include "config/config.h"
#include "config/loading.h"

bool config_check_url(struct loading *l, const char *key, const char *text, struct url *u) {
    const char *rest = strstr(text, "://");
    struct err e;

    memset(u, 0, sizeof *u);
    u->path = "";
    if (!*text || config_is_refused(l, key))
        return false;
    if (!rest)
        config_refuse(l, key, "must start with https://, such as https://%s",
                      config_shown(l, text));
    else if (url_parse(l->c->arena, text, u, &e))
        config_refuse(l, key, "%s", e.text);
    else if (strcmp(u->scheme, "https") != 0 &&
             (strcmp(u->scheme, "http") != 0 || !url_is_loopback(u)))
        config_refuse(l, key,
                      "must start with https:// (plain http only for a loopback host): https%s",
                      rest);
    else if (u->userinfo || u->query || u->fragment)
        config_refuse(l, key, "must not have user info, a query or a fragment: %s%s",
                      url_origin(l->c->arena, u), u->path);
    return !config_is_refused(l, key);
}

/* The addresses below the issuer are ours to append. */
static bool is_below_issuer(struct loading *l) {
    static const char *const ours[] = {"/callback", "/authorize", "/token"};
    const char *uri = l->c->auth_proxy_uri;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (text_ends_with(uri, ours[i])) {
            config_refuse(l, "AUTH_PROXY_URI", "%s is below the issuer: AUTH_PROXY_URI=%.*s",
                          ours[i], (int)(strlen(uri) - strlen(ours[i])), uri);
            return true;
        }
    return false;
}

/* Of the MCP endpoint's URL. */
static void derive_resource(struct config *c, struct arena *a, const struct url *u) {
    c->mcp_path = *u->path ? u->path : "/";
    c->mcp_origin = url_origin(a, u);
    /* RFC 9728 §3.1: the well-known part goes between host and path. */
    c->prm_uri = arena_printf(a, "%s/.well-known/oauth-protected-resource%s", c->mcp_origin,
                              strcmp(u->path, "/") ? u->path : "");
    if (!*c->auth_proxy_uri)
        c->auth_proxy_uri = c->mcp_origin;
}

static void derive_issuer(struct config *c, struct arena *a, const struct url *u) {
    c->auth_path = u->path;
    c->auth_is_https = strcmp(u->scheme, "https") == 0;
    c->callback_uri = arena_printf(a, "%s/callback", c->auth_proxy_uri);
}

const struct config *config_at(const struct config *c, struct arena *a, const char *origin) {
    struct config *at = memcpy(arena_alloc(a, sizeof *at), c, sizeof *c);
    struct url u;

    at->mcp_server_uri = arena_printf(a, "%s/mcp", origin);
    if (url_parse(a, at->mcp_server_uri, &u, ERR_IGNORED) || strcmp(u.path, "/mcp") != 0 ||
        u.userinfo)
        return NULL;
    derive_resource(at, a, &u);
    if (url_parse(a, at->auth_proxy_uri, &u, ERR_IGNORED))
        return NULL;
    derive_issuer(at, a, &u);
    return at;
}

const char *config_without_slashes(struct arena *a, const char *text) {
    size_t len = strlen(text);

    while (len && text[len - 1] == '/')
        len--;
    return arena_strndup(a, text, len);
}

static void derive_addresses(struct loading *l) {
    struct config *c = l->c;
    struct url u;

    if (!*c->mcp_server_uri && (l->host || c->endpoints & (GROUP_METADATA | GROUP_MCP)) &&
        !config_is_refused(l, "MCP_SERVER_URI"))
        config_fault(l, 0, "MCP_SERVER_URI must be set");
    if (config_check_url(l, "MCP_SERVER_URI", c->mcp_server_uri, &u))
        derive_resource(c, c->arena, &u);
    c->auth_proxy_uri = config_without_slashes(c->arena, c->auth_proxy_uri);
    if (config_check_url(l, "AUTH_PROXY_URI", c->auth_proxy_uri, &u) && !is_below_issuer(l))
        derive_issuer(c, c->arena, &u);
}

/* A site's state is below that of the host. */
void config_derive_files(struct loading *l) {
    struct config *c = l->c;
    const char *standard;

    c->host_state_dir = c->state_dir;
    if (l->host) {
        c->state_dir = arena_printf(c->arena, "%s/sites/%s", c->host_state_dir, c->site);
        if (!config_given(l, "SECRETS_DIR"))
            c->secrets_dir = arena_printf(c->arena, "%s/%s", l->host->c->secrets_dir, c->site);
    }
    standard = arena_printf(c->arena, "%s/secret.key", c->state_dir);
    if (!*c->secret_key_file)
        c->secret_key_file = standard;
    c->makes_secret_key = !strcmp(c->secret_key_file, standard);
    if (!*c->status_file)
        c->status_file = arena_printf(c->arena, "%s/status.json", c->host_state_dir);
}

/* SESSION_TABLE_NAME alone is enough to choose DynamoDB. */
static void derive_store(struct loading *l) {
    const char *store = config_given(l, "SESSION_STORE");
    const char *table = config_given(l, "SESSION_TABLE_NAME");

    if ((!store || !*store) && table && *table)
        l->c->session_store = SESSION_STORE_DYNAMODB;
}

/* A POSIX extended regular expression. */
static bool matches(const char *text, const char *pattern) {
    regex_t regex;
    bool found;

    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
        return false;
    found = !regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    return found;
}

static void check_table(struct loading *l, const char *key, const char *table) {
    if (!matches(table, "^(arn:aws[a-z0-9-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/)?"
                        "[A-Za-z0-9_.-]{3,255}$"))
        config_refuse(l, key,
                      "must be a DynamoDB table's name (3 to 255 of A-Z a-z 0-9 _ - .) or its ARN "
                      "(arn:aws:dynamodb:REGION:ACCOUNT:table/NAME)");
}

static void check_proxy(struct loading *l, const char *key, const char *proxy) {
    struct url u;

    if (*proxy && (url_parse(l->c->arena, proxy, &u, ERR_IGNORED) ||
                   strcmp(u.scheme, "http") != 0 || u.userinfo || !u.port || !*u.port ||
                   (*u.path && strcmp(u.path, "/") != 0) || u.query || u.fragment))
        config_refuse(l, key, "must be like http://HOST:PORT, without user and password");
}

static void check_no_proxy(struct loading *l) {
    if (!matches(l->c->no_proxy_upstream,
                 "^([.]?[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*( |$)|\\[[0-9A-Fa-f:.]+\\]( |$))*$"))
        config_refuse(l, "NO_PROXY_UPSTREAM",
                      "must be host names, domains and addresses ([IPv6]), without scheme, port "
                      "and *, separated by spaces");
}

/* A redirect to one of these would run, show or send something itself. */
static const char never_private[] =
    "http https javascript vbscript data blob file filesystem about "
    "view-source ws wss ftp mailto tel sms";

/* RFC 3986 §3.1, in lower case. */
static void check_schemes(struct loading *l, const char *key, const char *list) {
    for (const char *scheme; (scheme = list_next(l->c->arena, &list));)
        if (!matches(scheme, "^[a-z][a-z0-9+.-]*$"))
            config_refuse(l, key, "must be schemes in lower case, without \"://\", such as cursor");
        else if (list_has(never_private, scheme))
            config_refuse(l, key, "%s belongs to no app", scheme);
}

/* A browser sends scheme, host and port; what is more never matches. */
static const char *origin_of(struct loading *l, const char *word) {
    struct arena *a = l->c->arena;
    struct url u;

    if (!strcmp(word, "*"))
        return word;
    if (!strstr(word, "://") || url_parse(a, word, &u, ERR_IGNORED) || u.userinfo)
        config_refuse(l, "ALLOWED_ORIGINS",
                      "%s is no origin, such as https://inspector.example.com",
                      config_shown(l, word));
    else if (u.query || u.fragment || (*u.path && strcmp(u.path, "/") != 0))
        config_refuse(l, "ALLOWED_ORIGINS", "an origin has no path: %s", url_origin(a, &u));
    else
        return url_origin(a, &u);
    return word;
}

/* oauth/clients.c says what they mean. A host with a scheme before it would match no client. */
static void check_clients(struct loading *l, const char *key, const char *list) {
    struct url u;

    for (const char *word; (word = list_next(l->c->arena, &list));)
        if (strchr(word, ':') && !url_parse(l->c->arena, word, &u, ERR_IGNORED) && u.host &&
            !*u.path)
            config_refuse(l, key, "write %s for the host, or %s/ for all documents below it",
                          u.host, word);
}

static void check_origins(struct loading *l) {
    struct config *c = l->c;
    const char *list = c->allowed_origins;
    struct buf origins;

    buf_init(&origins, c->arena, 2 * strlen(list)); /* none is written longer than it was */
    for (const char *w; (w = list_next(c->arena, &list));)
        buf_addf(&origins, "%s%s", origins.len ? " " : "", origin_of(l, w));
    c->allowed_origins = origins.p;
}

static void check_scopes(struct loading *l) {
    const struct config *c = l->c;

    for (const char *p = c->supported_scopes; *p; p++)
        if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\') {
            config_refuse(l, "SUPPORTED_SCOPES",
                          "has a character that RFC 6749 §3.3 does not allow");
            return;
        }
    if (c->endpoints & GROUP_MCP && !config_is_refused(l, "SUPPORTED_SCOPES") &&
        !list_covers(c->supported_scopes, c->required_scopes))
        config_refuse(l,
                      config_given(l, "REQUIRED_SCOPES") ? "REQUIRED_SCOPES" : "SUPPORTED_SCOPES",
                      "SUPPORTED_SCOPES must have all of REQUIRED_SCOPES (%s)", c->required_scopes);
}

#define RUNNERS "/run/mcp-authd-runner" /* of mcp-authd-runner@.socket */

/* Otherwise the runner would not start, and each call would wait for it. A site names the user of a
 * runner, which is a service of that user. */
static void check_runner(struct loading *l) {
    const struct passwd *user = *l->c->run_user ? getpwnam(l->c->run_user) : NULL;
    struct config *c = l->c;
    struct sockaddr_un address;

    if (*c->run_user && !user)
        config_refuse(l, "RUN_USER", "there is no such user");
    else if (user && l->host && !user->pw_uid)
        config_refuse(l, "RUN_USER", "programs of a site never run as root");
    else if (user && l->host &&
             (!config_given(l, "RUNNER_SOCKET") ||
              l->given[config_key_index("RUNNER_SOCKET")].inherited))
        c->runner_socket = arena_printf(c->arena, RUNNERS "/%s.sock", c->run_user);
    if (*c->runner_socket &&
        (*c->runner_socket != '/' || strlen(c->runner_socket) >= sizeof address.sun_path))
        config_refuse(l, "RUNNER_SOCKET", "must be an absolute path of at most %zu bytes",
                      sizeof address.sun_path - 1);
}

static void check_listen(struct loading *l, const char *key, const char *value) {
    struct sockaddr_storage address;

    if (*value == '/' ? strlen(value) >= sizeof((struct sockaddr_un *)0)->sun_path
                      : !url_socket_address(value, &address))
        config_refuse(l, key,
                      "must be the path of a socket, of at most %zu bytes, or IP:PORT, such as "
                      "127.0.0.1:9000 or [::1]:9000",
                      sizeof((struct sockaddr_un *)0)->sun_path - 1);
}

void config_check_host(struct loading *l) {
    struct config *c = l->c;

    if (*c->listen) /* empty: systemd or the web server passes a socket */
        check_listen(l, "LISTEN", c->listen);
    if (*c->metrics_listen && *c->metrics_listen != '/' &&
        strncmp(c->metrics_listen, "127.", 4) != 0 && strncmp(c->metrics_listen, "[::1]:", 6) != 0)
        config_refuse(l, "METRICS_LISTEN",
                      "must be the path of a socket or a loopback address (127.0.0.1:9464): "
                      "figures are not for everybody");
    else if (*c->metrics_listen)
        check_listen(l, "METRICS_LISTEN", c->metrics_listen);
    check_runner(l);
    check_proxy(l, "HTTPS_PROXY_UPSTREAM", c->https_proxy_upstream);
    check_no_proxy(l);
    if (c->workers_max < c->workers_min && !config_is_refused(l, "WORKERS_MIN") &&
        !config_is_refused(l, "WORKERS_MAX"))
        config_refuse(l, config_given(l, "WORKERS_MAX") ? "WORKERS_MAX" : "WORKERS_MIN",
                      "WORKERS_MAX (%u) must not be below WORKERS_MIN (%u)", c->workers_max,
                      c->workers_min);
}

void config_check_site(struct loading *l) {
    struct config *c = l->c;

    derive_addresses(l);
    derive_store(l);
    config_check_server(l);
    if (l->host)
        check_runner(l);
    if (*c->access_file && (*c->access_file != '/' || !strcmp(strrchr(c->access_file, '/'), "/")))
        config_refuse(l, "ACCESS_FILE", "must be the absolute path of a file");
    check_proxy(l, "CLIENT_METADATA_PROXY", c->client_metadata_proxy);
    check_schemes(l, "PRIVATE_USE_SCHEMES", c->private_use_schemes);
    check_origins(l);
    check_clients(l, "CLIENTS_ALLOW", c->clients_allow);
    check_clients(l, "CLIENTS_DENY", c->clients_deny);
    check_scopes(l);
    check_table(l, "SESSION_TABLE_NAME", c->session_table_name);
    if (*c->task_table_name)
        check_table(l, "TASK_TABLE_NAME", c->task_table_name);
}

#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"

#define CONFIG_LINE_MAX 4096
#define CONFIG_ARENA_MAX (1 << 20)

static const struct {
    const char *name;
    unsigned bit;
} groups[] = {{"authorize", GROUP_AUTHORIZE},
              {"token", GROUP_TOKEN},
              {"metadata", GROUP_METADATA},
              {"mcp", GROUP_MCP}};
#define GROUP_COUNT (sizeof groups / sizeof *groups)

struct loading {
    struct config *c;
    FILE *errors;
    const char *values[64]; /* by index in config_keys; NULL: not given */
    unsigned bad;
};

#define bad(l, ...)                                                                                \
    do {                                                                                           \
        (void)fprintf((l)->errors, __VA_ARGS__);                                                   \
        (void)fputc('\n', (l)->errors);                                                            \
        (l)->bad++;                                                                                \
    } while (0)

static size_t find_key(const char *name) {
    size_t i;

    for (i = 0; i < config_key_count && strcmp(config_keys[i].name, name) != 0; i++)
        ;
    return i;
}

static char *trim(char *s) {
    char *end;

    while (isspace((unsigned char)*s))
        s++;
    for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
        *--end = 0;
    return s;
}

/* For a message, which may go to a terminal. */
static const char *shown(char *s) {
    for (char *p = s; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = '?';
    return s;
}

static void read_line(struct loading *l, const char *path, int number, char *line) {
    char *eq, *name = trim(line), *value;
    size_t key;

    if (!*name || *name == '#')
        return;
    eq = strchr(name, '=');
    if (!eq) {
        bad(l, "%s:%d: expected KEY=value", path, number);
        return;
    }
    *eq = 0;
    value = trim(eq + 1);
    name = trim(name);
    key = find_key(name);
    if (key == config_key_count)
        bad(l, "%s:%d: %s is not a key that mcp-authd knows", path, number, shown(name));
    else if (l->values[key])
        bad(l, "%s:%d: %s is given twice", path, number, name);
    else
        l->values[key] = arena_strdup(l->c->arena, value);
}

static void read_file(struct loading *l, const char *path) {
    FILE *f = fopen(path, "re");
    char line[CONFIG_LINE_MAX];
    int number = 0;

    if (!f) {
        bad(l, "%s: cannot be read: %s", path, strerror(errno));
        return;
    }
    while (fgets(line, sizeof line, f)) {
        number++;
        if (!strchr(line, '\n') && !feof(f)) {
            bad(l, "%s:%d: the line is longer than %d bytes", path, number, CONFIG_LINE_MAX - 2);
            break;
        }
        read_line(l, path, number, line);
    }
    if (ferror(f))
        bad(l, "%s: cannot be read: %s", path, strerror(errno));
    (void)fclose(f);
}

static void read_environment(struct loading *l) {
    for (size_t i = 0; i < config_key_count; i++) {
        const char *v = getenv(config_keys[i].name);

        if (v && *v)
            l->values[i] = arena_strdup(l->c->arena, v);
    }
}

static void set_number(struct loading *l, const struct config_key *key, const char *text) {
    char *end, *at = (char *)l->c + key->offset;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno || *end || !isdigit((unsigned char)*text) || n < key->min || n > key->max) {
        bad(l, "%s must be a number from %llu to %llu", key->name, (unsigned long long)key->min,
            (unsigned long long)key->max);
        return;
    }
    if (key->kind == CONFIG_SIZE)
        *(size_t *)(void *)at = (size_t)n;
    else
        *(unsigned *)(void *)at = (unsigned)n;
}

static void set_bool(struct loading *l, const struct config_key *key, const char *text) {
    bool yes = strcmp(text, "yes") == 0;

    if (!yes && strcmp(text, "no") != 0)
        bad(l, "%s must be yes or no", key->name);
    *(bool *)(void *)((char *)l->c + key->offset) = yes;
}

static void set_endpoints(struct loading *l, const char *text) {
    char *copy = arena_strdup(l->c->arena, text), *save = NULL;

    l->c->endpoints = 0;
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        size_t i;

        for (i = 0; i < GROUP_COUNT && strcmp(groups[i].name, w) != 0; i++)
            ;
        if (i == GROUP_COUNT)
            bad(l, "ENDPOINTS: %s is none of authorize, token, metadata, mcp", shown(w));
        else
            l->c->endpoints |= groups[i].bit;
    }
    if (!l->c->endpoints)
        bad(l, "ENDPOINTS must name at least one of authorize, token, metadata, mcp");
}

static void set_value(struct loading *l, size_t i) {
    const struct config_key *key = &config_keys[i];
    const char *text = l->values[i] ? l->values[i] : key->initial;

    if (!text || (!key->initial && !*text)) {
        bad(l, "%s must be set", key->name);
        text = "";
    }
    switch (key->kind) {
    case CONFIG_TEXT:
        *(const char **)(void *)((char *)l->c + key->offset) = text;
        break;
    case CONFIG_BOOL:
        set_bool(l, key, text);
        break;
    case CONFIG_NUMBER:
    case CONFIG_SIZE:
        set_number(l, key, text);
        break;
    case CONFIG_ENDPOINTS:
        set_endpoints(l, text);
        break;
    case CONFIG_STORE:
        if (strcmp(text, "lmdb") != 0 && strcmp(text, "dynamodb") != 0)
            bad(l, "SESSION_STORE must be lmdb or dynamodb");
        l->c->session_store =
            strcmp(text, "dynamodb") ? SESSION_STORE_LMDB : SESSION_STORE_DYNAMODB;
        break;
    }
}

/* https, or plain http where the host is loopback; no user info, query or fragment. */
static bool check_url(struct loading *l, const char *key, const char *text, struct url *u) {
    struct err e;

    memset(u, 0, sizeof *u);
    u->path = "";
    if (!*text)
        return false;
    if (url_parse(l->c->arena, text, u, &e))
        bad(l, "%s: %s", key, e.text);
    else if (strcmp(u->scheme, "https") != 0 &&
             !(strcmp(u->scheme, "http") == 0 && url_is_loopback(u)))
        bad(l, "%s must start with https:// (plain http only for a loopback host)", key);
    else if (u->userinfo || u->query || u->fragment)
        bad(l, "%s must not have user info, a query or a fragment", key);
    else
        return true;
    return false;
}

/* It stands beside Cognito's token endpoint. Another provider's is not guessed. */
static const char *derive_revoke_url(struct arena *a, const char *token_url) {
    static const char end[] = "/oauth2/token";
    size_t len = strlen(token_url), n = sizeof end - 1;

    if (len < n || strcmp(token_url + len - n, end) != 0)
        return "";
    return arena_printf(a, "%.*s/oauth2/revoke", (int)(len - n), token_url);
}

/* Cognito's own naming; https://docs.aws.amazon.com/cognito/ "endpoints and quotas". */
static void derive_cognito(struct loading *l) {
    struct config *c = l->c;
    struct arena *a = c->arena;
    const char *china = strncmp(c->cognito_region, "cn-", 3) ? "" : ".cn";
    const char *fips = strncmp(c->cognito_region, "us-gov-", 7) ? "" : "-fips";
    const char *base = NULL;

    if (*c->cognito_domain && strchr(c->cognito_domain, '.'))
        base = arena_printf(a, "https://%s", c->cognito_domain);
    else if (*c->cognito_domain && *c->cognito_region)
        base = arena_printf(a, "https://%s.auth%s.%s.amazoncognito.com", c->cognito_domain, fips,
                            c->cognito_region);
    if (!*c->cognito_issuer && *c->cognito_region && *c->cognito_user_pool_id)
        c->cognito_issuer = arena_printf(a, "https://cognito-idp.%s.amazonaws.com%s/%s",
                                         c->cognito_region, china, c->cognito_user_pool_id);
    if (!*c->cognito_jwks_url && *c->cognito_issuer)
        c->cognito_jwks_url = arena_printf(a, "%s/.well-known/jwks.json", c->cognito_issuer);
    if (!*c->cognito_authorize_url && base)
        c->cognito_authorize_url = arena_printf(a, "%s/oauth2/authorize", base);
    if (!*c->cognito_token_url && base)
        c->cognito_token_url = arena_printf(a, "%s/oauth2/token", base);
    if (!*c->cognito_revoke_url)
        c->cognito_revoke_url = derive_revoke_url(a, c->cognito_token_url);
    if (!*c->cognito_issuer)
        bad(l, "COGNITO_REGION and COGNITO_USER_POOL_ID must be set (or COGNITO_ISSUER)");
    if (!*c->cognito_authorize_url || !*c->cognito_token_url)
        bad(l, "COGNITO_DOMAIN must be set (or COGNITO_AUTHORIZE_URL and COGNITO_TOKEN_URL)");
}

static void check_provider(struct loading *l) {
    struct config *c = l->c;
    struct url u;

    (void)check_url(l, "COGNITO_ISSUER", c->cognito_issuer, &u);
    (void)check_url(l, "COGNITO_AUTHORIZE_URL", c->cognito_authorize_url, &u);
    (void)check_url(l, "COGNITO_TOKEN_URL", c->cognito_token_url, &u);
    (void)check_url(l, "COGNITO_JWKS_URL", c->cognito_jwks_url, &u);
    (void)check_url(l, "COGNITO_REVOKE_URL", c->cognito_revoke_url, &u);
}

static void derive_own(struct loading *l) {
    struct config *c = l->c;
    struct arena *a = c->arena;
    struct url u;
    size_t len;

    c->mcp_path = c->mcp_origin = c->auth_path = c->callback_uri = c->prm_uri = "";
    if (check_url(l, "MCP_SERVER_URI", c->mcp_server_uri, &u)) {
        c->mcp_path = *u.path ? u.path : "/";
        c->mcp_origin = url_origin(a, &u);
        /* RFC 9728 §3.1: the well-known part goes between host and path. */
        c->prm_uri = arena_printf(a, "%s/.well-known/oauth-protected-resource%s", c->mcp_origin,
                                  strcmp(u.path, "/") ? u.path : "");
        if (!*c->auth_proxy_uri)
            c->auth_proxy_uri = c->mcp_origin;
    }
    if (check_url(l, "AUTH_PROXY_URI", c->auth_proxy_uri, &u)) {
        len = strlen(c->auth_proxy_uri);
        if (c->auth_proxy_uri[len - 1] == '/')
            bad(l, "AUTH_PROXY_URI must not end in a slash");
        c->auth_path = u.path;
        c->auth_is_https = strcmp(u.scheme, "https") == 0;
        c->callback_uri = arena_printf(a, "%s/callback", c->auth_proxy_uri);
    }
    if (!*c->secret_key_file)
        c->secret_key_file = arena_printf(a, "%s/secret.key", c->state_dir);
    if (!*c->status_file)
        c->status_file = arena_printf(a, "%s/status.json", c->state_dir);
}

/* DynamoDB's naming rules: 3 to 255 letters, digits, _, - and dots. */
static bool is_table_name(const char *name) {
    size_t len = strlen(name);

    return len >= 3 && len <= 255 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == len;
}

/* arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME */
static bool is_table_arn(const char *text) {
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    const char *p = text;
    size_t n;

    if (strncmp(p, "arn:aws", 7) != 0)
        return false;
    p += 7 + strspn(p + 7, lower);
    if (strncmp(p, ":dynamodb:", 10) != 0)
        return false;
    n = strspn(p += 10, lower);
    if (!n || p[n] != ':')
        return false;
    p += n + 1;
    return strspn(p, "0123456789") == 12 && !strncmp(p + 12, ":table/", 7) && is_table_name(p + 19);
}

static void check_table(struct loading *l, const char *key, const char *table) {
    if (!is_table_name(table) && !is_table_arn(table))
        bad(l,
            "%s must be a DynamoDB table's name (3 to 255 of A-Z a-z 0-9 _ - .) or its ARN "
            "(arn:aws:dynamodb:REGION:ACCOUNT:table/NAME)",
            key);
}

static void check_proxy(struct loading *l) {
    const char *proxy = l->c->client_metadata_proxy;
    struct url u;
    struct err e;

    if (*proxy && (url_parse(l->c->arena, proxy, &u, &e) || strcmp(u.scheme, "http") != 0 ||
                   u.userinfo || (*u.path && strcmp(u.path, "/") != 0) || u.query || u.fragment))
        bad(l, "CLIENT_METADATA_PROXY must be like http://HOST:PORT");
}

/* A redirect to one of these would run, show or send something itself. */
static const char never_private[] =
    "http https javascript vbscript data blob file filesystem about "
    "view-source ws wss ftp mailto tel sms";

/* RFC 3986 §3.1, in lower case. */
static void check_private_use_schemes(struct loading *l) {
    const char *p = l->c->private_use_schemes;

    while (*(p += strspn(p, " "))) {
        size_t n = strcspn(p, " ");
        const char *scheme = arena_strndup(l->c->arena, p, n);

        if (*scheme < 'a' || *scheme > 'z' ||
            strspn(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != n)
            bad(l, "PRIVATE_USE_SCHEMES must be schemes in lower case, without \"://\"");
        else if (list_has(never_private, scheme))
            bad(l,
                "PRIVATE_USE_SCHEMES names one that belongs to no app, such as javascript or http");
        p += n;
    }
}

static void check_rest(struct loading *l) {
    struct config *c = l->c;

    check_proxy(l);
    check_private_use_schemes(l);
    if (!list_covers(c->supported_scopes, c->required_scopes))
        bad(l, "REQUIRED_SCOPES names a scope that SUPPORTED_SCOPES does not");
    if (list_has(c->supported_scopes, "offline_access"))
        bad(l, "SUPPORTED_SCOPES must not name offline_access: Cognito does not know it, and "
               "refresh tokens are given without it");
    for (const char *p = c->supported_scopes; *p; p++)
        if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\') {
            bad(l, "SUPPORTED_SCOPES has a character that RFC 6749 §3.3 does not allow");
            break;
        }
    check_table(l, "SESSION_TABLE_NAME", c->session_table_name);
    if (*c->task_table_name)
        check_table(l, "TASK_TABLE_NAME", c->task_table_name);
    if (*c->metrics_listen && *c->metrics_listen != '/' &&
        strncmp(c->metrics_listen, "127.", 4) != 0 && strncmp(c->metrics_listen, "[::1]:", 6) != 0)
        bad(l,
            "METRICS_LISTEN must be the path of a socket or a loopback address (127.0.0.1:9464): "
            "figures are not for everybody");
    if (c->workers_max < c->workers_min)
        bad(l, "WORKERS_MAX must not be below WORKERS_MIN");
}

struct config *config_load(const char *path, FILE *errors) {
    struct arena *a = arena_new(CONFIG_ARENA_MAX);
    struct loading l = {.c = arena_alloc(a, sizeof(struct config)), .errors = errors};

    l.c->arena = a;
    if (path)
        read_file(&l, path);
    read_environment(&l);
    for (size_t i = 0; i < config_key_count; i++)
        set_value(&l, i);
    derive_cognito(&l);
    check_provider(&l);
    derive_own(&l);
    check_rest(&l);
    if (!l.bad)
        return l.c;
    arena_free(a);
    return NULL;
}

void config_free(struct config *c) {
    if (c)
        arena_free(c->arena);
}

static void dump_value(const struct config *c, const struct config_key *key, FILE *out) {
    const char *at = (const char *)c + key->offset;

    switch (key->kind) {
    case CONFIG_TEXT:
        (void)fputs(*(const char *const *)(const void *)at, out);
        break;
    case CONFIG_BOOL:
        (void)fputs(*(const bool *)(const void *)at ? "yes" : "no", out);
        break;
    case CONFIG_NUMBER:
        (void)fprintf(out, "%u", *(const unsigned *)(const void *)at);
        break;
    case CONFIG_SIZE:
        (void)fprintf(out, "%zu", *(const size_t *)(const void *)at);
        break;
    case CONFIG_ENDPOINTS:
        for (size_t i = 0, n = 0; i < GROUP_COUNT; i++)
            if (c->endpoints & groups[i].bit)
                (void)fprintf(out, "%s%s", n++ ? " " : "", groups[i].name);
        break;
    case CONFIG_STORE:
        (void)fputs(c->session_store == SESSION_STORE_LMDB ? "lmdb" : "dynamodb", out);
        break;
    }
}

void config_dump(const struct config *c, FILE *out) {
    for (size_t i = 0; i < config_key_count; i++) {
        (void)fprintf(out, "%s=", config_keys[i].name);
        dump_value(c, &config_keys[i], out);
        (void)fputc('\n', out);
    }
}

static void print_help(const char *help, FILE *out) {
    while (*help) {
        size_t n = strcspn(help, "\n");

        (void)fprintf(out, "# %.*s\n", (int)n, help);
        help += n + (help[n] == '\n');
    }
}

void config_print_annotated(FILE *out) {
    (void)fputs("# Configuration of mcp-authd: KEY=value, a line each. An environment variable of "
                "the same name\n# wins. Check with: mcp-authd -t -c FILE\n",
                out);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        if (*key->help)
            (void)fputc('\n', out);
        print_help(key->help, out);
        (void)fprintf(out, "%s%s=%s\n", key->initial ? "#" : "", key->name,
                      key->initial ? key->initial : "");
    }
}

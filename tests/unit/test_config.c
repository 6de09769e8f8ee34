#include "unit.h"

#include "config/config.h"
#include "idp/idp.h"
#include "only_site.h"

static const char least[] = "MCP_SERVER_URI=https://mcp.example.com/mcp\n"
                            "COGNITO_REGION=eu-west-1\nCOGNITO_USER_POOL_ID=eu-west-1_Abc\n"
                            "COGNITO_CLIENT_ID=client\nCOGNITO_DOMAIN=login\n";

#define DIGITS_64 "1234567890123456789012345678901234567890123456789012345678901234"

static struct config *load_text(const char *text, size_t text_len, char **problems) {
    char path[UNIT_PATH_MAX];
    size_t len;
    FILE *f = open_memstream(problems, &len);
    struct config *c;

    assert_non_null(f);
    file_make(path);
    file_write_bytes(path, text, text_len, 0600);
    c = config_load(path, f);
    fclose(f);
    unlink(path);
    return c;
}

/* Loads those lines of `least` whose keys are not in `more`, and then `more`; *problems is what was
 * said about it. Free both. */
static struct config *load(const char *more, char **problems) {
    char text[8192] = "", key[64];

    for (const char *line = least; *line; line = strchr(line, '\n') + 1) {
        snprintf(key, sizeof key, "%.*s=", (int)strcspn(line, "="), line);
        if (!strstr(more, key))
            strncat(text, line, strcspn(line, "\n") + 1);
    }
    strcat(text, more);
    return load_text(text, strlen(text), problems);
}

/* What -t prints of the configuration has this line. */
static void has_line(const struct config *c, const char *line) {
    char *text, *found;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    config_dump(c, true, f);
    fclose(f);
    found = strstr(text, line);
    if (!found || (found > text && found[-1] != '\n') || found[strlen(line)] != '\n')
        fail_msg("not there: %s\n%s", line, text);
    free(text);
}

static size_t lines_of(const char *text) {
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void addresses_follow_from_the_cognito_keys(void **state) {
    char *problems;
    struct config *c = load("", &problems);

    (void)state;
    assert_non_null(c);
    assert_string_equal(c->idp.issuer, "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Abc");
    assert_string_equal(c->idp.jwks_url, "https://cognito-idp.eu-west-1.amazonaws.com/"
                                         "eu-west-1_Abc/.well-known/jwks.json");
    assert_string_equal(c->idp.authorize_url,
                        "https://login.auth.eu-west-1.amazoncognito.com/oauth2/authorize");
    assert_string_equal(c->idp.token_url,
                        "https://login.auth.eu-west-1.amazoncognito.com/oauth2/token");
    assert_string_equal(c->auth_proxy_uri, "https://mcp.example.com");
    assert_string_equal(c->callback_uri, "https://mcp.example.com/callback");
    assert_string_equal(c->mcp_path, "/mcp");
    assert_string_equal(c->prm_uri,
                        "https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
    assert_string_equal(c->secret_key_file, "/var/lib/mcp-authd/secret.key");
    assert_int_equal(c->endpoints, GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_METADATA | GROUP_MCP);
    config_free(c);
    free(problems);
}

static void the_environment_wins(void **state) {
    char *problems;
    struct config *c;

    (void)state;
    setenv("WORKERS_MIN", "7", 1);
    setenv("COGNITO_DOMAIN", "login.example.com", 1);
    c = load("WORKERS_MIN=3\n", &problems);
    unsetenv("WORKERS_MIN");
    unsetenv("COGNITO_DOMAIN");
    assert_non_null(c);
    assert_int_equal(c->workers_min, 7);
    assert_string_equal(c->idp.token_url, "https://login.example.com/oauth2/token");
    config_free(c);
    free(problems);
}

static void what_was_pasted_is_taken(void **state) {
    static const struct {
        const char *lines, *becomes;
    } cases[] = {
        {"COGNITO_DOMAIN=https://login.auth.eu-west-1.amazoncognito.com/\n",
         "COGNITO_TOKEN_URL=https://login.auth.eu-west-1.amazoncognito.com/oauth2/token"},
        {"COGNITO_DOMAIN=HTTPS://Login.Example.com\n", "COGNITO_DOMAIN=login.example.com"},
        {"COGNITO_DOMAIN=\"login\"\n", "COGNITO_DOMAIN=login"},
        {"COGNITO_DOMAIN='login'  # of the pool\n", "COGNITO_DOMAIN=login"},
        {"COGNITO_DOMAIN=\u201clogin\u201d\n", "COGNITO_DOMAIN=login"},
        {"COGNITO_DOMAIN=\u00a0login\u200b\r\n", "COGNITO_DOMAIN=login"},
        {"COGNITO_DOMAIN=login # of the pool\n", "COGNITO_DOMAIN=login"},
        {"COGNITO_DOMAIN=login\t#of the pool\n", "COGNITO_DOMAIN=login"},
        {"export COGNITO_DOMAIN=login\n", "COGNITO_DOMAIN=login"},
        {"STATE_DIR=/srv/a#b\n", "STATE_DIR=/srv/a#b"},
        {"STATE_DIR=\"/srv/a #b\"\n", "STATE_DIR=/srv/a #b"},
        {"AUDIT_LOG= # none\n", "AUDIT_LOG="},
        {"COGNITO_USER_POOL_ID=arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Abc\n",
         "COGNITO_USER_POOL_ID=eu-west-1_Abc"},
        {"COGNITO_USER_POOL_ID=https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Abc\n",
         "COGNITO_USER_POOL_ID=eu-west-1_Abc"},
        {"COGNITO_REGION=\n", "COGNITO_REGION=eu-west-1"},
        {"COGNITO_REGION=EU-West-1\n", "COGNITO_REGION=eu-west-1"},
        {"COGNITO_ISSUER=https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Abc/\n",
         "COGNITO_ISSUER=https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Abc"},
        {"COGNITO_ISSUER=https://tenant.example.com/\n",
         "COGNITO_ISSUER=https://tenant.example.com/"},
        {"COGNITO_ISSUER=https://tenant.example.com/\n",
         "COGNITO_JWKS_URL=https://tenant.example.com/.well-known/jwks.json"},
        {"AUTH_PROXY_URI=https://mcp.example.com/\n", "AUTH_PROXY_URI=https://mcp.example.com"},
        {"AUTH_PROXY_URI=https://mcp.example.com/auth//\n",
         "AUTH_PROXY_URI=https://mcp.example.com/auth"},
        {"SUPPORTED_SCOPES=openid,email, mcp-server/tools\n",
         "SUPPORTED_SCOPES=openid email mcp-server/tools"},
        {"ENDPOINTS=token,Metadata\n", "ENDPOINTS=token metadata"},
        {"ALLOWED_ORIGINS=https://A.example.com/, https://b.example.com:8443\n",
         "ALLOWED_ORIGINS=https://a.example.com https://b.example.com:8443"},
        {"ALLOWED_ORIGINS=*\n", "ALLOWED_ORIGINS=*"},
        {"CLIENTS_ALLOW=claude.ai,*.example.com\n", "CLIENTS_ALLOW=claude.ai *.example.com"},
        {"CLIENTS_ALLOW=https://a.example/x,y,https://b.example/z\n",
         "CLIENTS_ALLOW=https://a.example/x,y https://b.example/z"},
        {"METRICS_EMF=True\n", "METRICS_EMF=yes"},
        {"DYNAMIC_REGISTRATION=0\n", "DYNAMIC_REGISTRATION=no"},
        {"SESSION_STORE=DynamoDB\n", "SESSION_STORE=dynamodb"},
        {"SESSION_TABLE_NAME=mcp-auth-sessions\n", "SESSION_STORE=dynamodb"},
        {"SESSION_TABLE_NAME=mcp-auth-sessions\nSESSION_STORE=lmdb\n", "SESSION_STORE=lmdb"},
        {"COGNITO_DOMAIN=\nCOGNITO_DOMAIN=login\n", "COGNITO_DOMAIN=login"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *problems;
        struct config *c = load(cases[i].lines, &problems);

        if (!c)
            fail_msg("%s: %s", cases[i].lines, problems);
        has_line(c, cases[i].becomes);
        config_free(c);
        free(problems);
    }
}

/* A byte order mark, and a text of Windows that is not UTF-8. */
/* A line of 4096 bytes in each key that may have many words. */
static void long_lists_are_taken(void **state) {
    static const char *const keys[] = {"ALLOWED_ORIGINS", "CLIENTS_ALLOW", "CLIENTS_DENY",
                                       "PRIVATE_USE_SCHEMES"};
    static const char *const words[] = {" http://a", " a.example", " b", " x"};

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[4200], *problems;
        struct config *c;
        size_t len = (size_t)snprintf(text, sizeof text, "%s=", keys[i]);

        while (len + strlen(words[i]) < 4090)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s", words[i]);
        c = load(text, &problems);
        if (!c)
            fail_msg("%.200s", problems);
        free(problems);
        config_free(c);
    }
}

static void marks_of_editors(void **state) {
    char *problems, text[2048];
    struct config *c;
    size_t len = (size_t)snprintf(text, sizeof text, "\xef\xbb\xbf%s", least);

    (void)state;
    c = load_text(text, len, &problems);
    assert_non_null(c);
    has_line(c, "MCP_SERVER_URI=https://mcp.example.com/mcp");
    config_free(c);
    free(problems);
    assert_null(load_text("\xff\xfeM\0C\0P\0\n\0", 10, &problems));
    assert_non_null(strstr(problems, ":1: the line has a NUL byte: save the file as UTF-8"));
    free(problems);
}

static void every_fault_is_reported_once_with_its_place(void **state) {
    static const char text[] =
        "MCP_SERVER_URI=https://mcp.example.com/mcp\nCOGNITO_CLIENT_ID=client\n"
        "COGNITO_POOL_ID=eu-west-1_Abc\nCOGNITO_REGION=eu-west-1\nCOGNITO_REGION=x\nnonsense\n"
        "cognito_domain=login\nWORKERS_MAX=many\nNO_SUCH_THING=\aa\nAWS_PROFILE=x\nWORKERS_MIN: "
        "3\n";
    char *problems;

    (void)state;
    assert_null(load_text(text, strlen(text), &problems));
    assert_non_null(strstr(problems, ":3: COGNITO_POOL_ID is not a key that mcp-authd knows; did "
                                     "you mean COGNITO_USER_POOL_ID?\n"));
    assert_non_null(strstr(problems, ":5: COGNITO_REGION is given twice, here and in line 4\n"));
    assert_non_null(strstr(problems, ":6: \"nonsense\": expected KEY=value\n"));
    assert_non_null(strstr(problems, ":7: cognito_domain is not a key that mcp-authd knows; did "
                                     "you mean COGNITO_DOMAIN?\n"));
    assert_non_null(strstr(problems, ":8: WORKERS_MAX=many: must be a number from 1 to 256"));
    assert_non_null(strstr(problems, ":9: NO_SUCH_THING is not a key"));
    assert_non_null(strstr(problems, ":10: AWS_PROFILE is AWS's own"));
    assert_non_null(strstr(problems, ":11: \"WORKERS_MIN: 3\": expected KEY=value, such as "
                                     "WORKERS_MIN=3\n"));
    assert_int_equal(lines_of(problems), 8);
    free(problems);
}

/* One wrong value, one line: with the file's line, the value, and the right one where it is known.
 */
static void wrong_values_are_refused(void **state) {
    static const struct {
        const char *line, *said;
    } cases[] = {
        {"AUTH_PROXY_URI=http://mcp.example.com\n", "loopback host): https://mcp.example.com\n"},
        {"AUTH_PROXY_URI=https://mcp.example.com?x=1\n",
         "or a fragment: https://mcp.example.com\n"},
        {"AUTH_PROXY_URI=https://mcp.example.com/callback\n",
         "/callback is below the issuer: AUTH_PROXY_URI=https://mcp.example.com\n"},
        {"MCP_SERVER_URI=mcp.example.com/mcp\n", "such as https://mcp.example.com/mcp\n"},
        {"MCP_SERVER_URI=\"https://mcp.example.com/mcp\n",
         "the quote is not closed; perhaps MCP_SERVER_URI=https://mcp.example.com/mcp\n"},
        {"MCP_SERVER_URI=https://mcp.example.com/mcp\"\n",
         "a quote that was not opened; perhaps MCP_SERVER_URI=https://mcp.example.com/mcp\n"},
        {"MCP_SERVER_URI=\"https://mcp.example.com\"/mcp\n", "there is more after the quote"},
        {"MCP_SERVER_URL=https://mcp.example.com/mcp\n", "did you mean MCP_SERVER_URI?"},
        {"COGNITO_TOKEN_URL=ftp://x/\n", "must start with https://"},
        {"COGNITO_JWKS_URL=nonsense\n", "COGNITO_JWKS_URL=nonsense: must start with https://"},
        {"COGNITO_ISSUER=https://x.example/.well-known/openid-configuration\n",
         "COGNITO_ISSUER=https://x.example\n"},
        {"COGNITO_DOMAIN=https://login.example.com/login?client_id=x\n",
         "must be the domain alone: COGNITO_DOMAIN=login.example.com\n"},
        {"COGNITO_DOMAIN=my login\n", "must be the domain's prefix"},
        {"COGNITO_DOMAIN=login.auth.us-east-1.amazoncognito.com\n",
         "is in the region us-east-1, and the pool in eu-west-1\n"},
        {"COGNITO_USER_POOL_ID=My pool\n", "must be the pool's ID, such as eu-west-1_AbCdEfGhI"},
        {"COGNITO_REGION=eu-west-2\n",
         "the pool eu-west-1_Abc is in another one: COGNITO_REGION=eu-w"},
        {"COGNITO_REGION=Europe (Ireland)\n", "must be a region's name, such as eu-west-1\n"},
        {"COGNITO_REGION=\nCOGNITO_USER_POOL_ID=pool\n", "must be the pool's ID"},
        {"COGNITO_CLIENT_ID=a, b\n", "must be the app client's ID"},
        {"COGNITO_CLIENT_IDS=a:b\n", "COGNITO_CLIENT_IDS=a:b: must be IDs of app clients"},
        {"COGNITO_MACHINE_CLIENT_IDS==5\n", "must be IDs of app clients"},
        {"COGNITO_MACHINE_CLIENT_IDS=a=0\n", "its calls a minute (1 to 6000)"},
        {"COGNITO_MACHINE_CLIENT_IDS=a=6001 b=\n", "its calls a minute (1 to 6000)"},
        {"COGNITO_MACHINE_CLIENT_IDS=a=1x\n", "its calls a minute (1 to 6000)"},
        {"COGNITO_MACHINE_CLIENT_IDS=a=-1\n", "its calls a minute (1 to 6000)"},
        {"ALLOWED_ORIGINS=https://a.example/page\n", "an origin has no path: https://a.example\n"},
        {"ALLOWED_ORIGINS=a.example\n", "a.example is no origin, such as"},
        {"CLIENTS_ALLOW=https://claude.ai\n",
         "write claude.ai for the host, or https://claude.ai/"},
        {"ENDPOINTS=authorize tokens\n", "\"tokens\" is none of"},
        {"SESSION_STORE=redis\n", "SESSION_STORE=redis: must be lmdb or dynamodb"},
        {"WORKERS_MIN=0\n", "WORKERS_MIN=0: must be a number from 1 to 256"},
        {"WORKERS_MIN=9\nWORKERS_MAX=8\n", "WORKERS_MAX (8) must not be below WORKERS_MIN (9)"},
        {"WORKERS_MIN=99\n", "WORKERS_MAX (16) must not be below WORKERS_MIN (99)"},
        {"MAX_BODY_BYTES=1e6\n", "MAX_BODY_BYTES=1e6: must be a number"},
        {"METRICS_EMF=maybe\n", "METRICS_EMF=maybe: must be yes or no"},
        {"RUN_USER=no-such-user\n", "there is no such user"},
        {"SERVER_NAME=a b\n", "must be 1 to 64 of A-Z a-z 0-9 . _ -, not begin with -"},
        {"SERVER_NAME=-a\n", "must be 1 to 64 of"},
        {"SERVER_NAME=" DIGITS_64 "5\n", "must be 1 to 64 of"},
        {"SERVER_TITLE=" DIGITS_64 DIGITS_64 "9\n", "must have at most 128 bytes"},
        {"SERVER_ICON=http://a.example/i.png\n", "must be an https address"},
        {"SERVER_ICON=data:text/html,x\n", "must be an https address"},
        {"SERVER_ICON=data:image/png,a data:image/png,b data:image/png,c\n",
         "must be one address, or one for light and one for dark"},
        {"SERVER_TITLE=caf\xe9\n", "is not UTF-8 text"},
        {"SERVER_TERMS=javascript:alert(1)\n", "SERVER_TERMS=javascript:alert(1): must be"},
        {"SERVER_INSTRUCTIONS_FILE=/nonexistent\n", "/nonexistent cannot be"},
        {"RUNNER_SOCKET=run.sock\n", "must be an absolute path of at most 107 bytes"},
        {"LISTEN=127.0.0.1\n", "must be the path of a socket, of at most 107 bytes, or IP:PORT"},
        {"LISTEN=127.0.0.1:0\n", "IP:PORT"},
        {"LISTEN=127.0.0.1:65536\n", "IP:PORT"},
        {"LISTEN=localhost:1\n", "IP:PORT"},
        {"LISTEN=127.0.0.1:80x\n", "IP:PORT"},
        {"LISTEN=[::1:80\n", "IP:PORT"},
        {"LISTEN=run/sock\n", "IP:PORT"},
        {"METRICS_LISTEN=0.0.0.0:9464\n", "must be the path of a socket or a loopback"},
        {"METRICS_LISTEN=127.0.0.1:0\n", "METRICS_LISTEN=127.0.0.1:0: must be the path"},
        {"METRICS_INTERVAL_S=0\n", "METRICS_INTERVAL_S=0: must be a number"},
        {"REQUIRED_SCOPES=other\n", "SUPPORTED_SCOPES must have all of REQUIRED_SCOPES (other)"},
        {"SUPPORTED_SCOPES=mcp-server/tools offline_access\n", "must not name offline_access"},
        {"SUPPORTED_SCOPES=mcp-server/tools a\"x\"b\n", "RFC 6749"},
        {"PRIVATE_USE_SCHEMES=cursor://\n", "must be schemes in lower case"},
        {"PRIVATE_USE_SCHEMES=cursor Other\n", "must be schemes in lower case"},
        {"PRIVATE_USE_SCHEMES=cursor  javascript\n", "javascript belongs to no app"},
        {"HTTPS_PROXY_UPSTREAM=proxy:3128\n", "must be like http://HOST:PORT"},
        {"HTTPS_PROXY_UPSTREAM=http://proxy\n", "must be like http://HOST:PORT"},
        {"HTTPS_PROXY_UPSTREAM=https://proxy:3128\n", "must be like http://HOST:PORT"},
        {"HTTPS_PROXY_UPSTREAM=http://a:b@proxy:3128\n", "without user and password"},
        {"HTTPS_PROXY_UPSTREAM=http://proxy:3128/x\n", "must be like http://HOST:PORT"},
        {"CLIENT_METADATA_PROXY=http://proxy\n", "must be like http://HOST:PORT"},
        {"NO_PROXY_UPSTREAM=*.example.com\n", "without scheme, port and *"},
        {"NO_PROXY_UPSTREAM=a https://b.example\n", "without scheme, port and *"},
        {"NO_PROXY_UPSTREAM=a.example:443\n", "without scheme, port and *"},
        {"PRIVATE_USE_SCHEMES=http\n", "http belongs to no app"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *problems;

        if (load(cases[i].line, &problems) || !strstr(problems, cases[i].said) ||
            lines_of(problems) != 1 || !strstr(problems, ": "))
            fail_msg("%s: %s", cases[i].line, problems);
        free(problems);
    }
}

static void app_clients_are_found_by_their_whole_id(void **state) {
    static const struct {
        const char *list, *id;
        bool is_there;
        unsigned per_minute;
    } cases[] = {
        {"a1", "a1", true, 0},      {"a1=7 b2=6000", "b2", true, 6000},
        {"a1=7 b2", "a1", true, 7}, {"a1=7 b2", "b2", true, 0},
        {"a1=7 b2", "a", false, 0}, {"a1=7 b2", "a1=7", false, 0},
        {"a1=7 b2", "7", false, 0}, {"a1=7 b2", "a1=7 b2", false, 0},
        {"a1=7 b2", "", false, 0},  {"a1=7 b2", "A1", false, 0},
        {"", "a1", false, 0},       {"", "", false, 0},
        {NULL, "a1", false, 0},
    };
    unsigned per_minute;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(config_app_client(cases[i].list, cases[i].id, &per_minute),
                         cases[i].is_there);
        assert_int_equal(per_minute, cases[i].per_minute);
    }
}

static struct config *load_app_clients(const char *key, unsigned count, char **problems) {
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof text, "%s=", key);

    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, " client%u=6000", i);
    return load(text, problems);
}

static void so_many_app_clients_are_taken(void **state) {
    static const char *const keys[] = {"COGNITO_CLIENT_IDS", "COGNITO_MACHINE_CLIENT_IDS"};
    char *problems;

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct config *c = load_app_clients(keys[i], APP_CLIENTS_MAX, &problems);

        if (!c)
            fail_msg("%.200s", problems);
        free(problems);
        config_free(c);
        assert_null(load_app_clients(keys[i], APP_CLIENTS_MAX + 1, &problems));
        assert_non_null(strstr(problems, "must be at most 64 app clients\n"));
        free(problems);
    }
}

/* It is a matter of the provider's: Cognito alone does not know it. */
static void another_provider_may_have_offline_access(void **state) {
    char *problems;
    struct config *c = load("SUPPORTED_SCOPES=mcp-server/tools offline_access\n"
                            "COGNITO_ISSUER=https://login.example.com\n",
                            &problems);

    (void)state;
    assert_non_null(c);
    assert_string_equal(c->supported_scopes, "mcp-server/tools offline_access");
    config_free(c);
    free(problems);
}

static void a_missing_file_is_reported(void **state) {
    char *problems;
    size_t len;
    FILE *f = open_memstream(&problems, &len);

    (void)state;
    assert_null(config_load("/nonexistent/mcp-authd.conf", f));
    fclose(f);
    assert_non_null(strstr(problems, "/nonexistent/mcp-authd.conf: cannot be read"));
    assert_int_equal(lines_of(problems), 1);
    free(problems);
}

/* Neither the file, nor a key that the daemon needs, nor one that follows from others. */
static void single_values_need_no_others(void **state) {
    char path[UNIT_PATH_MAX], *problems;
    size_t len;
    FILE *f = open_memstream(&problems, &len);
    struct config *c;

    (void)state;
    file_make(path);
    file_write(path, "TOOLS_DIR=/srv/tools\n", 0600);
    assert_null(config_load(path, f));
    rewind(f);
    c = config_load_values(path, false, f);
    assert_non_null(c);
    assert_string_equal(c->tools_dir, "/srv/tools");
    assert_string_equal(c->required_scopes, "mcp-server/tools");
    assert_string_equal(c->mcp_server_uri, "");
    assert_string_equal(c->prm_uri, "");
    config_free(c);
    file_write(path, "TOOLS_DIR=/srv/tools\nWORKERS_MIN=a few\n", 0600);
    assert_null(config_load_values(path, false, f));
    c = config_load_values(path, true, f);
    assert_non_null(c);
    assert_string_equal(c->tools_dir, "/srv/tools");
    config_free(c);
    assert_null(config_load_values("/nonexistent/mcp-authd.conf", true, f));
    assert_null(config_load_values("/", true, f));
    assert_null(config_load_values("/nonexistent/mcp-authd.conf", false, f));
    fclose(f);
    assert_non_null(strstr(problems, "WORKERS_MIN=a few: must be a number"));
    assert_non_null(strstr(problems, "/nonexistent/mcp-authd.conf: cannot be read"));
    free(problems);
    unlink(path);
}

static void values_of_the_environment_have_it_as_their_place(void **state) {
    char *problems;

    (void)state;
    setenv("WORKERS_MIN", "a few", 1);
    assert_null(load("WORKERS_MIN=3\n", &problems));
    unsetenv("WORKERS_MIN");
    assert_string_equal(problems, "environment: WORKERS_MIN=a few: must be a number from 1 to 256, "
                                  "such as 2\n");
    free(problems);
}

/* Each group with what it uses, and with one of these fewer. */
static void a_group_needs_what_it_uses(void **state) {
    static const struct {
        const char *group, *keys[6];
    } cases[] = {
        {"authorize", {"COGNITO_CLIENT_ID", "COGNITO_DOMAIN", "COGNITO_REGION"}},
        {"token", {"COGNITO_CLIENT_ID", "COGNITO_DOMAIN", "COGNITO_REGION"}},
        {"metadata", {"MCP_SERVER_URI"}},
        {"mcp", {"MCP_SERVER_URI", "COGNITO_CLIENT_ID", "COGNITO_USER_POOL_ID"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t without = 0; !without || cases[i].keys[without - 1]; without++) {
            char text[1024], *problems, said[64];
            struct config *c;

            snprintf(text, sizeof text, "ENDPOINTS=%s\n", cases[i].group);
            for (const char *line = least; *line; line = strchr(line, '\n') + 1)
                for (size_t k = 0; cases[i].keys[k]; k++)
                    if (k + 1 != without &&
                        !strncmp(line, cases[i].keys[k], strlen(cases[i].keys[k])))
                        strncat(text, line, strcspn(line, "\n") + 1);
            c = load_text(text, strlen(text), &problems);
            if (!c != !!without)
                fail_msg("%s: %s", text, problems);
            if (without) {
                snprintf(said, sizeof said, ": %s must be set", cases[i].keys[without - 1]);
                if (lines_of(problems) != 1 || !strstr(problems, said))
                    fail_msg("%s: %s", text, problems);
            }
            config_free(c);
            free(problems);
        }
}

/* What a web server may name, and what is no name. */
static void the_address_may_come_with_a_request(void **state) {
    static const char text[] = "ENDPOINTS=authorize token\nCOGNITO_CLIENT_ID=client\n"
                               "COGNITO_REGION=eu-west-1\nCOGNITO_DOMAIN=login\n";
    static const char *const wrong[] = {
        "https://",    "https://a b", "https://h/x", "https://h?x", "https://h#x",
        "https://u@h", "https://h:x", "h",           "https://h\r", "https://h:443/"};
    struct arena *a = arena_new(1 << 20);
    const struct config *at;
    char *problems;
    struct config *c = load_text(text, strlen(text), &problems);

    (void)state;
    assert_non_null(c);
    at = config_at(c, a, "https://mcp.example.com");
    assert_non_null(at);
    assert_string_equal(at->mcp_server_uri, "https://mcp.example.com/mcp");
    assert_string_equal(at->auth_proxy_uri, "https://mcp.example.com");
    assert_string_equal(at->callback_uri, "https://mcp.example.com/callback");
    assert_string_equal(at->mcp_origin, "https://mcp.example.com");
    assert_true(at->auth_is_https);
    assert_string_equal(c->mcp_server_uri, "");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (config_at(c, a, wrong[i]))
            fail_msg("%s", wrong[i]);
    config_free(c);
    free(problems);
    arena_free(a);
}

/* Without the standard file, as in a container; a file that is named must be there. */
static void the_environment_may_have_all_of_it(void **state) {
    char *problems, key[64], value[128];
    struct config *c;
    size_t len;
    FILE *f;

    (void)state;
    if (!access(CONFIG_STANDARD_PATH, F_OK))
        skip();
    for (const char *line = least; *line; line = strchr(line, '\n') + 1)
        if (sscanf(line, "%63[^=]=%127[^\n]", key, value) == 2)
            setenv(key, value, 1);
    f = open_memstream(&problems, &len);
    c = config_load(CONFIG_STANDARD_PATH, f);
    assert_null(config_load("/nonexistent", f));
    for (const char *line = least; *line; line = strchr(line, '\n') + 1)
        if (sscanf(line, "%63[^=]=", key) == 1)
            unsetenv(key);
    assert_null(config_load(CONFIG_STANDARD_PATH, f));
    fclose(f);
    assert_non_null(c);
    has_line(c, "COGNITO_DOMAIN=login");
    assert_string_equal(
        problems, "/nonexistent: cannot be read: No such file or directory\n" CONFIG_STANDARD_PATH
                  ": cannot be read: No such file or directory\n");
    config_free(c);
    free(problems);
}

/* The file that the package ships takes a block of keys behind it. */
static void the_annotated_file_sets_nothing(void **state) {
    char *text, *problems;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    struct config *c;

    (void)state;
    config_print_annotated(f);
    assert_true(fputs(least, f) >= 0);
    fclose(f);
    assert_non_null(strstr(text, "\n\n# ---- Addresses ----\n\n# The URL that"));
    c = load_text(text, len, &problems);
    assert_string_equal(problems, "");
    assert_non_null(c);
    config_free(c);
    free(text);
    free(problems);
}

static void groups_can_be_chosen(void **state) {
    char *problems;
    struct config *c =
        load("ENDPOINTS=token  metadata\n# comment\n\n  WORKERS_MAX = 4 \n", &problems);

    (void)state;
    assert_non_null(c);
    assert_int_equal(c->endpoints, GROUP_TOKEN | GROUP_METADATA);
    assert_int_equal(c->workers_max, 4);
    config_free(c);
    free(problems);
}

static void instructions_have_a_greatest_length_and_are_text(void **state) {
    char path[UNIT_PATH_MAX], line[UNIT_PATH_MAX + 64], text[16385], *problems;
    struct config *c;

    (void)state;
    file_make(path);
    snprintf(line, sizeof line, "SERVER_INSTRUCTIONS_FILE=%s\n", path);
    memset(text, 'x', sizeof text);
    file_write_bytes(path, text, 16384, 0600);
    c = load(line, &problems);
    assert_non_null(c);
    assert_int_equal(strlen(c->server.instructions), 16384);
    config_free(c);
    free(problems);
    file_write_bytes(path, text, 16385, 0600);
    assert_null(load(line, &problems));
    assert_non_null(strstr(problems, "16384"));
    free(problems);
    file_write_bytes(path, "\xff", 1, 0600);
    assert_null(load(line, &problems));
    assert_non_null(strstr(problems, "is not UTF-8 text"));
    free(problems);
    unlink(path);
}

static void the_longest_names_are_taken(void **state) {
    char *problems;
    struct config *c = load("SERVER_NAME=" DIGITS_64 "\nSERVER_TITLE=" DIGITS_64 DIGITS_64
                            "\nSERVER_ICON=https://a.example/x?y  data:image/png;base64,AA\n",
                            &problems);

    (void)state;
    assert_non_null(c);
    assert_string_equal(c->server.label, DIGITS_64 DIGITS_64);
    assert_string_equal(c->server.icon[0], "https://a.example/x?y");
    assert_string_equal(c->server.icon_sources, " https://a.example data:");
    config_free(c);
    free(problems);
}

static void a_table_has_a_name_or_an_arn(void **state) {
    static const char *const good[] = {
        "mcp", "a_b-c.D9", "arn:aws:dynamodb:eu-west-1:123456789012:table/my.table",
        "arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/abc"};
    static const char *const wrong[] = {
        "ab",
        "with space",
        "caf\u00e9s",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/",
        "arn:aws:dynamodb:eu-west-1:12345:table/abc",
        "arn:aws:dynamodb::123456789012:table/abc",
        "arn:aws:s3:eu-west-1:123456789012:table/abc",
        "arn:aws:dynamodb:eu-west-1:123456789012:table/abc/index/i"};
    char *problems, line[128];
    struct config *c;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(line, sizeof line, "SESSION_STORE=dynamodb\nSESSION_TABLE_NAME=%s\n", good[i]);
        c = load(line, &problems);
        assert_non_null(c);
        assert_int_equal(c->session_store, SESSION_STORE_DYNAMODB);
        assert_string_equal(c->session_table_name, good[i]);
        config_free(c);
        free(problems);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(line, sizeof line, "SESSION_TABLE_NAME=%s\n", wrong[i]);
        assert_null(load(line, &problems));
        assert_non_null(strstr(problems, "SESSION_TABLE_NAME"));
        free(problems);
    }
    assert_null(load("SESSION_STORE=redis\n", &problems));
    free(problems);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_has_a_name_or_an_arn),
        cmocka_unit_test(instructions_have_a_greatest_length_and_are_text),
        cmocka_unit_test(the_longest_names_are_taken),
        cmocka_unit_test(addresses_follow_from_the_cognito_keys),
        cmocka_unit_test(the_environment_wins),
        cmocka_unit_test(what_was_pasted_is_taken),
        cmocka_unit_test(long_lists_are_taken),
        cmocka_unit_test(marks_of_editors),
        cmocka_unit_test(values_of_the_environment_have_it_as_their_place),
        cmocka_unit_test(a_group_needs_what_it_uses),
        cmocka_unit_test(the_address_may_come_with_a_request),
        cmocka_unit_test(the_environment_may_have_all_of_it),
        cmocka_unit_test(the_annotated_file_sets_nothing),
        cmocka_unit_test(every_fault_is_reported_once_with_its_place),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(app_clients_are_found_by_their_whole_id),
        cmocka_unit_test(so_many_app_clients_are_taken),
        cmocka_unit_test(another_provider_may_have_offline_access),
        cmocka_unit_test(a_missing_file_is_reported),
        cmocka_unit_test(single_values_need_no_others),
        cmocka_unit_test(groups_can_be_chosen),
    };
    config_on_provider(idp_check_config);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

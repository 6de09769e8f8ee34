#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"

static const char least[] = "MCP_SERVER_URI=https://mcp.example.com/mcp\n"
                            "COGNITO_REGION=eu-west-1\nCOGNITO_USER_POOL_ID=eu-west-1_Abc\n"
                            "COGNITO_CLIENT_ID=client\nCOGNITO_DOMAIN=login\n";

/* Loads `least` and then `more`; *problems is what was said about it. Free both. */
static struct config *load(const char *more, char **problems) {
    char path[] = "/tmp/mcp-authd-config-XXXXXX";
    int fd = mkstemp(path);
    size_t len;
    FILE *f = open_memstream(problems, &len);
    struct config *c;

    assert_true(fd >= 0 && f);
    assert_true(dprintf(fd, "%s%s", least, more) > 0);
    close(fd);
    c = config_load(path, f);
    fclose(f);
    unlink(path);
    return c;
}

static void addresses_follow_from_the_cognito_keys(void **state) {
    char *problems;
    struct config *c = load("", &problems);

    (void)state;
    assert_non_null(c);
    assert_string_equal(c->cognito_issuer,
                        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Abc");
    assert_string_equal(c->cognito_jwks_url, "https://cognito-idp.eu-west-1.amazonaws.com/"
                                             "eu-west-1_Abc/.well-known/jwks.json");
    assert_string_equal(c->cognito_authorize_url,
                        "https://login.auth.eu-west-1.amazoncognito.com/oauth2/authorize");
    assert_string_equal(c->cognito_token_url,
                        "https://login.auth.eu-west-1.amazoncognito.com/oauth2/token");
    assert_string_equal(c->auth_proxy_uri, "https://mcp.example.com");
    assert_string_equal(c->callback_uri, "https://mcp.example.com/callback");
    assert_string_equal(c->mcp_path, "/mcp");
    assert_string_equal(c->prm_uri,
                        "https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
    assert_string_equal(c->secret_key_file, "/var/lib/mcp-authd/secret.key");
    assert_int_equal(c->endpoints, GROUP_ALL);
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
    assert_string_equal(c->cognito_token_url, "https://login.example.com/oauth2/token");
    config_free(c);
    free(problems);
}

static void every_problem_is_reported_with_its_place(void **state) {
    char *problems;

    (void)state;
    assert_null(load("NO_SUCH_KEY=1\nCOGNITO_REGION=x\nnonsense\nWORKERS_MAX=many\n", &problems));
    assert_non_null(strstr(problems, ":6: NO_SUCH_KEY is not a key"));
    assert_non_null(strstr(problems, ":7: COGNITO_REGION is given twice"));
    assert_non_null(strstr(problems, ":8: expected KEY=value"));
    assert_non_null(strstr(problems, "WORKERS_MAX must be a number from 1 to 256"));
    free(problems);
}

static void wrong_values_are_refused(void **state) {
    static const struct {
        const char *line, *said;
    } cases[] = {
        {"AUTH_PROXY_URI=http://mcp.example.com\n", "must start with https://"},
        {"AUTH_PROXY_URI=https://mcp.example.com/\n", "must not end in a slash"},
        {"AUTH_PROXY_URI=https://mcp.example.com?x=1\n", "must not have user info, a query"},
        {"COGNITO_TOKEN_URL=ftp://x/\n", "must start with https://"},
        {"COGNITO_JWKS_URL=nonsense\n", "COGNITO_JWKS_URL: the URL has no scheme"},
        {"ENDPOINTS=authorize tokens\n", "tokens is none of"},
        {"SESSION_STORE=redis\n", "SESSION_STORE must be"},
        {"WORKERS_MIN=0\n", "WORKERS_MIN must be a number"},
        {"WORKERS_MIN=9\nWORKERS_MAX=8\n", "must not be below WORKERS_MIN"},
        {"MAX_BODY_BYTES=1e6\n", "MAX_BODY_BYTES must be a number"},
        {"METRICS_EMF=maybe\n", "METRICS_EMF must be yes or no"},
        {"METRICS_LISTEN=0.0.0.0:9464\n", "METRICS_LISTEN must be the path of a socket or a loop"},
        {"METRICS_INTERVAL_S=0\n", "METRICS_INTERVAL_S must be a number"},
        {"REQUIRED_SCOPES=other\n", "REQUIRED_SCOPES names a scope"},
        {"SUPPORTED_SCOPES=mcp-server/tools offline_access\n", "must not name offline_access"},
        {"SUPPORTED_SCOPES=mcp-server/tools \"x\"\n", "RFC 6749"},
        {"PRIVATE_USE_SCHEMES=cursor://\n", "PRIVATE_USE_SCHEMES must be schemes"},
        {"PRIVATE_USE_SCHEMES=cursor Other\n", "PRIVATE_USE_SCHEMES must be schemes"},
        {"PRIVATE_USE_SCHEMES=cursor  javascript\n", "PRIVATE_USE_SCHEMES names one"},
        {"PRIVATE_USE_SCHEMES=http\n", "PRIVATE_USE_SCHEMES names one"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *problems;

        if (load(cases[i].line, &problems) || !strstr(problems, cases[i].said))
            fail_msg("%s: %s", cases[i].line, problems);
        free(problems);
    }
}

static void a_missing_file_is_reported(void **state) {
    char *problems;
    size_t len;
    FILE *f = open_memstream(&problems, &len);

    (void)state;
    assert_null(config_load("/nonexistent/mcp-authd.conf", f));
    fclose(f);
    assert_non_null(strstr(problems, "/nonexistent/mcp-authd.conf: cannot be read"));
    assert_non_null(strstr(problems, "MCP_SERVER_URI must be set"));
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
        cmocka_unit_test(addresses_follow_from_the_cognito_keys),
        cmocka_unit_test(the_environment_wins),
        cmocka_unit_test(every_problem_is_reported_with_its_place),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(a_missing_file_is_reported),
        cmocka_unit_test(groups_can_be_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

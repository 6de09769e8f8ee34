/* The rules for clients, redirect URIs, PKCE, resources and codes. */
#include "unit.h"

#include "base/json.h"
#include "oauth/client_metadata.h"
#include "oauth/clients.h"
#include "oauth/login.h"
#include "oauth/parameters.h"
#include "oauth/site.h"

#define ID "https://client.example.com/oauth/client.json"

static const struct config config = {.private_use_schemes = "cursor other"};

static enum rc read_document(struct arena *a, const char *id, const char *text, struct client *out,
                             struct err *e) {
    struct json *d;

    assert_int_equal(json_parse(a, text, strlen(text), &d, e), OK);
    return client_document_read(&config, a, &(struct client_document){id, d}, out, e);
}

static void a_client_id_must_be_a_document_url(void **state) {
    static const char *const wrong[] = {
        "client",
        "http://client.example.com/c.json",
        "https://client.example.com",
        "https://client.example.com/",
        "https://client.example.com/c#f",
        "https://user@client.example.com/c",
        "https://u:p@client.example.com/c",
        "https://client.example.com/a/../c",
        "https://client.example.com/./c",
        "https://client.example.com/a/..",
        "https://client.example.com/c c",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https:///c",
    };
    struct url u;
    struct err e;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (client_id_check(*state, wrong[i], &u, &e) != ERR_INVALID_CLIENT)
            fail_msg("accepted: %s", wrong[i]);
    assert_int_equal(client_id_check(*state, ID, &u, &e), OK);
    assert_int_equal(client_id_check(*state, "https://c.example.com:8443/..c/c..", &u, &e), OK);
}

static void a_document_is_checked(void **state) {
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"[]", "not a JSON object"},
        {"{\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"]}", "not the URL"},
        {"{\"client_id\":\"" ID "/\",\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"]}",
         "not the URL"},
        {"{\"client_id\":\"" ID "\",\"redirect_uris\":[\"https://a/b\"]}", "client_name"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\"}", "no redirect_uris"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[]}",
         "no redirect_uris"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[1]}", "but strings"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[\"http://a/b\"]}",
         "https, loopback or of a known app"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"],"
         "\"client_secret\":\"s\"}",
         "must not hold a secret"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"],"
         "\"jwks\":{\"keys\":[{\"kty\":\"EC\"},{\"kty\":\"RSA\",\"d\":\"AQAB\"}]}}",
         "private or symmetric key"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"],"
         "\"jwks\":{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQAB\"}]}}",
         "private or symmetric key"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"],"
         "\"token_endpoint_auth_method\":\"client_secret_basic\"}",
         "other than none"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"],"
         "\"grant_types\":[\"implicit\"]}",
         "authorization_code"},
        {"{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"],"
         "\"response_types\":[\"token\"]}",
         "response_types"},
    };
    struct client c;
    struct err e;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (read_document(*state, ID, wrong[i].text, &c, &e) != ERR_INVALID_CLIENT ||
            !strstr(e.text, wrong[i].said))
            fail_msg("%s: %s", wrong[i].text, e.text);
    assert_int_equal(
        read_document(*state, ID,
                      "{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":"
                      "[\"http://a/b\",\"https://a/b\"],\"token_endpoint_auth_method\":"
                      "\"private_key_jwt\",\"token_endpoint_auth_methods_supported\":[\"none\"]}",
                      &c, &e),
        OK);
    assert_int_equal(c.redirect_uri_count, 1);
    assert_int_equal(
        read_document(
            *state, ID,
            "{\"client_id\":\"" ID "\",\"client_name\":\"n\",\"redirect_uris\":[\"https://a/b\"],"
            "\"grant_types\":null,\"response_types\":null,\"client_secret\":null,\"jwks\":null,"
            "\"token_endpoint_auth_method\":null,\"jwks_uri\":null,"
            "\"token_endpoint_auth_methods_supported\":null}",
            &c, &e),
        OK);
    assert_string_equal(c.host, "client.example.com");
}

static void redirect_uris_are_exact_but_for_the_loopback_port(void **state) {
    static const struct client c = {
        .redirect_uris = {"https://a.example.com/cb?x=1", "http://127.0.0.1/cb",
                          "http://localhost:3000/cb", "http://[::1]/cb?q", "com.example.app:/cb",
                          "cursor://anysphere.cursor-mcp/oauth/callback", "unknown://app/cb",
                          "javascript:alert(1)", "https://[]/cb", "https://[1]/cb",
                          "https://127.1/cb"},
        .redirect_uri_count = 11};
    static const struct {
        const char *uri;
        bool good;
    } cases[] = {
        {"https://a.example.com/cb?x=1", true},
        {"https://a.example.com/cb", false},
        {"https://a.example.com/cb?x=1&y", false},
        {"https://a.example.com:443/cb?x=1", false},
        {"https://A.example.com/cb?x=1", false},
        {"https://a.example.com/cb?x=1#f", false},
        {"https://a.example.com.evil.example/cb?x=1", false},
        {"http://a.example.com/cb?x=1", false},
        {"http://127.0.0.1/cb", true},
        {"http://127.0.0.1:51234/cb", true},
        {"http://127.0.0.1:51234/cb/", false},
        {"http://127.0.0.1:51234/cb?x", false},
        {"http://127.0.0.2:51234/cb", false},
        {"https://127.0.0.1:51234/cb", false},
        {"http://u@127.0.0.1:51234/cb", false},
        {"http://127.0.0.1:1@evil.example/cb", false},
        {"http://127.0.0.1:51234/cb#f", false},
        {"http://localhost:1/cb", true},
        {"http://localhost/cb", true},
        {"http://localhost.evil.example:3000/cb", false},
        {"http://[::1]:9/cb?q", true},
        {"http://[::1]:9/cb", false},
        {"com.example.app:/cb", true},
        {"com.example.app:/cb2", false},
        {"cursor://anysphere.cursor-mcp/oauth/callback", true},
        {"cursor://anysphere.cursor-mcp/oauth/callback2", false},
        {"cursor://anysphere.cursor-mcp:1/oauth/callback", false},
        {"unknown://app/cb", false},
        {"https://[]/cb", false},
        {"https://[1]/cb", false},
        {"https://127.1/cb", false},
        {"javascript:alert(1)", false},
        {"", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (redirect_uri_is_registered(&config, *state, &c, cases[i].uri) != cases[i].good)
            fail_msg("wrong about %s", cases[i].uri);
}

/* Where each client listens when it is a user's, with a port as it may choose. */
static void the_documents_in_share_are_of_real_clients(void **state) {
    static const struct {
        const char *id, *uri;
    } clients[] = {
        {"claude-code", "http://localhost:54321/callback"},
        {"codex", "http://127.0.0.1:54321/callback"},
        {"cursor", "cursor://anysphere.cursor-mcp/oauth/callback"},
        {"cursor", "http://localhost:8787/callback"},
        {"gemini-cli", "http://localhost:7777/oauth/callback"},
        {"inspector", "http://127.0.0.1:6276/oauth/callback"}, /* its command line */
        {"inspector", "http://127.0.0.1:6274/oauth/callback"}, /* its web page */
        {"mcp-remote", "http://localhost:3334/oauth/callback"},
        {"mcporter", "http://127.0.0.1:54321/callback"},
        {"opencode", "http://127.0.0.1:19876/mcp/oauth/callback"},
    };
    struct config c = {.clients_dir = "share/clients.d",
                       .private_use_schemes = "cursor",
                       .clients_allow = "",
                       .clients_deny = ""};
    char *problems = NULL, *readme = arena_alloc(*state, 65536);
    size_t len;
    unsigned bad;
    FILE *out = open_memstream(&problems, &len), *f = fopen("README.md", "re");
    struct client_set *set = client_set_load(&c, out, &bad);
    struct oauth_site oauth = {.clients = set};
    struct site site = {.config = &c, .oauth = &oauth};

    assert_non_null(f);
    assert_true(fread(readme, 1, 65535, f) < 65535);
    (void)fclose(f);
    (void)fclose(out);
    assert_string_equal(problems, "");
    free(problems);
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        struct client client;
        struct err e;

        assert_int_equal(client_find(&site, *state, clients[i].id, &client, &e), OK);
        if (!redirect_uri_is_registered(&c, *state, &client, clients[i].uri))
            fail_msg("%s: %s", clients[i].id, clients[i].uri);
        if (!strstr(readme,
                    arena_printf(*state, "| `%s` | `%s` |", client.id, client.redirect_uris[0])))
            fail_msg("README.md has no row of %s with %s", client.id, client.redirect_uris[0]);
    }
    client_set_free(set);
}

static void pkce_is_rfc_7636_appendix_b(void **state) {
    const char *verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const char *challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    assert_string_equal(pkce_challenge(*state, verifier), challenge);
    assert_true(pkce_verifier_matches(*state, verifier, challenge));
    assert_false(pkce_verifier_matches(*state, challenge, challenge)); /* plain */
    assert_false(pkce_verifier_matches(*state, "short", challenge));
    assert_true(pkce_challenge_is_valid(challenge));
    assert_false(pkce_challenge_is_valid("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"));
    assert_false(pkce_challenge_is_valid("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="));
    assert_false(pkce_challenge_is_valid(""));
}

static void a_resource_may_be_written_in_the_ways_of_real_clients(void **state) {
    struct config c = {.mcp_server_uri = "https://mcp.example.com/mcp"};

    (void)state;
    assert_true(resource_is_ours(&c, NULL));
    assert_true(resource_is_ours(&c, "https://mcp.example.com/mcp"));
    assert_true(resource_is_ours(&c, "https://mcp.example.com/mcp/"));
    assert_true(resource_is_ours(&c, "https://mcp.example.com/mcp?session=1"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com/mcp2"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com/mc"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com"));
    assert_false(resource_is_ours(&c, "https://evil.example.com/mcp"));
    assert_false(resource_is_ours(&c, "/"));
    /* RFC 3986 §6.2.2.1 to §6.2.3 */
    assert_true(resource_is_ours(&c, "HTTPS://MCP.EXAMPLE.COM/mcp"));
    assert_true(resource_is_ours(&c, "https://mcp.example.com:443/mcp"));
    assert_true(resource_is_ours(&c, "https://mcp.example.com:/mcp"));
    assert_true(resource_is_ours(&c, "https://mcp.example.com/%6Dcp"));
    assert_true(resource_is_ours(&c, "https://mcp.example.com/a/../mcp"));
    assert_true(resource_is_ours(&c, "https://mcp.example.com/./mcp"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com/MCP"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com:8443/mcp"));
    assert_false(resource_is_ours(&c, "http://mcp.example.com:443/mcp"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com/mcp/.."));
    assert_false(resource_is_ours(&c, "https://mcp.example.com/mcp%2f"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com/mcp//"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com/mcp#f"));
    assert_false(resource_is_ours(&c, "https://u@mcp.example.com/mcp"));
    c.mcp_server_uri = "https://mcp.example.com/";
    assert_true(resource_is_ours(&c, "https://mcp.example.com"));
    assert_true(resource_is_ours(&c, "https://MCP.example.com/?a"));
    assert_false(resource_is_ours(&c, "https://mcp.example.com/mcp"));
    c.mcp_server_uri = "https://mcp.example.com";
    assert_true(resource_is_ours(&c, "https://mcp.example.com/"));
}

static void only_our_code_opens_cognitos(void **state) {
    const char *grant, *other_grant,
        *text = code_make(*state, "c2Vzc2lvbg", "cookie", "cognito-code", &grant);
    const char *cognito_code;
    struct code code, other;
    struct err e;

    assert_int_equal(code_split(*state, text, &code, &e), OK);
    assert_string_equal(code.session_id, "c2Vzc2lvbg");
    assert_int_equal(code_open(*state, &code, grant, &cognito_code, &e), OK);
    assert_string_equal(cognito_code, "cognito-code");
    assert_int_equal(code_split(*state,
                                code_make(*state, "c2Vzc2lvbg", "cookie", "x", &other_grant),
                                &other, &e),
                     OK);
    assert_int_equal(code_open(*state, &other, grant, &cognito_code, &e), ERR_INVALID_GRANT);
    assert_int_equal(code_split(*state, "", &code, &e), ERR_INVALID_GRANT);
    assert_int_equal(code_split(*state, "nodot", &code, &e), ERR_INVALID_GRANT);
    assert_int_equal(code_split(*state, "a.b", &code, &e), ERR_INVALID_GRANT);
    assert_int_equal(code_split(*state, arena_printf(*state, "%s ", text), &code, &e),
                     ERR_INVALID_GRANT);
    assert_int_equal(code_split(*state, arena_printf(*state, "!%s", text), &other, &e),
                     ERR_INVALID_GRANT);
}

static void the_same_answer_to_the_same_browser_gives_the_same_code(void **state) {
    const char *grant, *again, *cognito_code;
    const char *text = code_make(*state, "c2Vzc2lvbg", "cookie", "cognito-code", &grant);
    struct code code;
    struct err e;

    assert_string_equal(code_make(*state, "c2Vzc2lvbg", "cookie", "cognito-code", &again), text);
    assert_string_not_equal(again, grant); /* sealed anew, and still the code's */
    assert_int_equal(code_split(*state, text, &code, &e), OK);
    assert_int_equal(code_open(*state, &code, again, &cognito_code, &e), OK);
    assert_string_equal(cognito_code, "cognito-code");
    assert_string_not_equal(code_make(*state, "c2Vzc2lvbg", "cookie", "other", &again), text);
    assert_string_not_equal(code_make(*state, "c2Vzc2lvbg", "other", "cognito-code", &again), text);
    assert_string_equal(code_attempt(*state, "c2Vzc2lvbg", "cookie", "code x"),
                        code_attempt(*state, "c2Vzc2lvbg", "cookie", "code x"));
    assert_string_not_equal(code_attempt(*state, "c2Vzc2lvbg", "cookie", "code x"),
                            code_attempt(*state, "c2Vzc2lvbg", "cookie", "error x"));
    assert_string_not_equal(code_attempt(*state, "c2Vzc2lvbg", "cookie", "code x"),
                            code_attempt(*state, "c2Vzc2lvbg", "other", "code x"));
}

/* The longest of everything, and of a kind that takes three bytes for each of its own. */
static void an_answer_to_the_client_is_never_cut(void **state) {
    struct config c = config;
    struct site site = {.config = &c};
    char uri[URL_LEN_MAX + 1], text[STATE_LEN_MAX + 1], issuer[URL_LEN_MAX + 1];
    struct login login = {.redirect_uri = uri, .state = text};

    memset(uri, 'a', sizeof uri - 1);
    memcpy(uri, "https://", 8);
    memset(text, '{', sizeof text - 1);
    memset(issuer, 'i', sizeof issuer - 1);
    uri[URL_LEN_MAX] = text[STATE_LEN_MAX] = issuer[URL_LEN_MAX] = 0;
    c.auth_proxy_uri = issuer;
    for (int i = 0; i < 2; i++) {
        const struct login_answer answers[] = {
            {.code = arena_printf(*state, "%0300d", 7)},
            {.error = "invalid_request", .error_description = "a reason"}};
        const char *out = login_answer_uri(&site, *state, &login, &answers[i]);
        const char *iss = strstr(out, "&iss=");

        assert_non_null(strstr(out, "&state=%7B"));
        assert_non_null(iss);
        assert_string_equal(iss + 5, issuer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_client_id_must_be_a_document_url),
        WITH_ARENA(a_document_is_checked),
        WITH_ARENA(redirect_uris_are_exact_but_for_the_loopback_port),
        WITH_ARENA(the_documents_in_share_are_of_real_clients),
        WITH_ARENA(pkce_is_rfc_7636_appendix_b),
        WITH_ARENA(a_resource_may_be_written_in_the_ways_of_real_clients),
        WITH_ARENA(only_our_code_opens_cognitos),
        WITH_ARENA(the_same_answer_to_the_same_browser_gives_the_same_code),
        WITH_ARENA(an_answer_to_the_client_is_never_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

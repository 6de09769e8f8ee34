/* The token endpoint, with scripted answers: this file defines http_fetch, which the linker uses
 * instead of the one in net/. */
#include "unit.h"

#include "base/encode.h"
#include "idp/idp.h"
#include "net/http.h"

static struct arena *a;
static const struct config config = {
    .idp = {.token_url = "https://login.example.com/oauth2/token", .client_id = "client-1"},
};
static struct idp idp = {.config = &config};
#define CALLBACK "https://mcp.example.com/callback"

/* ---- the script ---- */

static struct {
    enum rc rc; /* what http_fetch returns; OK: status and body are the answer */
    long status;
    const char *body;
    int calls;
    struct http_request rq;
    char sent[4096];
} script;

enum rc http_fetch(struct http_client *c, struct arena *arena, const struct http_request *rq,
                   struct http_reply *out, struct err *e) {
    (void)c;
    script.calls++;
    script.rq = *rq;
    assert_true(rq->body_len < sizeof script.sent);
    memcpy(script.sent, rq->body, rq->body_len);
    script.sent[rq->body_len] = 0;
    if (script.rc) {
        err_set(e, script.rc, "the server did not answer");
        err_detail(e, "connection refused");
        return script.rc;
    }
    *out = (struct http_reply){.status = script.status,
                               .content_type = "application/json",
                               .body = arena_strdup(arena, script.body),
                               .body_len = strlen(script.body)};
    return OK;
}

static int start(void **state) {
    (void)state;
    a = arena_new(8 << 20);
    memset(&script, 0, sizeof script);
    return 0;
}

static int stop(void **state) {
    (void)state;
    arena_free(a);
    return 0;
}

static enum rc exchange(long status, const char *body, struct idp_tokens *out, struct err *e) {
    memset(e, 0, sizeof *e);
    memset(out, 0, sizeof *out);
    script.status = status;
    script.body = body;
    return idp_exchange_code(&idp, a, &(struct idp_code){"the-code", "the-verifier", CALLBACK}, out,
                             e);
}

/* ---- what is sent ---- */

static void an_exchange_sends_what_rfc_6749_and_rfc_7636_ask_for(void **state) {
    struct idp_tokens out;
    struct err e = {0};

    (void)state;
    script.status = 200;
    script.body = "{\"access_token\":\"t\",\"token_type\":\"Bearer\"}";
    assert_int_equal(
        idp_exchange_code(&idp, a, &(struct idp_code){"a b&c=d", "v~1", CALLBACK}, &out, &e), OK);
    assert_string_equal(script.rq.method, "POST");
    assert_string_equal(script.rq.url, "https://login.example.com/oauth2/token");
    assert_string_equal(script.rq.headers[0], "Content-Type: application/x-www-form-urlencoded");
    assert_int_equal(script.rq.timeout_ms, 5000);
    assert_string_equal(script.sent, "grant_type=authorization_code&client_id=client-1"
                                     "&redirect_uri=https%3A%2F%2Fmcp.example.com%2Fcallback"
                                     "&code=a%20b%26c%3Dd&code_verifier=v~1");
}

static void a_refresh_sends_the_refresh_token(void **state) {
    struct idp_tokens out;
    struct err e = {0};

    (void)state;
    script.status = 200;
    script.body = "{\"access_token\":\"t\",\"token_type\":\"Bearer\"}";
    assert_int_equal(idp_refresh(&idp, a, "r+1", &out, &e), OK);
    assert_string_equal(script.sent,
                        "grant_type=refresh_token&client_id=client-1&refresh_token=r%2B1");
    assert_null(out.refresh_token); /* Cognito sends a new one only if rotation is on */
}

static void a_grant_that_is_too_long_is_not_sent(void **state) {
    struct idp_tokens out;
    struct err e = {0};
    char *huge = arena_alloc(a, 300001);

    (void)state;
    memset(huge, 'x', 300000);
    assert_int_equal(idp_refresh(&idp, a, huge, &out, &e), ERR_REFUSED);
    assert_int_equal(script.calls, 0);
}

/* ---- tokens ---- */

/* What is sealed and sent on has a limit: another provider's may have none. */
static void a_refresh_token_that_is_too_long_is_left_out(void **state) {
    char *token = arena_alloc(a, IDP_REFRESH_TOKEN_MAX + 2);
    struct idp_tokens out;
    struct err e;

    (void)state;
    for (int more = 0; more < 2; more++) {
        memset(token, 'r', IDP_REFRESH_TOKEN_MAX + (size_t)more);
        assert_int_equal(exchange(200,
                                  arena_printf(a,
                                               "{\"access_token\":\"at\",\"token_type\":\"Bearer\","
                                               "\"refresh_token\":\"%s\"}",
                                               token),
                                  &out, &e),
                         OK);
        assert_int_equal(out.refresh_token != NULL, !more);
    }
}

static void a_scope_and_a_lifetime_have_limits(void **state) {
    struct idp_tokens out;
    struct err e;
    char *scope = arena_alloc(a, 5001);

    (void)state;
    memset(scope, 's', 5000);
    assert_int_equal(exchange(200,
                              arena_printf(a,
                                           "{\"access_token\":\"at\",\"token_type\":\"Bearer\","
                                           "\"scope\":\"%s\"}",
                                           scope),
                              &out, &e),
                     ERR_UPSTREAM);
    assert_int_equal(exchange(200,
                              "{\"access_token\":\"at\",\"token_type\":\"Bearer\","
                              "\"expires_in\":9223372036854775807}",
                              &out, &e),
                     OK);
    assert_int_equal(out.expires_in_s, 366 * 86400);
}

static void all_members_are_read(void **state) {
    struct idp_tokens out;
    struct err e;

    (void)state;
    assert_int_equal(
        exchange(200,
                 "{\"access_token\":\"at\",\"refresh_token\":\"rt\",\"id_token\":\"it\","
                 "\"token_type\":\"bEARER\",\"expires_in\":900,\"scope\":\"openid x\"}",
                 &out, &e),
        OK);
    assert_string_equal(out.access_token, "at");
    assert_string_equal(out.refresh_token, "rt");
    assert_string_equal(out.scope, "openid x");
    assert_int_equal(out.expires_in_s, 900);
}

/* Cognito's own answer has no scope: the access token has. */
static void the_scope_is_the_access_tokens_if_the_answer_has_none(void **state) {
    struct idp_tokens out;
    struct err e;
    const char *claims = "{\"scope\":\"openid mcp-server/tools\"}";
    const char *token = arena_printf(a, "e30.%s.AAAA", base64url_encode(a, claims, strlen(claims)));

    (void)state;
    assert_int_equal(exchange(200,
                              arena_printf(a,
                                           "{\"access_token\":\"%s\",\"token_type\":\"Bearer\","
                                           "\"refresh_token\":\"\",\"expires_in\":\"900\"}",
                                           token),
                              &out, &e),
                     OK);
    assert_string_equal(out.scope, "openid mcp-server/tools");
    assert_null(out.refresh_token);
    assert_int_equal(out.expires_in_s, 3600);
}

static void an_opaque_token_has_no_scope(void **state) {
    struct idp_tokens out;
    struct err e;

    (void)state;
    assert_int_equal(exchange(200,
                              "{\"access_token\":\"opaque\",\"token_type\":\"Bearer\","
                              "\"expires_in\":-5}",
                              &out, &e),
                     OK);
    assert_string_equal(out.scope, "");
    assert_int_equal(out.expires_in_s, 3600);
}

static void an_answer_200_that_is_not_the_protocol_may_pass(void **state) {
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "<html>sorry</html>",
        "{\"access_token\":\"t\"",
        "{}",
        "{\"access_token\":\"SECRET\"}",
        "{\"access_token\":\"SECRET\",\"token_type\":\"DPoP\"}",
        "{\"access_token\":\"SECRET\",\"token_type\":[\"Bearer\"]}",
        "{\"access_token\":\"\",\"token_type\":\"Bearer\"}",
        "{\"access_token\":5,\"token_type\":\"Bearer\"}",
        "{\"error\":\"invalid_grant\"}",
    };
    struct idp_tokens out;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(exchange(200, bodies[i], &out, &e), ERR_UPSTREAM);
        assert_null(out.access_token);
        assert_null(strstr(e.text, "SECRET"));
        assert_null(strstr(e.detail, "SECRET"));
    }
}

/* ---- refusals ---- */

static void refusals_are_told_apart(void **state) {
    static const struct {
        long status;
        const char *body;
        enum rc rc;
    } cases[] = {
        {400, "{\"error\":\"invalid_grant\"}", ERR_REFUSED},
        {401, "{\"error\":\"invalid_grant\"}", ERR_REFUSED},
        {400, "{\"error\":\"invalid_client\"}", ERR_MISCONFIGURED},
        {401, "{\"error\":\"invalid_client\"}", ERR_MISCONFIGURED},
        {400, "{\"error\":\"unauthorized_client\"}", ERR_MISCONFIGURED},
        {400, "{\"error\":\"unsupported_grant_type\"}", ERR_MISCONFIGURED},
        {400, "{\"error\":\"invalid_request\"}", ERR_MISCONFIGURED},
        {400, "{\"error\":\"invalid_scope\"}", ERR_MISCONFIGURED},
        {400, "{\"error\":\"temporarily_unavailable\"}", ERR_UPSTREAM},
        {400, "{\"error\":\"INVALID_GRANT\"}", ERR_UPSTREAM},
        {400, "{\"error\":[\"invalid_grant\"]}", ERR_UPSTREAM},
        {400, "[\"invalid_grant\"]", ERR_UPSTREAM},
        {400, "null", ERR_UPSTREAM},
        {400, "invalid_grant", ERR_UPSTREAM},
        {400, "", ERR_UPSTREAM},
        {403, "{\"error\":\"invalid_grant\"}", ERR_REFUSED}, /* Auth0 */
        {403, "{\"message\":\"Forbidden\"}", ERR_UPSTREAM},
        {404, "<html>", ERR_UPSTREAM},
        {408, "{\"error\":\"invalid_grant\"}", ERR_UPSTREAM},
        {429, "{\"error\":\"invalid_grant\"}", ERR_UPSTREAM},
        {500, "{\"error\":\"invalid_grant\"}", ERR_UPSTREAM},
        {503, "{\"error\":\"invalid_client\"}", ERR_UPSTREAM},
        {302, "", ERR_UPSTREAM},
        {204, "", ERR_UPSTREAM},
        {201, "{\"access_token\":\"t\",\"token_type\":\"Bearer\"}", ERR_UPSTREAM},
    };
    struct idp_tokens out;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(exchange(cases[i].status, cases[i].body, &out, &e), cases[i].rc);
        assert_int_equal(e.code, cases[i].rc);
        assert_non_null(strstr(e.detail, arena_printf(a, "status=%ld", cases[i].status)));
        assert_null(out.access_token);
    }
    assert_int_equal(script.calls,
                     (int)(sizeof cases / sizeof *cases)); /* nothing is tried twice */
}

static void upstream_text_reaches_nobody(void **state) {
    struct idp_tokens out;
    struct err e;

    (void)state;
    assert_int_equal(
        exchange(400, "{\"error\":\"invalid_grant\",\"error_description\":\"CODE the-code\"}", &out,
                 &e),
        ERR_REFUSED);
    assert_null(strstr(e.text, "CODE"));
    assert_null(strstr(e.detail, "CODE"));
    assert_null(strstr(e.detail, "the-code"));
    assert_non_null(strstr(e.detail, "error=invalid_grant"));

    assert_int_equal(
        exchange(
            400,
            "{\"error\":\"eyJhbGciOiJSUzI1NiJ9\\n level=info forged_and_much_too_long_for_it\"}",
            &out, &e),
        ERR_UPSTREAM);
    assert_null(strstr(e.detail, "eyJ"));
    assert_null(strchr(e.detail, '\n'));
    assert_null(strstr(e.detail, "for_it"));
    assert_null(strstr(e.text, "forged"));
}

/* Cognito's own words, for the log alone. */
static void a_reason_is_fit_for_a_log(void **state) {
    const char *long_one;

    (void)state;
    assert_string_equal(idp_reason(a, NULL), "");
    assert_string_equal(idp_reason(a, "PreSignUp failed with error Only example.com may."),
                        "PreSignUp failed with error Only example.com may.");
    assert_string_equal(idp_reason(a, "a\nlevel=info \x1b[1m \xc3\xa9"), "a?level=info ?[1m ??");
    assert_string_equal(idp_reason(a, "code 3f2504e0-4f89-41d3-9a0c-0305e82c3301 ended"),
                        "code ... ended");
    long_one = idp_reason(a, arena_printf(a, "%0*d", 32, 7));
    assert_int_equal(strlen(long_one), 32);
    for (int i = 0; i < 3000; i += 7)
        assert_true(strlen(idp_reason(a, arena_printf(a, "%*s%s", i, "x", "words and words"))) <=
                    IDP_REASON_MAX + 1);
}

static void no_answer_may_pass(void **state) {
    static const enum rc codes[] = {ERR_UPSTREAM, ERR_TOO_LARGE, ERR_ACCESS_DENIED, ERR_INTERNAL};
    struct idp_tokens out;
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        script.rc = codes[i];
        assert_int_equal(exchange(0, "", &out, &e), ERR_UPSTREAM);
        assert_non_null(strstr(e.detail, "connection refused"));
        assert_null(strstr(e.text, "refused"));
    }
}

#define SCRIPTED(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRIPTED(an_exchange_sends_what_rfc_6749_and_rfc_7636_ask_for),
        SCRIPTED(a_refresh_sends_the_refresh_token),
        SCRIPTED(a_grant_that_is_too_long_is_not_sent),
        SCRIPTED(all_members_are_read),
        SCRIPTED(the_scope_is_the_access_tokens_if_the_answer_has_none),
        SCRIPTED(an_opaque_token_has_no_scope),
        SCRIPTED(an_answer_200_that_is_not_the_protocol_may_pass),
        SCRIPTED(refusals_are_told_apart),
        SCRIPTED(upstream_text_reaches_nobody),
        SCRIPTED(a_refresh_token_that_is_too_long_is_left_out),
        SCRIPTED(a_scope_and_a_lifetime_have_limits),
        SCRIPTED(a_reason_is_fit_for_a_log),
        SCRIPTED(no_answer_may_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

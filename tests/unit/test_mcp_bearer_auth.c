/* Who may use the MCP endpoint, and the errors for others. */
#include "unit.h"

#include "mcp_fixture.h"
#include "runner_fixture.h"

static int start(void **state) {
    int rc = runner_setup(state); /* first: it would inherit the memory of the site */

    site_init(&site);
    site_tool(&site, "restricted", "echo no", "", ",\"scopes\":[\"admin\",\"mcp-server/tools\"]");
    site_load(&site);
    return rc;
}

static int stop(void **state) {
    return runner_teardown(state) || site_stop(state);
}

static void no_origin_is_fine(void **state) {
    (void)state;
    post_old(&p, "ping", "");
    expect_result(&p);
}

static void own_and_listed_origins_are_fine(void **state) {
    static const char *const good[] = {"https://mcp.example.com", "https://app.example",
                                       "http://localhost:6274"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_ORIGIN=%s", good[i]));
        post_old(&p, "ping", "");
        expect_result(&p);
    }
}

static void other_origins_are_forbidden(void **state) {
    static const char *const bad[] = {"https://evil.example",    "http://mcp.example.com", "null",
                                      "https://app.example:444", "https://APP.example",    ""};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_ORIGIN=%s", bad[i]));
        post_old(&p, "ping", "");
        assert_int_equal(p.rc, ERR_FORBIDDEN_ORIGIN);
        assert_null(reply_value(&p, "WWW-Authenticate"));
    }
}

static void any_origin_may_be_allowed(void **state) {
    (void)state;
    site.config.allowed_origins = "*";
    post_header(&p, "HTTP_ORIGIN=https://evil.example");
    post_old(&p, "ping", "");
    site.config.allowed_origins = "https://app.example http://localhost:6274";
    expect_result(&p);
}

/* Web servers let a tab and bytes above 127 through. */
static void what_is_no_origin_is_none_of_any(void **state) {
    static const char *const bad[] = {"", "https://a\tb", "https://a b", "https://a\x7f",
                                      "https://\xc3\xa4"};

    (void)state;
    site.config.allowed_origins = "*";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_ORIGIN=%s", bad[i]));
        post_old(&p, "ping", "");
        assert_int_equal(p.rc, ERR_FORBIDDEN_ORIGIN);
    }
    site.config.allowed_origins = "https://app.example http://localhost:6274";
}

static void no_token_is_a_challenge_without_error(void **state) {
    (void)state;
    post_header(&p, "HTTP_AUTHORIZATION");
    post_old(&p, "ping", ""); /* the query has a good token, which is not looked at */
    assert_int_equal(p.rc, ERR_NO_TOKEN);
    assert_string_equal(reply_value(&p, "WWW-Authenticate"),
                        "Bearer resource_metadata=\"https://mcp.example.com/.well-known/"
                        "oauth-protected-resource/mcp\", scope=\"mcp-server/tools\"");
}

static void other_schemes_are_no_token(void **state) {
    static const char *const none[] = {"",         "Basic YTpi", "Bearer",
                                       "Bearer  ", "Bearerx",    ("Bearer" TOKEN)};

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_AUTHORIZATION=%s", none[i]));
        post_old(&p, "ping", "");
        assert_int_equal(p.rc, ERR_NO_TOKEN);
    }
}

static void the_scheme_is_case_insensitive(void **state) {
    static const char *const good[] = {("bearer " TOKEN), ("BEARER   " TOKEN),
                                       ("Bearer " TOKEN " ")};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_AUTHORIZATION=%s", good[i]));
        post_old(&p, "ping", "");
        expect_result(&p);
    }
}

static void two_tokens_or_bad_characters_are_invalid(void **state) {
    static const char *const bad[] = {("Bearer " TOKEN ", Bearer " TOKEN), "Bearer a b",
                                      ("Bearer \"" TOKEN "\""), "Bearer =abc", "Bearer a=b"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_AUTHORIZATION=%s", bad[i]));
        post_old(&p, "ping", "");
        assert_int_equal(p.rc, ERR_INVALID_TOKEN);
        assert_string_equal(
            reply_value(&p, "WWW-Authenticate"),
            "Bearer error=\"invalid_token\", error_description=\"the Authorization header is "
            "malformed\", resource_metadata=\"https://mcp.example.com/.well-known/"
            "oauth-protected-resource/mcp\", scope=\"mcp-server/tools\"");
    }
}

static void a_token_has_a_longest_length(void **state) {
    char *token = arena_alloc(p.arena, TOKEN_LEN_MAX + 2);

    (void)state;
    memset(token, 'a', TOKEN_LEN_MAX + 1);
    post_header(&p, arena_printf(p.arena, "HTTP_AUTHORIZATION=Bearer %s", token));
    post_old(&p, "ping", "");
    assert_int_equal(p.rc, ERR_INVALID_TOKEN);
}

static void an_unknown_token_is_verified(void **state) {
    (void)state;
    post_header(&p, "HTTP_AUTHORIZATION=Bearer never.seen.before");
    post_old(&p, "ping", "");
    assert_int_equal(p.rc, ERR_INVALID_TOKEN);
    assert_non_null(strstr(reply_value(&p, "WWW-Authenticate"), "error=\"invalid_token\""));
}

static void an_expired_token_is_not_used_from_the_cache(void **state) {
    (void)state;
    site.base.clock.fixed_s = NOW + 601;
    post_old(&p, "ping", "");
    site.base.clock.fixed_s = NOW;
    assert_int_equal(p.rc, ERR_INVALID_TOKEN);
}

static void a_missing_scope_is_named(void **state) {
    (void)state;
    post_header(&p, "HTTP_AUTHORIZATION=Bearer few.scopes");
    post_old(&p, "ping", "");
    assert_int_equal(p.rc, ERR_INSUFFICIENT_SCOPE);
    assert_non_null(
        strstr(reply_value(&p, "WWW-Authenticate"), "Bearer error=\"insufficient_scope\""));
    assert_non_null(strstr(reply_value(&p, "WWW-Authenticate"), "scope=\"mcp-server/tools\""));
}

static void no_scope_parameter_without_required_scopes(void **state) {
    (void)state;
    site.config.required_scopes = "";
    post_header(&p, "HTTP_AUTHORIZATION");
    post_old(&p, "ping", "");
    site.config.required_scopes = "mcp-server/tools";
    assert_null(strstr(reply_value(&p, "WWW-Authenticate"), "scope="));
}

static void a_tool_may_need_more_scopes_and_all_are_named(void **state) {
    (void)state;
    post_modern(&p, "tools/call", "restricted", "\"name\":\"restricted\"");
    assert_int_equal(p.rc, ERR_INSUFFICIENT_SCOPE);
    assert_non_null(
        strstr(reply_value(&p, "WWW-Authenticate"), "scope=\"mcp-server/tools admin\""));
    post_header(&p, "HTTP_AUTHORIZATION=Bearer admin.token");
    post_modern(&p, "tools/call", "restricted", "\"name\":\"restricted\"");
    expect_result(&p);
    assert_string_equal(tool_text(&p, 0), "no\n");
}

/* Every check comes before the body is looked at. */
static void the_guard_is_before_everything_else(void **state) {
    (void)state;
    post_header(&p, "HTTP_AUTHORIZATION");
    post_header(&p, "CONTENT_TYPE=text/plain");
    post_send(&p, "{", 1);
    assert_int_equal(p.rc, ERR_NO_TOKEN);
    post_header(&p, "HTTP_ORIGIN=https://evil.example");
    post_send(&p, "{", 1);
    assert_int_equal(p.rc, ERR_FORBIDDEN_ORIGIN);
}

static void only_json_is_read(void **state) {
    static const char *const bad[] = {"", "text/plain", "application/jsonx", "text/json",
                                      "application/x-www-form-urlencoded"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post_header(&p, arena_printf(p.arena, "CONTENT_TYPE=%s", bad[i]));
        post_old(&p, "ping", "");
        assert_int_equal(p.rc, ERR_UNSUPPORTED_MEDIA_TYPE);
    }
    post_header(&p, "CONTENT_TYPE=Application/JSON; charset=utf-8");
    post_old(&p, "ping", "");
    expect_result(&p);
}

static void accept_is_read_with_tolerance(void **state) {
    static const char *const good[] = {"",
                                       "*/*",
                                       "application/json",
                                       "text/event-stream",
                                       "text/html, application/*;q=0.1",
                                       "TEXT/EVENT-STREAM ; q=1"};
    static const char *const bad[] = {"text/html", "application/xml, image/*", "application/jsonx"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_ACCEPT=%s", good[i]));
        post_old(&p, "ping", "");
        assert_int_equal(p.reply.status, 200);
        assert_non_null(json_get(p.body, "result"));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_ACCEPT=%s", bad[i]));
        post_old(&p, "ping", "");
        assert_int_equal(p.rc, ERR_NOT_ACCEPTABLE);
    }
    post_header(&p, "HTTP_ACCEPT");
    post_old(&p, "ping", "");
    expect_result(&p);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, post_begin, post_end)
    const struct CMUnitTest tests[] = {
        T(no_origin_is_fine),
        T(own_and_listed_origins_are_fine),
        T(other_origins_are_forbidden),
        T(any_origin_may_be_allowed),
        T(what_is_no_origin_is_none_of_any),
        T(no_token_is_a_challenge_without_error),
        T(other_schemes_are_no_token),
        T(the_scheme_is_case_insensitive),
        T(two_tokens_or_bad_characters_are_invalid),
        T(a_token_has_a_longest_length),
        T(an_unknown_token_is_verified),
        T(an_expired_token_is_not_used_from_the_cache),
        T(a_missing_scope_is_named),
        T(no_scope_parameter_without_required_scopes),
        T(a_tool_may_need_more_scopes_and_all_are_named),
        T(the_guard_is_before_everything_else),
        T(only_json_is_read),
        T(accept_is_read_with_tolerance),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

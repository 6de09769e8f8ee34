/* Messages: malformed ones of every kind, notifications, responses, batches, and the methods. */
#include "unit.h"

#include "mcp_fixture.h"

static int start(void **state) {
    (void)state;
    site_init(&site);
    site_tool(&site, "restricted", "echo ran >&2; echo no", "", ",\"scopes\":[\"admin\"]");
    site_load(&site);
    return 0;
}

static void send_text(const char *body) {
    post_send(&p, body, strlen(body));
}

static void what_is_not_json_is_a_parse_error(void **state) {
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[",
                                      "{\"a\":}",
                                      "{'a':1}",
                                      "{\"a\":1,}",
                                      "{\"a\":1} x",
                                      "{} {}",
                                      "nul",
                                      "\xff\xfe",
                                      "{\"a\":\"\xff\"}",
                                      "{\"jsonrpc\\u0000x\":\"2.0\",\"id\\u0000\":1,"
                                      "\"method\\u0000\":\"tools/list\"}",
                                      "{\"a\":\"\x01\"}",
                                      "// c\n{}",
                                      "NaN",
                                      "{\"a\":01}",
                                      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\","
                                      "\"method\":\"tools/list\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post_header(&p, "HTTP_MCP_PROTOCOL_VERSION");
        send_text(bad[i]);
        expect_error(&p, 400, -32700);
        assert_true(json_has(p.body, "id")); /* null, as the schemas before 2026-07-28 have it */
        assert_null(json_get(p.body, "id"));
        post_header(&p, MODERN);
        send_text(bad[i]);
        expect_error(&p, 400, -32700);
        assert_false(json_has(p.body, "id"));
    }
    post_send(&p, "{\"jsonrpc\":\"2.0\"}\0", 18);
    expect_error(&p, 400, -32700);
}

static void nesting_has_a_limit(void **state) {
    char text[1000];

    (void)state;
    memset(text, '[', sizeof text);
    post_send(&p, text, sizeof text);
    expect_error(&p, 400, -32700);
}

static void what_is_no_message_is_an_invalid_request(void **state) {
    static const char *const bad[] = {
        "null",
        "true",
        "42",
        "\"ping\"",
        "{}",
        "{\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":null}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{\"code\":1,\"message\":\"\"}}",
        "{\"jsonrpc\":\"2.0\",\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":null}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{},\"error\":null}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}",       /* a request that lost its id */
        "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"}", /* the same */
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        send_text(bad[i]);
        expect_error(&p, 400, -32600);
    }
}

static void an_encoded_body_is_refused_as_such(void **state) {
    static const char *const good[] = {"identity", "IDENTITY", " identity , identity", ""};
    static const char *const bad[] = {"gzip", "br",     "deflate",  "identity, gzip",
                                      "zstd", "x-gzip", "identityx"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_CONTENT_ENCODING=%s", bad[i]));
        send_text("\x1f\x8b\b");
        assert_int_equal(p.rc, ERR_UNSUPPORTED_MEDIA_TYPE);
        assert_string_equal(reply_value(&p, "Accept-Encoding"), "identity");
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_CONTENT_ENCODING=%s", good[i]));
        send_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
        expect_result(&p);
    }
}

static void an_id_is_a_string_or_an_integer(void **state) {
    static const char *const bad[] = {
        "null", "true", "1.5", "{}", "[]", "1e400", "99999999999999999999999"};
    static const char *const good[] = {
        "1", "0", "-3", "\"\"", "\"a b\"", "9007199254740993", "\"\\u00e9\\n\""};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        send_text(
            arena_printf(p.arena, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}", bad[i]));
        assert_true(post_error(&p) == -32600 || post_error(&p) == -32700);
        assert_int_equal(p.reply.status, 400);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        send_text(
            arena_printf(p.arena, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}", good[i]));
        expect_result(&p);
    }
    assert_string_equal(p.reply.body, "{\"jsonrpc\":\"2.0\",\"id\":\"é\\n\",\"result\":{}}");
}

static void an_error_carries_the_id_that_could_be_read(void **state) {
    int64_t id;

    (void)state;
    send_text("{\"jsonrpc\":\"2.0\",\"id\":41,\"method\":\"ping\",\"params\":7}");
    expect_error(&p, 400, -32600);
    assert_true(json_get_int(p.body, "id", &id));
    assert_int_equal(id, 41);
}

static void notifications_are_accepted(void **state) {
    static const char *const good[] = {
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/anything\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"notifications/initialized\",\"params\":null,"
        "\"result\":null,\"error\":null}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1,"
        "\"reason\":null}}"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        for (int modern = 0; modern < 2; modern++) {
            post_header(&p, modern ? MODERN : "HTTP_MCP_PROTOCOL_VERSION=2025-11-25");
            send_text(good[i]);
            assert_int_equal(p.rc, OK);
            assert_int_equal(p.reply.status, 202);
            assert_int_equal(p.reply.body_len, 0);
        }
    }
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION=2024-01-01");
    send_text(good[0]);
    expect_error(&p, 400, -32022);
    post_header(&p, MODERN);
    post_header(&p, "HTTP_MCP_METHOD=notifications/other");
    send_text(good[0]);
    expect_error(&p, 400, -32020);
}

static void responses_are_accepted_before_2026(void **state) {
    static const char *const good[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"error\":{\"code\":-1,\"message\":\"no\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":null,\"result\":{},\"error\":null}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null,\"error\":{\"code\":-1,\"message\":\"no\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-1,\"message\":\"no\"}}"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        post_header(&p, "HTTP_MCP_PROTOCOL_VERSION");
        send_text(good[i]);
        assert_int_equal(p.rc, OK);
        assert_int_equal(p.reply.status, 202);
        post_header(&p, MODERN);
        send_text(good[i]);
        expect_error(&p, 400, -32600);
    }
}

static void initialize_negotiates(void **state) {
    static const char *const asked[][2] = {
        {"2025-11-25", "2025-11-25"}, {"2025-06-18", "2025-06-18"}, {"2025-03-26", "2025-03-26"},
        {"2024-11-05", "2024-11-05"}, {"2026-07-28", "2025-11-25"}, {"x", "2025-11-25"}};

    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        post_old(&p, "initialize",
                 arena_printf(p.arena,
                              "\"protocolVersion\":\"%s\",\"capabilities\":{},"
                              "\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}",
                              asked[i][0]));
        expect_result(&p);
        assert_string_equal(json_get_str(post_result(&p), "protocolVersion"), asked[i][1]);
    }
    assert_string_equal(json_text(p.arena, post_result(&p), NULL),
                        "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"completions\":{},"
                        "\"logging\":{},\"prompts\":{\"listChanged\":true},"
                        "\"resources\":{\"listChanged\":true,\"subscribe\":true},"
                        "\"tools\":{\"listChanged\":true}},"
                        "\"serverInfo\":{\"name\":\"mcp-authd\",\"title\":\"mcp-authd\","
                        "\"version\":\"" MCP_AUTHD_VERSION "\"}}");
    assert_null(reply_value(&p, "Mcp-Session-Id"));
    post_old(&p, "initialize", "\"capabilities\":{}");
    expect_error(&p, 200, -32602);
}

static void an_initialize_may_carry_a_header(void **state) {
    (void)state;
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION=2024-01-01"); /* due only afterwards */
    post_old(&p, "initialize", "\"protocolVersion\":\"2025-06-18\"");
    expect_result(&p);
    post_header(&p, MODERN); /* but this revision has no such request */
    post_old(&p, "initialize", "\"protocolVersion\":\"2025-06-18\"");
    expect_error(&p, 400, -32020);
    post_modern(&p, "initialize", NULL, "");
    expect_error(&p, 404, -32601);
}

static void handshake_methods(void **state) {
    static const char *const unknown[] = {"server/discover", "subscriptions/listen", "nonsense",
                                          ""};

    (void)state;
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION=2025-06-18");
    post_old(&p, "ping", "");
    assert_string_equal(p.reply.body, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}");
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        post_old(&p, unknown[i], "");
        expect_error(&p, 200, -32601);
        assert_string_equal(json_get_str(p.body, "id"), "x");
    }
    send_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"); /* without params */
    expect_result(&p);
}

static void modern_methods(void **state) {
    static const char *const unknown[] = {"ping", "logging/setLevel", "resources/subscribe",
                                          "resources/unsubscribe", "unknown/method"};

    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        int64_t id;

        post_modern(&p, unknown[i], NULL, "");
        expect_error(&p, 404, -32601);
        assert_true(json_get_int(p.body, "id", &id) && id == 7);
    }
}

static void discover_says_what_there_is(void **state) {
    (void)state;
    post_modern(&p, "server/discover", NULL, "");
    expect_result(&p);
    assert_string_equal(
        json_text(p.arena, post_result(&p), NULL),
        "{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],"
        "\"capabilities\":{\"completions\":{},\"logging\":{},\"prompts\":{\"listChanged\":true},"
        "\"resources\":{\"listChanged\":true,\"subscribe\":true},"
        "\"tools\":{\"listChanged\":true},"
        "\"extensions\":{\"io.modelcontextprotocol/"
        "tasks\":{}}},\"ttlMs\":60000,\"cacheScope\":\"public\",\"_meta\":{"
        "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"mcp-authd\",\"title\":\"mcp-authd\","
        "\"version\":\"" MCP_AUTHD_VERSION "\"}}}");
    assert_string_equal(reply_value(&p, "Cache-Control"), "no-store");
}

static void a_batch_is_answered_in_2025_03_26(void **state) {
    (void)state;
    send_text("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},"
              "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"},"
              "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"nonsense\"},"
              "7,"
              "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"initialize\","
              "\"params\":{\"protocolVersion\":\"2025-03-26\"}},"
              "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\","
              "\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"hi\"}}}]");
    assert_int_equal(p.rc, OK);
    assert_int_equal(p.reply.status, 200);
    assert_string_equal(p.reply.body,
                        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},"
                        "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32601,"
                        "\"message\":\"Method not found: nonsense\"}},"
                        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"
                        "\"message\":\"Invalid request: not a JSON object\"}},"
                        "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32600,"
                        "\"message\":\"Invalid request: initialize must not be part of a batch\"}},"
                        "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{\"content\":[{\"type\":\"text\","
                        "\"text\":\"hi\"}]}}]");
}

static void a_batch_without_requests_needs_no_answer(void **state) {
    (void)state;
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION=2025-03-26");
    send_text("[{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"},"
              "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}]");
    assert_int_equal(p.rc, OK);
    assert_int_equal(p.reply.status, 202);
    assert_int_equal(p.reply.body_len, 0);
}

static void a_batch_is_refused_elsewhere(void **state) {
    static const char *const versions[] = {MODERN, "HTTP_MCP_PROTOCOL_VERSION=2025-06-18",
                                           "HTTP_MCP_PROTOCOL_VERSION=2025-11-25"};
    char *many = arena_alloc(p.arena, 4096);

    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        post_header(&p, versions[i]);
        send_text("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]");
        expect_error(&p, 400, -32600);
    }
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION");
    send_text("[]");
    expect_error(&p, 400, -32600);
    strcpy(many, "[");
    for (int i = 0; i < 17; i++)
        strcat(many, i ? ",{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"
                       : "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
    strcat(many, "]");
    send_text(many);
    expect_error(&p, 400, -32600);
}

/* The challenge answers the whole POST, so nothing of it may have run. */
static void a_batch_checks_all_scopes_first(void **state) {
    (void)state;
    send_text("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},"
              "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\","
              "\"params\":{\"name\":\"restricted\"}}]");
    assert_int_equal(p.rc, ERR_INSUFFICIENT_SCOPE);
    assert_int_equal(p.reply.body_len, 0);
    assert_non_null(
        strstr(reply_value(&p, "WWW-Authenticate"), "scope=\"mcp-server/tools admin\""));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, post_begin, post_end)
    const struct CMUnitTest tests[] = {
        T(what_is_not_json_is_a_parse_error),
        T(nesting_has_a_limit),
        T(what_is_no_message_is_an_invalid_request),
        T(an_encoded_body_is_refused_as_such),
        T(an_id_is_a_string_or_an_integer),
        T(an_error_carries_the_id_that_could_be_read),
        T(notifications_are_accepted),
        T(responses_are_accepted_before_2026),
        T(initialize_negotiates),
        T(an_initialize_may_carry_a_header),
        T(handshake_methods),
        T(modern_methods),
        T(discover_says_what_there_is),
        T(a_batch_is_answered_in_2025_03_26),
        T(a_batch_without_requests_needs_no_answer),
        T(a_batch_is_refused_elsewhere),
        T(a_batch_checks_all_scopes_first),
    };
    return cmocka_run_group_tests(tests, start, site_stop);
}

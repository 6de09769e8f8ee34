/* Which protocol version a message follows, and the headers that must agree with the body. */
#include "unit.h"

#include "mcp_fixture.h"
#include "runner_fixture.h"

#define VERSION(v) "\"io.modelcontextprotocol/protocolVersion\":" v
#define CAPABILITIES ",\"io.modelcontextprotocol/clientCapabilities\":{}"
#define HEADER(v) "HTTP_MCP_PROTOCOL_VERSION=" v

static int start(void **state) {
    int rc = runner_setup(state); /* first: it would inherit the memory of the site */

    site_init(&site);
    site_tool(&site, "sql", "cat", ",\"title\":\"SQL\"", "");
    site_file(&site, "mirror.json",
              "{\"name\":\"mirror\",\"inputSchema\":{\"type\":\"object\",\"properties\":{"
              "\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"},"
              "\"n\":{\"type\":\"integer\",\"x-mcp-header\":\"N\"},"
              "\"deep\":{\"type\":\"object\",\"properties\":{"
              "\"on\":{\"type\":\"boolean\",\"x-mcp-header\":\"Deep-On\"}}}}},"
              "\"run\":{\"command\":[\"./sql.sh\"]}}",
              0644);
    site_load(&site);
    return rc;
}

static int stop(void **state) {
    return runner_teardown(state) || site_stop(state);
}

/* A tools/list with this in _meta and this header (NULL: none). */
static void list_with(const char *meta, const char *header) {
    char *body = arena_printf(p.arena,
                              "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/list\","
                              "\"params\":{\"_meta\":{%s}}}",
                              meta);

    post_header(&p, header ? header : "HTTP_MCP_PROTOCOL_VERSION");
    post_header(&p, "HTTP_MCP_METHOD=tools/list");
    post_send(&p, body, strlen(body));
}

static void both_eras_at_one_address(void **state) {
    (void)state;
    list_with(VERSION("\"2026-07-28\"") CAPABILITIES, HEADER("2026-07-28"));
    expect_result(&p);
    assert_string_equal(json_get_str(post_result(&p), "resultType"), "complete");
    list_with("", HEADER("2025-11-25"));
    expect_result(&p);
    assert_false(json_has(post_result(&p), "resultType"));
    assert_false(json_has(post_result(&p), "_meta"));
    list_with("", NULL);
    expect_result(&p);
    list_with("\"progressToken\":1", HEADER("2025-03-26"));
    expect_result(&p);
}

static void a_modern_header_needs_the_envelope(void **state) {
    static const char bare[] = "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/list\"}";

    (void)state;
    list_with("", HEADER("2026-07-28"));
    expect_error(&p, 400, -32602);
    list_with("\"io.modelcontextprotocol/clientCapabilities\":{}", HEADER("2026-07-28"));
    expect_error(&p, 400, -32602);
    list_with(VERSION("\"2026-07-28\""), HEADER("2026-07-28"));
    expect_error(&p, 400, -32602);
    list_with(VERSION("\"2026-07-28\"") ",\"io.modelcontextprotocol/clientCapabilities\":[]",
              HEADER("2026-07-28"));
    expect_error(&p, 400, -32602);
    list_with(VERSION("\"2026-07-28\"") CAPABILITIES ",\"io.modelcontextprotocol/clientInfo\":1",
              HEADER("2026-07-28"));
    expect_error(&p, 400, -32602);
    list_with(VERSION("7") CAPABILITIES, HEADER("2026-07-28"));
    expect_error(&p, 400, -32602);
    list_with(VERSION("null") CAPABILITIES, NULL);
    expect_error(&p, 400, -32602);
    post_header(&p, HEADER("2026-07-28")); /* no params at all */
    post_send(&p, bare, strlen(bare));
    expect_error(&p, 400, -32602);
}

static void header_and_body_must_agree(void **state) {
    (void)state;
    list_with(VERSION("\"2026-07-28\"") CAPABILITIES, NULL);
    expect_error(&p, 400, -32020);
    list_with(VERSION("\"2026-07-28\"") CAPABILITIES, HEADER("2025-11-25"));
    expect_error(&p, 400, -32020);
    list_with(VERSION("\"v999.0.0\"") CAPABILITIES, HEADER("2026-07-28"));
    expect_error(&p, 400, -32020);
    list_with(VERSION("\"2026-07-28\"") CAPABILITIES, HEADER("2026-07-28, 2026-07-28"));
    expect_error(&p, 400, -32020);
    list_with(VERSION("\"2026-07-28\"") CAPABILITIES, HEADER(" 2026-07-28\t"));
    expect_result(&p);
}

static void an_unknown_version_is_told_the_known_ones(void **state) {
    static const char *const unknown[] = {"v999.0.0", "2027-01-01", "2025-11-25", "1900-01-01"};
    struct json *data;

    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        list_with(arena_printf(p.arena, VERSION("\"%s\"") CAPABILITIES, unknown[i]),
                  arena_printf(p.arena, HEADER("%s"), unknown[i]));
        expect_error(&p, 400, -32022);
        data = json_get(json_get(p.body, "error"), "data");
        assert_string_equal(json_get_str(data, "requested"), unknown[i]);
        assert_string_equal(json_text(p.arena, json_get(data, "supported"), NULL),
                            "[\"2026-07-28\"]");
    }
    list_with("", HEADER("2027-01-01")); /* newer than us, whatever its envelope may be */
    expect_error(&p, 400, -32022);
}

static void an_unknown_handshake_version_is_refused(void **state) {
    static const char *const unknown[] = {"2024-10-07", "2025-11-26", "x", "2025-06-18 2025-06-18",
                                          "\xe9"};

    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        list_with("", arena_printf(p.arena, HEADER("%s"), unknown[i]));
        expect_error(&p, 400, -32022);
        assert_string_equal(
            json_text(p.arena, json_get(json_get(json_get(p.body, "error"), "data"), "supported"),
                      NULL),
            "[\"2025-11-25\",\"2025-06-18\",\"2025-03-26\",\"2024-11-05\"]");
    }
}

static void the_method_header_is_checked(void **state) {
    static const char *const bad[] = {"prompts/list", "TOOLS/LIST", "", "tools/list, tools/list"};
    const char *meta = VERSION("\"2026-07-28\"") CAPABILITIES;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *body = arena_printf(p.arena,
                                  "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/list\","
                                  "\"params\":{\"_meta\":{%s}}}",
                                  meta);

        post_header(&p, MODERN);
        post_header(&p, arena_printf(p.arena, "HTTP_MCP_METHOD=%s", bad[i]));
        post_send(&p, body, strlen(body));
        expect_error(&p, 400, -32020);
        post_header(&p, "HTTP_MCP_METHOD");
        post_send(&p, body, strlen(body));
        expect_error(&p, 400, -32020);
    }
    /* It is nothing to the handshake revisions. */
    list_with("", HEADER("2025-11-25"));
    post_header(&p, "HTTP_MCP_METHOD=prompts/list");
    post_old(&p, "tools/list", "");
    expect_result(&p);
}

static void call(const char *name_header, const char *name) {
    if (name_header)
        name_header = arena_printf(p.arena, "%s", name_header);
    else
        post_header(&p, "HTTP_MCP_NAME");
    post_modern(&p, "tools/call", name_header,
                arena_printf(p.arena, "\"name\":\"%s\",\"arguments\":{\"text\":\"a\"}", name));
}

static void the_name_header_is_checked(void **state) {
    static const char *const bad[] = {"wrong",
                                      "Echo",
                                      "",
                                      "echo, echo",
                                      "ech\xc3\xb3",
                                      "=?base64?ZWNobw?=",
                                      "=?base64?ZW!obw==?=",
                                      "=?base64?d3Jvbmc=?=",
                                      "=?BASE64?ZWNobw==?="};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        call(bad[i], "echo");
        expect_error(&p, 400, -32020);
    }
    call(NULL, "echo");
    expect_error(&p, 400, -32020);
    call("echo", "echo");
    expect_result(&p);
    call("  echo\t", "echo");
    expect_result(&p);
    call("=?base64?ZWNobw==?=", "echo");
    expect_result(&p);
}

/* The name is missing in the body: what is wrong are the parameters. */
static void without_a_name_the_header_is_not_the_problem(void **state) {
    (void)state;
    post_modern(&p, "tools/call", NULL, "");
    expect_error(&p, 200, -32602);
    post_modern(&p, "tools/call", "echo", "\"name\":7");
    expect_error(&p, 200, -32602);
}

static void a_name_beyond_ascii_is_compared_decoded(void **state) {
    (void)state;
    call("=?base64?w6k=?=", "\\u00e9");
    expect_error(&p, 200, -32602); /* equal, but there is no such tool */
    assert_string_equal(json_get_str(json_get(p.body, "error"), "message"), "Unknown tool: ??");
    call("\xc3\xa9", "\\u00e9");
    expect_error(&p, 400, -32020);
}

static void mirror(const char *arguments) {
    post_modern(&p, "tools/call", "mirror",
                arena_printf(p.arena, "\"name\":\"mirror\",\"arguments\":{%s}", arguments));
}

static void mirrored_parameters_are_checked(void **state) {
    (void)state;
    mirror("");
    expect_result(&p);
    mirror("\"region\":null");
    expect_result(&p);
    mirror("\"region\":\"us-west1\"");
    expect_error(&p, 400, -32020);
    post_header(&p, "HTTP_MCP_PARAM_REGION=us-west2");
    mirror("\"region\":\"us-west1\"");
    expect_error(&p, 400, -32020);
    post_header(&p, "HTTP_MCP_PARAM_REGION=us-west1");
    mirror("\"region\":\"us-west1\"");
    expect_result(&p);
    post_header(&p, "HTTP_MCP_PARAM_REGION==?base64?SGVsbG8=?=");
    mirror("\"region\":\"Hello\"");
    expect_result(&p);
    post_header(&p, "HTTP_MCP_PARAM_REGION==?base64?SGVsbG8?=");
    mirror("\"region\":\"Hello\"");
    expect_error(&p, 400, -32020);
    post_header(&p, "HTTP_MCP_PARAM_REGION==?base64?SGVsbG8=");
    mirror("\"region\":\"=?base64?SGVsbG8=\"");
    expect_result(&p);
    post_header(&p, "HTTP_MCP_PARAM_REGION==?base64?"
                    "?=");
    mirror("\"region\":\"\"");
    expect_result(&p);
    post_header(&p, "HTTP_MCP_PARAM_REGION=h\xc3\xa9");
    mirror("\"region\":\"h\\u00e9\"");
    expect_error(&p, 400, -32020);
}

static void mirrored_integers_are_compared_as_numbers(void **state) {
    static const char *const good[] = {"42", "42.0", "042"};
    static const char *const bad[] = {"43", "42.5", "4.2e1", "0x2a", "", "42 ,42", "-42", "42."};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_MCP_PARAM_N=%s", good[i]));
        mirror("\"n\":42");
        expect_result(&p);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post_header(&p, arena_printf(p.arena, "HTTP_MCP_PARAM_N=%s", bad[i]));
        mirror("\"n\":42");
        expect_error(&p, 400, -32020);
    }
    post_header(&p, "HTTP_MCP_PARAM_N=9007199254740993"); /* two integers, one double */
    mirror("\"n\":9007199254740992");
    expect_error(&p, 400, -32020);
}

static void mirrored_parameters_may_lie_deeper(void **state) {
    (void)state;
    mirror("\"deep\":{\"on\":true}");
    expect_error(&p, 400, -32020);
    post_header(&p, "HTTP_MCP_PARAM_DEEP_ON=true");
    mirror("\"deep\":{\"on\":true}");
    expect_result(&p);
    mirror("\"deep\":{\"on\":false}");
    expect_error(&p, 400, -32020);
    mirror("\"deep\":{\"on\":{}}");
    expect_error(&p, 400, -32020);
    mirror("\"deep\":7");
    expect_error(&p, 400, -32020);
    post_header(&p, "HTTP_MCP_PARAM_DEEP_ON");
    mirror("\"deep\":{\"on\":{}}"); /* the schema's business */
    expect_result(&p);
    mirror("\"deep\":7");
    expect_result(&p);
}

/* Whoever routes by it would be told of something that is not executed. */
static void a_header_for_nothing_is_refused(void **state) {
    (void)state;
    post_header(&p, "HTTP_MCP_PARAM_REGION=us-west1");
    mirror("");
    expect_error(&p, 400, -32020);
    mirror("\"region\":null");
    expect_error(&p, 400, -32020);
    post_header(&p, "HTTP_MCP_PARAM_REGION");
    post_header(&p, "HTTP_MCP_PARAM_UNKNOWN=x"); /* of no parameter of this tool */
    mirror("");
    expect_result(&p);
}

/* The handshake revisions know no such headers. */
static void mirrored_parameters_are_modern(void **state) {
    (void)state;
    post_old(&p, "tools/call", "\"name\":\"mirror\",\"arguments\":{\"region\":\"us\"}");
    expect_result(&p);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, post_begin, post_end)
    const struct CMUnitTest tests[] = {
        T(both_eras_at_one_address),
        T(a_modern_header_needs_the_envelope),
        T(header_and_body_must_agree),
        T(an_unknown_version_is_told_the_known_ones),
        T(an_unknown_handshake_version_is_refused),
        T(the_method_header_is_checked),
        T(the_name_header_is_checked),
        T(without_a_name_the_header_is_not_the_problem),
        T(a_name_beyond_ascii_is_compared_decoded),
        T(mirrored_parameters_are_checked),
        T(mirrored_integers_are_compared_as_numbers),
        T(mirrored_parameters_may_lie_deeper),
        T(a_header_for_nothing_is_refused),
        T(mirrored_parameters_are_modern),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

/* Calls of tools, and what a program's output becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>

#include "mcp_fixture.h"

static void send_old(const char *method, const char *params) {
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION");
    post_old(&p, method, params);
}

/* A call in the modern era. `arguments` are its members. */
static void call(const char *tool, const char *arguments) {
    post_modern(&p, "tools/call", tool,
                arena_printf(p.arena, "\"name\":\"%s\",\"arguments\":{%s}", tool, arguments));
}

static void whoami_says_what_the_token_says(void **state) {
    (void)state;
    site_load(&site);
    call("whoami", "");
    expect_result(&p);
    assert_string_equal(json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL),
                        "{\"sub\":\"user-1\",\"username\":\"alice\",\"client_id\":\"app-1\","
                        "\"scopes\":[\"openid\",\"mcp-server/tools\"],"
                        "\"expires_at\":\"2027-01-15T08:10:00Z\"}");
    assert_string_equal(tool_text(&p, 0),
                        json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL));
    assert_string_equal(json_get_str(post_result(&p), "resultType"), "complete");
    assert_string_equal(json_get_str(json_get(json_get(post_result(&p), "_meta"),
                                              "io.modelcontextprotocol/serverInfo"),
                                     "name"),
                        "mcp-authd");
    send_old("tools/call", "\"name\":\"whoami\"");
    expect_result(&p);
    assert_false(json_has(post_result(&p), "resultType"));
    assert_false(json_has(post_result(&p), "_meta"));
    assert_true(json_has(post_result(&p), "structuredContent"));
}

static void echo_returns_its_text(void **state) {
    (void)state;
    site_load(&site);
    call("echo", "\"text\":\"h\\u00e9 \\\"q\\\" \\n\"");
    expect_result(&p);
    assert_string_equal(tool_text(&p, 0), "hé \"q\" \n");
    assert_false(tool_failed(&p));
    call("echo", "\"text\":\"a\\u0000b\"");
    assert_non_null(strstr(p.reply.body, "a\\u0000b"));
    call("echo", "\"text\":\"x\",\"sessionId\":\"host\",\"action\":null"); /* as some hosts add */
    expect_result(&p);
    assert_string_equal(tool_text(&p, 0), "x");
    call("whoami", "\"sessionId\":\"host\"");
    assert_false(tool_failed(&p));
    call("echo", "\"text\":7");
    expect_result(&p);
    assert_true(tool_failed(&p));
}

static void calls_that_are_malformed(void **state) {
    static const char *const cases[] = {"",
                                        "\"name\":7",
                                        "\"name\":null",
                                        "\"name\":\"nothing\"",
                                        "\"name\":\"echo\",\"arguments\":[]",
                                        "\"name\":\"echo\",\"arguments\":\"x\"",
                                        "\"name\":\"echo\",\"arguments\":null"};

    (void)state;
    site_load(&site);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        send_old("tools/call", cases[i]);
        expect_error(&p, 200, -32602);
    }
    call("nothing", "");
    expect_error(&p, 200, -32602);
    assert_string_equal(json_get_str(json_get(p.body, "error"), "message"),
                        "Unknown tool: nothing");
}

/* Clients of some languages send every member that they know. */
static void null_is_absent(void **state) {
    static const char meta[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
        "list\",\"params\":{\"cursor\":null,\"_meta\":{"
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
        "\"io.modelcontextprotocol/clientCapabilities\":{},"
        "\"io.modelcontextprotocol/clientInfo\":null,\"io.modelcontextprotocol/logLevel\":null,"
        "\"progressToken\":null}}}";
    static const char old[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":null}";

    (void)state;
    site_tool(&site, "said", "echo '{\"content\":[],\"isError\":null,\"_meta\":null}'", "",
              ",\"output\":\"json\"");
    site_load(&site);
    post_send(&p, old, sizeof old - 1);
    expect_result(&p);
    send_old("tools/list", "\"cursor\":null,\"_meta\":null");
    expect_result(&p);
    send_old("tools/call", "\"name\":\"whoami\",\"arguments\":null");
    expect_result(&p);
    assert_false(tool_failed(&p));
    post_modern(
        &p, "tools/call", "said",
        "\"name\":\"said\",\"arguments\":null,\"inputResponses\":null,\"requestState\":null");
    expect_result(&p);
    assert_false(tool_failed(&p));
    post_header(&p, "HTTP_MCP_METHOD=tools/list");
    post_send(&p, meta, sizeof meta - 1);
    expect_result(&p);
}

static void a_program_is_told_who_calls(void **state) {
    (void)state;
    site_tool(&site, "show", "cat", "", "");
    site_tool(&site, "env", "/usr/bin/env | grep -v -e ^PWD -e ^_ -e ^SHLVL | sort; pwd", "", "");
    site_load(&site);
    call("show", "\"x\":[1,{\"y\":null}]");
    expect_result(&p);
    assert_string_equal(tool_text(&p, 0),
                        "{\"tool\":\"show\",\"arguments\":{\"x\":[1,{\"y\":null}]},"
                        "\"caller\":{\"sub\":\"user-1\",\"username\":\"alice\","
                        "\"client_id\":\"app-1\",\"scopes\":[\"openid\",\"mcp-server/tools\"]},"
                        "\"clientCapabilities\":{}}");
    send_old("tools/call", "\"name\":\"show\"");
    assert_non_null(strstr(tool_text(&p, 0), "\"arguments\":{}"));
    call("env", "");
    assert_string_equal(tool_text(&p, 0),
                        arena_printf(p.arena,
                                     "LANG=C.UTF-8\nMCP_REQUEST_ID=req-1\nMCP_TOOL=env\n"
                                     "PATH=/usr/local/bin:/usr/bin:/bin\n%s\n",
                                     site.dir));
}

static void arguments_of_the_command_are_passed(void **state) {
    (void)state;
    site_file(&site, "args.sh", "#!/bin/sh\nprintf '[%s]' \"$@\"\n", 0755);
    site_file(&site, "args.json",
              "{\"name\":\"args\",\"inputSchema\":{\"type\":\"object\"},"
              "\"run\":{\"command\":[\"args.sh\",\"a b\",\"\",\"$HOME\"]}}",
              0644);
    site_load(&site);
    call("args", "");
    assert_string_equal(tool_text(&p, 0), "[a b][][$HOME]");
}

static void failures_are_told_in_sentences(void **state) {
    (void)state;
    site_tool(&site, "hang", "sleep 60", "", ",\"timeout_ms\":200");
    site_tool(&site, "flood", "yes", "", ",\"max_output_bytes\":1000");
    site_tool(&site, "crash", "kill -SEGV $$", "", "");
    site_tool(&site, "fail", "echo 'No such city.'; exit 3", "", "");
    site_tool(&site, "latin", "printf '\\351'", "", "");
    site_tool(&site, "surrogate", "printf '\\355\\240\\200'", "", "");
    site_tool(&site, "cut", "printf 'a\\342\\202'", "", "");
    site_tool(&site, "gone", "rm gone.sh", "", "");
    site_load(&site);
    call("hang", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool did not finish within 200 ms and was stopped.");
    call("flood", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool printed more than 1000 bytes and was stopped.");
    call("crash", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool was ended by signal 11 (SIGSEGV).");
    call("fail", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "No such city.\n");
    assert_string_equal(tool_text(&p, 1), "The tool ended with exit status 3.");
    call("latin", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool's output is not valid UTF-8 text.");
    call("surrogate", "");
    assert_true(tool_failed(&p));
    call("cut", "");
    assert_true(tool_failed(&p));
    call("gone", "");
    assert_false(tool_failed(&p));
    call("gone", "");
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "The tool could not be started.");
    expect_result(&p);
}

static void text_is_passed_on_as_it_is(void **state) {
    (void)state;
    site_tool(&site, "utf", "printf 'gr\\303\\274n \\360\\237\\214\\215\\n\\001'", "", "");
    site_tool(&site, "silent", ":", "", "");
    site_load(&site);
    call("utf", "");
    assert_false(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "grün 🌍\n\x01");
    call("silent", "");
    assert_false(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0), "");
}

#define JSON ",\"output\":\"json\""

static void json_becomes_structured_content(void **state) {
    (void)state;
    site_tool(&site, "object", "echo '{\"a\": 1}'", ",\"outputSchema\":{\"type\":\"object\"}",
              JSON);
    site_tool(&site, "array", "echo '[1, 2]'", "", JSON);
    site_tool(&site, "nothing", "echo null", "", JSON);
    site_load(&site);
    call("object", "");
    assert_string_equal(json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL),
                        "{\"a\":1}");
    assert_string_equal(tool_text(&p, 0), "{\"a\":1}");
    call("array", "");
    assert_true(json_is_array(json_get(post_result(&p), "structuredContent")));
    send_old("tools/call", "\"name\":\"array\""); /* there, only objects */
    assert_false(json_has(post_result(&p), "structuredContent"));
    assert_string_equal(tool_text(&p, 0), "[1,2]");
    call("nothing", "");
    assert_true(json_has(post_result(&p), "structuredContent"));
    assert_string_equal(tool_text(&p, 0), "null");
    assert_false(tool_failed(&p));
}

static void json_may_be_a_whole_result(void **state) {
    (void)state;
    site_tool(&site, "image",
              "echo '{\"content\":[{\"type\":\"image\",\"data\":\"AA==\","
              "\"mimeType\":\"image/png\"}],\"structuredContent\":{\"n\":1},\"isError\":true,"
              "\"_meta\":{\"example.com/k\":1},\"resultType\":\"input_required\",\"ttlMs\":1}'",
              "", JSON);
    site_load(&site);
    call("image", "");
    expect_result(&p);
    assert_true(tool_failed(&p));
    assert_string_equal(json_get_str(post_result(&p), "resultType"), "complete");
    assert_false(json_has(post_result(&p), "ttlMs"));
    assert_true(json_has(json_get(post_result(&p), "_meta"), "example.com/k"));
    assert_true(json_has(json_get(post_result(&p), "_meta"), "io.modelcontextprotocol/serverInfo"));
    assert_string_equal(json_get_str(json_at(json_get(post_result(&p), "content"), 0), "mimeType"),
                        "image/png");
}

static void json_that_is_none_is_a_failure(void **state) {
    static const char *const cases[] = {"{",
                                        "",
                                        "{} {}",
                                        "{\"content\":{}}",
                                        "{\"content\":[7]}",
                                        "{\"content\":[{}]}",
                                        "{\"content\":[null]}",
                                        "{\"content\":null}",
                                        "{\"content\":[],\"isError\":1}",
                                        "{\"content\":[],\"_meta\":[]}"};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        site_tool(&site, arena_printf(p.arena, "t%zu", i),
                  arena_printf(p.arena, "echo '%s'", cases[i]), "", JSON);
    site_tool(&site, "unkept", "echo '{\"content\":[]}'", ",\"outputSchema\":{\"type\":\"object\"}",
              JSON);
    site_load(&site);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        call(arena_printf(p.arena, "t%zu", i), "");
        expect_result(&p);
        assert_true(tool_failed(&p));
        assert_memory_equal(tool_text(&p, 0), "The tool's output is ", 21);
    }
    call("unkept", "");
    assert_true(tool_failed(&p));
}

/* Standard error, caught while fn runs. */
static const char *log_of(void (*fn)(void)) {
    char path[] = "/tmp/mcp-log-XXXXXX", *text = arena_alloc(p.arena, 65536);
    int fd = mkstemp(path), before = dup(2);

    (void)fflush(stderr);
    (void)dup2(fd, 2);
    fn();
    (void)dup2(before, 2);
    assert_true(pread(fd, text, 65535, 0) >= 0);
    (void)close(fd);
    (void)close(before);
    (void)unlink(path);
    return text;
}

static void call_noisy(void) {
    call("noisy", "\"password\":\"hunter2\"");
}

static void the_audit_line_has_no_arguments(void **state) {
    const char *log;

    (void)state;
    site_tool(&site, "noisy", "echo 'went wrong' >&2; echo quiet; exit 2", "", "");
    site_load(&site);
    log = log_of(call_noisy);
    assert_non_null(strstr(log, "event=tool_call request=req-1 tool=noisy sub=user-1 "
                                "client_id=app-1 outcome=exit_status ms="));
    assert_non_null(strstr(log, "event=tool_stderr request=req-1 tool=noisy "
                                "text=\"went wrong"));
    assert_null(strstr(log, "hunter2"));
    assert_null(strstr(log, "quiet"));
    assert_null(strstr(p.reply.body, "went wrong"));
}

static void a_large_result_arrives_whole(void **state) {
    (void)state;
    site_tool(&site, "large", "head -c 1048576 /dev/zero", "", ",\"max_output_bytes\":1048576");
    site_load(&site);
    call("large", "");
    expect_result(&p);
    assert_false(tool_failed(&p));
    assert_true(p.reply.body_len > 6 * 1048576); /* \u0000 each */
}

/* Lines on the way, and results that are taken back, need no memory once they were read. */
static void a_program_may_say_any_number_of_lines(void **state) {
    (void)state;
    site_tool(&site, "talker",
              "yes '{\"progress\":{\"progress\":1},\"log\":{\"level\":\"info\",\"data\":1},"
              "\"result\":{\"n\":1}}' | head -n 20000\necho '{\"result\":{\"n\":2}}'",
              "", ",\"output\":\"stream\"");
    site_load(&site);
    arena_free(p.arena);
    p.arena = arena_new((size_t)1 << 20);
    call("talker", "");
    expect_result(&p);
    assert_string_equal(json_text(p.arena, json_get(post_result(&p), "structuredContent"), NULL),
                        "{\"n\":2}");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, site_begin, site_end)
    const struct CMUnitTest tests[] = {
        T(whoami_says_what_the_token_says),
        T(echo_returns_its_text),
        T(a_program_may_say_any_number_of_lines),
        T(calls_that_are_malformed),
        T(null_is_absent),
        T(arguments_of_the_command_are_passed),
        T(a_program_is_told_who_calls),
        T(arguments_of_the_command_are_passed),
        T(failures_are_told_in_sentences),
        T(text_is_passed_on_as_it_is),
        T(json_becomes_structured_content),
        T(json_may_be_a_whole_result),
        T(json_that_is_none_is_a_failure),
        T(the_audit_line_has_no_arguments),
        T(a_large_result_arrives_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

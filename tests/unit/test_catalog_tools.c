/* Manifests, good and bad, and the list that they make. */
#include "unit.h"

#include "catalog/tools.h"
#include "mcp_fixture.h"

static char *problems;
static unsigned bad;

static int end(void **state) {
    free(problems);
    problems = NULL;
    return site_end(state);
}

static void load(void) {
    size_t len;
    FILE *f = open_memstream(&problems, &len);
    struct catalog *catalog = catalog_new(&site.config, &executor_sources);

    bad = 0;
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++)
        bad += catalog_load(catalog, kind, f);
    site.mcp.catalog = catalog;
    (void)fclose(f);
}

static void send_old(const char *method, const char *params) {
    post_header(&p, "HTTP_MCP_PROTOCOL_VERSION");
    post_old(&p, method, params);
}

/* Loads a directory with this one manifest, which is bad, and says why. */
static void expect_bad(const char *manifest, const char *why) {
    site_file(&site, "prog.sh", "#!/bin/sh\n", 0755);
    site_file(&site, "plain.txt", "x", 0644);
    site_file(&site, "bad.json", manifest, 0644);
    load();
    if (bad != 1 || !strstr(problems, why) || !strstr(problems, "/bad.json:"))
        fail_msg("%s: %u problems: %s", manifest, bad, problems);
    catalog_free(site.mcp.catalog);
    site.mcp.catalog = NULL;
    free(problems);
    problems = NULL;
}

#define NAME "\"name\":\"t\","
#define SCHEMA "\"inputSchema\":{\"type\":\"object\"},"
#define RUN "\"run\":{\"command\":[\"./prog.sh\"]}"

static void bad_manifests_are_reported(void **state) {
    static const struct {
        const char *manifest, *why;
    } cases[] = {
        {"", "/bad.json:1:1: not valid JSON"},
        {"{", "/bad.json:1:2: not valid JSON"},
        {"[]", "a manifest must be a JSON object"},
        {"null", "a manifest must be a JSON object"},
        {"{" SCHEMA RUN "}", "name must be"},
        {"{\"name\":\"\"," SCHEMA RUN "}", "name must be"},
        {"{\"name\":\"a b\"," SCHEMA RUN "}", "name must be"},
        {"{\"name\":\"\\u00e9\"," SCHEMA RUN "}", "name must be"},
        {"{\"name\":7," SCHEMA RUN "}", "name must be"},
        {"{\"name\":\"echo\"," SCHEMA RUN "}", "taken by a built-in tool"},
        {"{" NAME RUN "}", "inputSchema must be"},
        {"{" NAME "\"inputSchema\":true," RUN "}", "inputSchema must be"},
        {"{" NAME "\"inputSchema\":{}," RUN "}", "inputSchema must be"},
        {"{" NAME "\"inputSchema\":{\"type\":\"string\"}," RUN "}", "inputSchema must be"},
        {"{" NAME SCHEMA "\"titel\":\"x\"," RUN "}",
         "unknown member \"titel\"; did you mean title?"},
        {"{" NAME SCHEMA "\"title\":7," RUN "}", "title must be a string"},
        {"{" NAME SCHEMA "\"annotations\":[]," RUN "}", "annotations must be an object"},
        {"{" NAME SCHEMA "\"icons\":{}," RUN "}", "icons must be an array"},
        {"{" NAME "\"inputSchema\":{\"type\":\"object\"}}", "run must be an object"},
        {"{" NAME SCHEMA "\"run\":\"./prog.sh\"}", "run must be an object"},
        {"{" NAME SCHEMA "\"run\":{}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[]}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":\"./prog.sh\"}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"\"]}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\",7]}}", "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\",\"a\\u0000b\"]}}",
         "run.command must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./none\"]}}", "./none: No such file"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./plain.txt\"]}}", "not an executable file"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"/tmp\"]}}", "not an executable file"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"timeout\":1}}",
         "unknown member \"timeout\" in run"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"timeout_ms\":0}}",
         "run.timeout_ms must be an integer from 1 to 120000"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"timeout_ms\":120001}}",
         "run.timeout_ms must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"timeout_ms\":\"1\"}}",
         "run.timeout_ms must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"max_output_bytes\":1048577}}",
         "run.max_output_bytes must be an integer from 1 to 1048576"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"truncate_output\":1}}",
         "run.truncate_output must be true or false"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"truncate_output\":true,"
         "\"output\":\"json\"}}",
         "run.truncate_output needs \"output\": \"text\""},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"output\":\"xml\"}}",
         "run.output must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"output\":null}}",
         "run.output must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"scopes\":\"a\"}}",
         "run.scopes must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"scopes\":[\"a b\"]}}",
         "run.scopes must be"},
        {"{" NAME SCHEMA "\"run\":{\"command\":[\"./prog.sh\"],\"scopes\":[\"a\\\"\"]}}",
         "run.scopes must be"},
        {"{" NAME SCHEMA "\"outputSchema\":{\"type\":\"object\"}," RUN "}",
         "outputSchema needs \"output\": \"json\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_bad(cases[i].manifest, cases[i].why);
}

#define PROPERTY(p) "{" NAME "\"inputSchema\":{\"type\":\"object\"," p "}," RUN "}"

static void bad_header_annotations_are_reported(void **state) {
    static const char *const cases[] = {
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":7}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":null}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"a b\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"a\\r\\nb\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"number\",\"x-mcp-header\":\"A\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"x-mcp-header\":\"A\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"object\",\"x-mcp-header\":\"A\"}}"),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\"},"
                 "\"b\":{\"type\":\"string\",\"x-mcp-header\":\"a\"}}"),
        PROPERTY("\"x-mcp-header\":\"A\""),
        PROPERTY("\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":\"string\","
                 "\"x-mcp-header\":\"A\"}}}"),
        PROPERTY("\"anyOf\":[{\"properties\":{\"a\":{\"type\":\"string\","
                 "\"x-mcp-header\":\"A\"}}}]"),
        PROPERTY("\"$defs\":{\"properties\":{\"type\":\"string\",\"x-mcp-header\":\"A\"}}"),
        PROPERTY("\"if\":{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\"}}}"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_bad(cases[i], "x-mcp-header");
}

/* What the kernel would refuse to start is found before. */
static void programs_that_cannot_start_are_reported(void **state) {
    static const struct {
        const char *program, *why;
    } cases[] = {
        {"#!/bin/sh\r\necho x\r\n",
         "./script: its lines end in CRLF, as on Windows: save it with LF"},
        {"#!/usr/bin/env sh\r\necho x\r\n", "its lines end in CRLF"},
        {"#!/nonexistent/sh\necho x\n", "its interpreter /nonexistent/sh: No such file"},
        {"#!/etc/passwd\n", "its interpreter /etc/passwd: Permission denied"},
        {"#! /usr/bin/env  no-such-program -x\n", "its interpreter no-such-program is not in PATH"},
        {"#!\necho x\n", "there is no interpreter after its #!"},
        {"#!sh\n", "its interpreter sh must be an absolute path"},
        {"\xef\xbb\xbf#!/bin/sh\necho x\n", "a byte order mark stands before its #!"},
        {"echo x\n", "it does not begin with a line such as #!/bin/sh"},
        {"", "it is empty"},
    };
    static const char *const good[] = {"#!/bin/sh\necho x\n",       "#!/bin/sh",
                                       "#! /bin/sh -e\n",           "#!/usr/bin/env sh\n",
                                       "#!/usr/bin/env -S sh -e\n", "#!/usr/bin/env A=1 sh\n"};
    static const char manifest[] = "{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\"},\"run\":{"
                                   "\"command\":[\"./script\"]}}";

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        site_file(&site, "script", cases[i].program, 0755);
        expect_bad(manifest, cases[i].why);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        site_file(&site, "script", good[i], 0755);
        site_file(&site, "bad.json", manifest, 0644);
        load();
        if (bad)
            fail_msg("%s: %s", good[i], problems);
        catalog_free(site.mcp.catalog);
        site.mcp.catalog = NULL;
        free(problems);
        problems = NULL;
    }
}

static void a_bad_manifest_does_not_stop_the_others(void **state) {
    (void)state;
    site_tool(&site, "zebra", "echo z", "", "");
    site_tool(&site, "apple", "echo a", "", "");
    site_file(&site, "broken.json", "{", 0644);
    site_file(&site, "twin.json",
              "{\"name\":\"apple\",\"inputSchema\":{\"type\":\"object\"},"
              "\"run\":{\"command\":[\"./apple.sh\"]}}",
              0644);
    site_file(&site, ".hidden.json", "{", 0644);
    site_file(&site, "readme.txt", "{", 0644);
    load();
    assert_int_equal(bad, 2);
    assert_non_null(strstr(problems, "/broken.json:1:2: not valid JSON: it ends too early"));
    assert_non_null(strstr(problems, "/twin.json: the name apple is taken by apple.json"));
    post_modern(&p, "tools/list", NULL, "");
    expect_result(&p);
    assert_int_equal(json_len(json_get(post_result(&p), "tools")), 4);
}

static void without_a_directory_the_built_in_tools_are_there(void **state) {
    (void)state;
    site.config.tools_dir = "/nonexistent/tools.d";
    load();
    assert_int_equal(bad, 1);
    assert_string_equal(problems, "/nonexistent/tools.d: No such file or directory\n");
    send_old("tools/list", "");
    assert_int_equal(json_len(json_get(post_result(&p), "tools")), 2);
}

static const char *listed(size_t i) {
    return json_get_str(json_at(json_get(post_result(&p), "tools"), i), "name");
}

static void the_list_is_in_order_and_says_no_more_than_it_should(void **state) {
    const char *first;
    struct json *tool;

    (void)state;
    site_tool(&site, "zebra", "echo z",
              ",\"title\":\"Z\",\"description\":\"d\",\"annotations\":{\"readOnlyHint\":true}", "");
    site_tool(&site, "Apple", "echo a", ",\"outputSchema\":{\"type\":\"array\"}",
              ",\"output\":\"json\"");
    load();
    assert_int_equal(bad, 0);
    post_modern(&p, "tools/list", NULL, "");
    expect_result(&p);
    first = p.reply.body;
    assert_string_equal(listed(0), "Apple");
    assert_string_equal(listed(1), "echo");
    assert_string_equal(listed(2), "whoami");
    assert_string_equal(listed(3), "zebra");
    assert_null(strstr(p.reply.body, "\"run\""));
    assert_null(strstr(p.reply.body, site.dir));
    tool = json_at(json_get(post_result(&p), "tools"), 3);
    assert_string_equal(json_text(p.arena, tool, NULL),
                        "{\"name\":\"zebra\",\"inputSchema\":{\"type\":\"object\",\"properties\":{}"
                        "},\"title\":\"Z\","
                        "\"description\":\"d\",\"annotations\":{\"readOnlyHint\":true}}");
    assert_true(json_has(post_result(&p), "ttlMs"));
    assert_string_equal(json_get_str(post_result(&p), "cacheScope"), "private");
    assert_true(json_has(json_at(json_get(post_result(&p), "tools"), 0), "outputSchema"));
    post_modern(&p, "tools/list", NULL, "");
    assert_string_equal(first, p.reply.body);
    /* Clients of the handshake revisions would refuse an outputSchema of an array. */
    send_old("tools/list", "");
    expect_result(&p);
    assert_false(json_has(post_result(&p), "ttlMs"));
    assert_false(json_has(json_at(json_get(post_result(&p), "tools"), 0), "outputSchema"));
    assert_true(json_has(json_at(json_get(post_result(&p), "tools"), 2), "outputSchema"));
}

/* A tool whose definition has about so many bytes. */
static void large_tool(const char *name, size_t bytes) {
    char *text = arena_alloc(p.arena, bytes + 1);

    memset(text, 'd', bytes);
    text[bytes] = 0;
    site_file(&site, arena_printf(p.arena, "%s.sh", name), "#!/bin/sh\n", 0755);
    site_file(&site, arena_printf(p.arena, "%s.json", name),
              arena_printf(
                  p.arena,
                  "{\"name\":\"%s\",\"description\":\"%s\",\"inputSchema\":{\"type\":\"object\"},"
                  "\"run\":{\"command\":[\"./%s.sh\"]}}",
                  name, text, name),
              0644);
}

static void all_tools_are_on_the_first_page(void **state) {
    (void)state;
    for (int i = 0; i < (int)tool_kind.max - 2; i++)
        site_tool(&site, arena_printf(p.arena, "t%03d", i), "", "", "");
    load();
    post_modern(&p, "tools/list", NULL, "");
    assert_int_equal(json_len(json_get(post_result(&p), "tools")), (int)tool_kind.max);
    assert_null(json_get(post_result(&p), "nextCursor"));
}

static void a_list_that_is_too_long_comes_in_pages(void **state) {
    static const char *const wrong[] = {"abc", "", "!", "YWZ0ZXI"};
    const size_t each = 60000;
    const char *cursor;
    size_t seen = 0, pages = 0;

    (void)state;
    for (int i = 0; i < 150; i++)
        large_tool(arena_printf(p.arena, "t%03d", i), each);
    load();
    assert_int_equal(bad, 0);
    post_modern(&p, "tools/list", NULL, "");
    for (;;) {
        const struct json *tools = json_get(post_result(&p), "tools");

        pages++;
        seen += json_len(tools);
        assert_true(p.reply.body_len < LIST_PAGE_BYTES_MAX + 1000);
        cursor = json_get_str(post_result(&p), "nextCursor");
        if (!cursor)
            break;
        assert_true(p.reply.body_len > LIST_PAGE_BYTES_MAX - each - 1000);
        post_modern(&p, "tools/list", NULL, arena_printf(p.arena, "\"cursor\":\"%s\"", cursor));
        expect_result(&p);
    }
    assert_int_equal(pages, 3);
    assert_int_equal(seen, 152); /* with echo and whoami */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        post_modern(&p, "tools/list", NULL, arena_printf(p.arena, "\"cursor\":\"%s\"", wrong[i]));
        expect_error(&p, 200, -32602);
    }
    post_modern(&p, "tools/list", NULL, "\"cursor\":7");
    expect_error(&p, 200, -32602);
}

/* What model APIs refuse is told to the admin, who can do something about it. */
static void advice(void **state) {
    char *text = NULL;
    size_t len;
    FILE *f;

    (void)state;
#define SCHEMA_WITH(more) "\"inputSchema\":{\"type\":\"object\"" more "},"
    site_file(&site, "run.sh", "#!/bin/sh\n", 0755);
#define RUN_TRUE "\"run\":{\"command\":[\"./run.sh\"]}}"
    site_file(&site, "a.json",
              "{\"name\":\"good_1-A\",\"description\":\"d\"," SCHEMA_WITH("") RUN_TRUE, 0644);
    site_file(&site, "b.json",
              "{\"name\":\"has.dot\",\"description\":\"d\"," SCHEMA_WITH("") RUN_TRUE, 0644);
    site_file(&site, "c.json",
              "{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\","
              "\"description\":\"d\"," SCHEMA_WITH("") RUN_TRUE,
              0644);
    site_file(&site, "d.json",
              "{\"name\":\"01234567890123456789012345678901234567890123456789012345678901234\","
              "\"description\":\"d\"," SCHEMA_WITH("") RUN_TRUE,
              0644);
    site_file(&site, "e.json",
              "{\"name\":\"e\"," SCHEMA_WITH(
                  ",\"anyOf\":[{}],\"properties\":{\"a\":{\"oneOf\":[{}]}}") RUN_TRUE,
              0644);
    load();
    assert_int_equal(bad, 0);
    f = open_memstream(&text, &len);
    assert_non_null(f);
    site.config.tools_dir = "/dir";
    catalog_advise(site.mcp.catalog, CATALOG_TOOLS, f);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(
        text,
        "/dir/d.json: warning: some clients refuse a name of more than 64 bytes "
        "(01234567890123456789012345678901234567890123456789012345678901234)\n"
        "/dir/e.json: warning: there is no description, by which models choose a tool; some "
        "clients leave it out\n"
        "/dir/e.json: warning: some model APIs refuse an inputSchema with anyOf at its top; put "
        "it below properties\n"
        "/dir/b.json: warning: some clients refuse a name with a dot (has.dot)\n");
    free(text);
}

/* A call of 2026-07-28. `arguments` are its members. */
static void call(const char *tool, const char *arguments) {
    post_modern(&p, "tools/call", tool,
                arena_printf(p.arena, "\"name\":\"%s\",\"arguments\":{%s}", tool, arguments));
}

/* `make` runs the tests from the top of the tree. */
static void the_examples_load(void **state) {
    (void)state;
    assert_int_equal(access("share/tools.d", R_OK), 0);
    site.config.tools_dir = "share/tools.d";
    load();
    if (bad)
        fail_msg("%s", problems);
    call("disk_usage", "");
    expect_result(&p);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, site_begin, end)
    const struct CMUnitTest tests[] = {
        T(bad_manifests_are_reported),
        T(bad_header_annotations_are_reported),
        T(programs_that_cannot_start_are_reported),
        T(a_bad_manifest_does_not_stop_the_others),
        T(without_a_directory_the_built_in_tools_are_there),
        T(the_list_is_in_order_and_says_no_more_than_it_should),
        T(all_tools_are_on_the_first_page),
        T(a_list_that_is_too_long_comes_in_pages),
        T(advice),
        T(the_examples_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tools and their schemas: what is refused when manifests load, what a call answers to wrong
 * arguments and to a wrong result. */
#include "unit.h"

#include "catalog/catalog.h"
#include "mcp_fixture.h"
#include "runner_fixture.h"

#define OLD "HTTP_MCP_PROTOCOL_VERSION="
#define NUMBER_TOOL                                                                                \
    "{\"name\":\"number\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":"   \
    "\"#/$defs/n\"}},\"required\":[\"n\"],\"additionalProperties\":false,\"$defs\":{\"n\":{"       \
    "\"type\":\"integer\",\"minimum\":1}}},\"run\":{\"command\":[\"./number.sh\"]}}"

static int start(void **state) {
    site_init(&site);
    site_file(&site, "number.sh", "#!/bin/sh\ntouch ran\necho done\n", 0755);
    site_file(&site, "number.json", NUMBER_TOOL, 0644);
    site_tool(&site, "output", "printf '%s' '{\"n\": \"one\"}'",
              ",\"outputSchema\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":"
              "\"integer\"}}}",
              ",\"output\":\"json\"");
    site_tool(&site, "failing", "echo '{\"content\":[],\"structuredContent\":7,\"isError\":true}'",
              ",\"outputSchema\":{\"type\":\"object\"}", ",\"output\":\"json\"");
    site_tool(&site, "slow", "echo never", ",\"title\":\"\"", "");
    site_file(&site, "slow.json",
              "{\"name\":\"slow\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"s\":{"
              "\"pattern\":\"(a+)+$\"}}},\"run\":{\"command\":[\"./slow.sh\"]}}",
              0644);
    site_load(&site);
    return post_begin(state);
}

static bool has_run(void) {
    char path[128];

    (void)snprintf(path, sizeof path, "%s/ran", site.dir);
    return !access(path, F_OK);
}

static void call(const char *name, const char *arguments) {
    post_modern(&p, "tools/call", name,
                arena_printf(p.arena, "\"name\":\"%s\",\"arguments\":%s", name, arguments));
}

static void wrong_arguments_are_a_result_with_place_and_reason(void **state) {
    static const struct {
        const char *arguments, *text;
    } rows[] = {
        {"{}", "Invalid arguments: must have the property \"n\" (inputSchema #/required)."},
        {"{\"n\":\"1\"}", "Invalid arguments: /n must be an integer (inputSchema #/$defs/n/type)."},
        {"{\"n\":0}", "Invalid arguments: /n must be at least 1 (inputSchema #/$defs/n/minimum)."},
        {"{\"n\":1,\"m\":2}", "Invalid arguments: /m is not a known property (inputSchema "
                              "#/additionalProperties)."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        call("number", rows[i].arguments);
        expect_result(&p);
        assert_true(tool_failed(&p));
        assert_string_equal(tool_text(&p, 0), rows[i].text);
        assert_false(has_run());
    }
    call("number", "{\"n\":1.0}");
    expect_result(&p);
    assert_false(tool_failed(&p));
    assert_true(has_run());
}

/* "Error Handling" of 2025-06-18 and 2025-03-26 counts them among the protocol errors. */
static void in_each_revision_as_it_says(void **state) {
    static const struct {
        const char *version;
        bool is_result;
    } rows[] = {{"2025-11-25", true}, {"2025-06-18", false}, {"2025-03-26", false}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        post_header(&p, arena_printf(p.arena, OLD "%s", rows[i].version));
        post_old(&p, "tools/call", "\"name\":\"number\",\"arguments\":{\"n\":true}");
        if (rows[i].is_result) {
            expect_result(&p);
            assert_true(tool_failed(&p));
            continue;
        }
        assert_int_equal(post_error(&p), -32602);
        assert_string_equal(
            json_get_str(json_get(p.body, "error"), "message"),
            "Invalid arguments: /n must be an integer (inputSchema #/$defs/n/type)");
    }
    assert_false(has_run());
}

static void built_in_tools_have_schemas_too(void **state) {
    (void)state;
    call("echo", "{\"text\":1}");
    assert_true(tool_failed(&p));
    assert_string_equal(
        tool_text(&p, 0),
        "Invalid arguments: /text must be a string (inputSchema #/properties/text/type).");
    call("echo", "{}");
    assert_true(tool_failed(&p));
    call("whoami", "{}");
    assert_false(tool_failed(&p));
}

static void a_result_keeps_what_the_output_schema_promises(void **state) {
    (void)state;
    call("output", "{}");
    expect_result(&p);
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0),
                        "The tool's result does not match its outputSchema: /n must be an "
                        "integer (outputSchema #/properties/n/type).");
    assert_false(json_has(post_result(&p), "structuredContent"));
    call("failing", "{}"); /* an error promises nothing */
    assert_true(tool_failed(&p));
    assert_true(json_has(post_result(&p), "structuredContent"));
}

static void a_bound_is_an_answer(void **state) {
    (void)state;
    call("slow", "{\"s\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}");
    expect_result(&p);
    assert_true(tool_failed(&p));
    assert_string_equal(tool_text(&p, 0),
                        "Invalid arguments: /s takes too long to match against the pattern "
                        "(a+)+$ (inputSchema #/properties/s/pattern).");
}

static void bad_schemas_are_reported_and_the_others_load(void **state) {
    static const char *const lines[] = {
        "a.json: inputSchema #/properties/x/type: must be a type or an array of different types",
        "b.json: inputSchema #/properties/x/$ref: refers to what is not in this document",
        "c.json: outputSchema #/$schema: the dialect \"urn:other\" is not supported"};
    struct catalog *set = catalog_new(&site.config, &executor_sources);
    char *text = NULL;
    size_t len = 0;
    FILE *problems = open_memstream(&text, &len);
    unsigned bad;

    (void)state;
    site_file(&site, "a.json",
              "{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"x\":{"
              "\"type\":\"any\"}}},\"run\":{\"command\":[\"./number.sh\"]}}",
              0644);
    site_file(&site, "b.json",
              "{\"name\":\"b\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"x\":{"
              "\"$ref\":\"http://127.0.0.1/x\"}}},\"run\":{\"command\":[\"./number.sh\"]}}",
              0644);
    site_file(&site, "c.json",
              "{\"name\":\"c\",\"inputSchema\":{\"type\":\"object\"},\"outputSchema\":{\"$schema\":"
              "\"urn:other\"},\"run\":{\"command\":[\"./number.sh\"],\"output\":\"json\"}}",
              0644);
    bad = catalog_load(set, CATALOG_TOOLS, problems);
    (void)fclose(problems);
    assert_int_equal(bad, 3);
    for (size_t i = 0; i < 3; i++)
        if (!strstr(text, lines[i]))
            fail_msg("%s does not stand in:\n%s", lines[i], text);
    assert_null(catalog_tool(set, "a"));
    assert_non_null(catalog_tool(set, "number"));
    free(text);
    catalog_free(set);
}

#define WITH_SITE(fn) cmocka_unit_test_setup_teardown(fn, start, site_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SITE(wrong_arguments_are_a_result_with_place_and_reason),
        WITH_SITE(in_each_revision_as_it_says),
        WITH_SITE(built_in_tools_have_schemas_too),
        WITH_SITE(a_result_keeps_what_the_output_schema_promises),
        WITH_SITE(a_bound_is_an_answer),
        WITH_SITE(bad_schemas_are_reported_and_the_others_load),
    };

    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}

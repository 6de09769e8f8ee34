/* LIST_FORBIDDEN=no: lists without entries that the caller may not use. */
#include "unit.h"

#include "mcp_fixture.h"

static int begin(void **state) {
    int rc = site_begin(state);

    site.config.list_forbidden = false;
    return rc;
}

/* The values of `key` in the list, one after the other. */
static const char *listed(const char *method, const char *member, const char *key) {
    const char *all = "";
    const struct json *list;

    post_modern(&p, method, NULL, "");
    expect_result(&p);
    list = json_get(post_result(&p), member);
    for (size_t i = 0; i < json_len(list); i++)
        all = arena_printf(p.arena, "%s%s ", all, json_get_str(json_at(list, i), key));
    return all;
}

#define LARGE 60000 /* bytes of a long description */

static void as_admin(void) {
    post_header(&p, "HTTP_AUTHORIZATION=Bearer admin.token");
}

static void tools_by_scope(void **state) {
    (void)state;
    site_tool(&site, "all", "", "", "");
    site_tool(&site, "some", "", "", ",\"scopes\":[\"admin\"]");
    site_load(&site);
    assert_string_equal(listed("tools/list", "tools", "name"), "all echo whoami ");
    as_admin();
    assert_string_equal(listed("tools/list", "tools", "name"), "all echo some whoami ");
}

static void everything_unless_said_otherwise(void **state) {
    (void)state;
    site.config.list_forbidden = true;
    site_tool(&site, "some", "", "", ",\"scopes\":[\"admin\"]");
    site_load(&site);
    assert_string_equal(listed("tools/list", "tools", "name"), "echo some whoami ");
}

static void resources_and_prompts_by_scope(void **state) {
    (void)state;
    site.config.tools_dir = "";
    site_file(&site, "open.json", "{\"uri\":\"x://open\",\"name\":\"o\",\"run\":{\"text\":\"t\"}}",
              0644);
    site_file(
        &site, "shut.json",
        "{\"uri\":\"x://shut\",\"name\":\"s\",\"run\":{\"text\":\"t\",\"scopes\":[\"admin\"]}}",
        0644);
    site_file(&site, "template.json",
              "{\"uriTemplate\":\"y://{a}\",\"name\":\"s\",\"run\":{\"text\":\"t\",\"scopes\":["
              "\"admin\"]}}",
              0644);
    site.config.resources_dir = site.dir;
    site_load(&site);
    assert_string_equal(listed("resources/list", "resources", "uri"), "x://open ");
    assert_string_equal(listed("resources/templates/list", "resourceTemplates", "uriTemplate"), "");
    as_admin();
    assert_string_equal(listed("resources/list", "resources", "uri"), "x://open x://shut ");
    assert_string_equal(listed("resources/templates/list", "resourceTemplates", "uriTemplate"),
                        "y://{a} ");
}

static void prompts_by_scope(void **state) {
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"x\"}}]"
    (void)state;
    site.config.tools_dir = "";
    site_file(&site, "a.json", "{\"name\":\"a\",\"run\":{" MESSAGES ",\"scopes\":[\"admin\"]}}",
              0644);
    site_file(&site, "b.json", "{\"name\":\"b\",\"run\":{" MESSAGES "}}", 0644);
    site.config.prompts_dir = site.dir;
    site_load(&site);
    assert_string_equal(listed("prompts/list", "prompts", "name"), "b ");
    as_admin();
    assert_string_equal(listed("prompts/list", "prompts", "name"), "a b ");
}

/* A tool with a long definition. */
static void large_tool(const char *name, const char *run) {
    char text[LARGE + 1];

    memset(text, 'd', LARGE);
    text[LARGE] = 0;
    site_file(&site, arena_printf(p.arena, "%s.json", name),
              arena_printf(
                  p.arena,
                  "{\"name\":\"%s\",\"description\":\"%s\",\"inputSchema\":{\"type\":\"object\"},"
                  "\"run\":{\"command\":[\"/bin/true\"]%s}}",
                  name, text, run),
              0644);
}

/* A page is full, and the last one says so, whatever is left out in between and behind. */
static void pages_of_what_is_shown(void **state) {
    const char *cursor;
    struct json *tools;

    (void)state;
    for (int i = 0; i < 150; i++)
        large_tool(arena_printf(p.arena, "t%03d", i), i % 2 ? ",\"scopes\":[\"admin\"]" : "");
    site_load(&site);
    post_modern(&p, "tools/list", NULL, "");
    tools = json_get(post_result(&p), "tools");
    assert_int_equal(json_len(tools), 70);
    assert_string_equal(json_get_str(json_at(tools, 69), "name"), "t136"); /* with echo */
    cursor = json_get_str(post_result(&p), "nextCursor");
    assert_non_null(cursor);
    post_modern(&p, "tools/list", NULL, arena_printf(p.arena, "\"cursor\":\"%s\"", cursor));
    tools = json_get(post_result(&p), "tools");
    assert_int_equal(json_len(tools), 7); /* t138 to t148, and whoami */
    assert_string_equal(json_get_str(json_at(tools, 0), "name"), "t138");
    assert_null(json_get_str(post_result(&p), "nextCursor"));
}

static void no_page_after_the_last_that_is_shown(void **state) {
    (void)state;
    for (int i = 0; i < 69; i++)
        large_tool(arena_printf(p.arena, "t%03d", i), "");
    for (int i = 0; i < 5; i++)
        large_tool(arena_printf(p.arena, "z%d", i), ",\"scopes\":[\"admin\"]");
    site_load(&site);
    post_modern(&p, "tools/list", NULL, "");
    assert_int_equal(json_len(json_get(post_result(&p), "tools")), 71);
    assert_null(json_get_str(post_result(&p), "nextCursor"));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, site_end)
    const struct CMUnitTest tests[] = {
        T(tools_by_scope),
        T(everything_unless_said_otherwise),
        T(resources_and_prompts_by_scope),
        T(prompts_by_scope),
        T(pages_of_what_is_shown),
        T(no_page_after_the_last_that_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

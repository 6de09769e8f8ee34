/* Directories of manifests as large as they may be, and URI templates. */
#include "unit.h"

#include <time.h>

#include "mcp_fixture.h"

#include "catalog/catalog.h"

#define MANY 2200 /* each is read into a buffer of MANIFEST_BYTES_MAX */

static void many_resources_are_loaded(void **state) {
    char name[32], text[128];

    (void)state;
    site_init(&site);
    site.config.tools_dir = "";
    site.config.resources_dir = site.dir;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "%d.json", i);
        (void)snprintf(text, sizeof text,
                       "{\"uri\":\"x:%d\",\"name\":\"n%d\",\"run\":{\"text\":\"text %d\"}}", i, i,
                       i);
        site_file(&site, name, text, 0644);
    }
    site_load(&site);
    assert_int_equal(site.mcp.catalog->sets[CATALOG_RESOURCES]->count, MANY);
    post_init(&p, &site);
    post_modern(&p, "resources/read", "x:2199", "\"uri\":\"x:2199\"");
    expect_result(&p);
    assert_string_equal(json_get_str(json_at(json_get(post_result(&p), "contents"), 0), "text"),
                        "text 2199");
    arena_free(p.arena);
    site_free(&site);
}

/* A variable becomes a string in JSON, which has no bytes but UTF-8. */
static void a_uri_that_is_not_utf8_when_decoded_is_not_found(void **state) {

    (void)state;
    site_init(&site);
    site.config.tools_dir = "";
    site.config.resources_dir = site.dir;
    site_file(&site, "t.json",
              "{\"uriTemplate\":\"x:{a}\",\"name\":\"n\",\"run\":{\"text\":\"<{{a}}>\"}}", 0644);
    site_load(&site);
    post_init(&p, &site);
    post_modern(&p, "resources/read", "x:%C3%A4", "\"uri\":\"x:%C3%A4\"");
    expect_result(&p);
    assert_string_equal(json_get_str(json_at(json_get(post_result(&p), "contents"), 0), "text"),
                        "<\xc3\xa4>");
    post_modern(&p, "resources/read", "x:%E4", "\"uri\":\"x:%E4\"");
    expect_error(&p, 200, -32602);
    arena_free(p.arena);
    site_free(&site);
}

/* What a prompt becomes with its arguments has a limit as a whole, not for each of its messages. */
static void arguments_that_make_a_prompt_too_long_are_refused(void **state) {
    static const char message[] =
        "{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"{{a}}{{a}}{{a}}\"}}";
    char *manifest, *value;

    (void)state;
    site_init(&site);
    site.config.tools_dir = "";
    site.config.prompts_dir = site.dir;
    manifest = arena_printf(site.arena,
                            "{\"name\":\"p\",\"arguments\":[{\"name\":\"a\"}],\"run\":{"
                            "\"messages\":[%s,%s,%s,%s]}}",
                            message, message, message, message);
    site_file(&site, "p.json", manifest, 0644);
    site_load(&site);
    post_init(&p, &site);
    value = arena_alloc(p.arena, 100001);
    memset(value, 'x', 80000);
    post_modern(&p, "prompts/get", "p",
                arena_printf(p.arena, "\"name\":\"p\",\"arguments\":{\"a\":\"%s\"}", value));
    expect_result(&p);
    memset(value, 'x', 100000);
    post_modern(&p, "prompts/get", "p",
                arena_printf(p.arena, "\"name\":\"p\",\"arguments\":{\"a\":\"%s\"}", value));
    expect_error(&p, 200, -32602);
    arena_free(p.arena);
    site_free(&site);
}

static void a_null_argument_of_a_prompt_is_absent(void **state) {
    (void)state;
    site_init(&site);
    site.config.tools_dir = "";
    site.config.prompts_dir = site.dir;
    site_file(&site, "p.json",
              "{\"name\":\"p\",\"arguments\":[{\"name\":\"a\",\"required\":true},{\"name\":\"b\"}],"
              "\"run\":{"
              "\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"<{{a}}{{"
              "b}}>\"}}]}}",
              0644);
    site_load(&site);
    post_init(&p, &site);
    post_modern(&p, "prompts/get", "p", "\"name\":\"p\",\"arguments\":{\"a\":\"x\",\"b\":null}");
    expect_result(&p);
    assert_non_null(strstr(p.reply.body, "<x>"));
    post_modern(&p, "prompts/get", "p", "\"name\":\"p\",\"arguments\":{\"a\":null}");
    expect_error(&p, 200, -32602);
    arena_free(p.arena);
    site_free(&site);
}

static char *warnings_of(const char *mime) {
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    assert_non_null(f);
    site_file(&site, "r.json",
              arena_printf(site.arena,
                           "{\"uri\":\"ui://x\",\"name\":\"x\",%s\"run\":{\"text\":\"x\"}}", mime),
              0644);
    site_load(&site);
    catalog_warn(site.mcp.catalog, CATALOG_RESOURCES, f);
    assert_int_equal(fclose(f), 0);
    catalog_free(site.mcp.catalog);
    site.mcp.catalog = NULL;
    return text;
}

static void a_page_that_no_client_shows_is_warned_of(void **state) {
    static const char *const wrong[] = {"", "\"mimeType\":\"text/html\",", NULL};
    char *text;

    (void)state;
    site_init(&site);
    site.config.tools_dir = "";
    site.config.resources_dir = site.dir;
    for (const char *const *mime = wrong; *mime; mime++) {
        text = warnings_of(*mime);
        assert_non_null(strstr(text, "/r.json: warning: clients show a ui:// resource only with"));
        free(text);
    }
    text = warnings_of("\"mimeType\":\"text/html;profile=mcp-app\",");
    assert_string_equal(text, "");
    free(text);
    site_free(&site);
}

static void a_fifo_in_place_of_a_manifest_holds_nobody(void **state) {
    char path[200];
    struct catalog *catalog = catalog_new(&site.config, &executor_sources);
    unsigned bad;

    (void)state;
    site_init(&site);
    site.config.tools_dir = site.dir;
    (void)snprintf(path, sizeof path, "%s/fifo.json", site.dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)alarm(60);
    bad = catalog_load(catalog, CATALOG_TOOLS, stderr);
    catalog_free(catalog);
    (void)alarm(0);
    assert_int_equal(bad, 1);
    site_free(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_resources_are_loaded),
        cmocka_unit_test(a_uri_that_is_not_utf8_when_decoded_is_not_found),
        cmocka_unit_test(a_null_argument_of_a_prompt_is_absent),
        cmocka_unit_test(arguments_that_make_a_prompt_too_long_are_refused),
        cmocka_unit_test(a_page_that_no_client_shows_is_warned_of),
        cmocka_unit_test(a_fifo_in_place_of_a_manifest_holds_nobody)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

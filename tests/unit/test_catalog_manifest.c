/* Directories of manifests as large as they may be, and URI templates. */
#include "unit.h"

#include <time.h>

#include "mcp_fixture.h"

#include "catalog/catalog.h"
#include "catalog/resources.h"

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

/* What is put into the folder, and a manifest that is written again in place. */
static void changes_of_manifests_are_seen_without_being_told(void **state) {
    int64_t later_ms = (time(NULL) + 100) * INT64_C(1000);
    const struct timespec at[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) + 200}};
    char path[200];

    (void)state;
    site_init(&site);
    site.config.tools_dir = "";
    site.config.resources_dir = "/nonexistent";
    site.config.prompts_dir = site.dir;
    site_file(&site, "p.json", "{}", 0644);
    assert_true(catalog_has_changed(&site.config, 1000));
    assert_false(catalog_has_changed(&site.config, later_ms));
    (void)snprintf(path, sizeof path, "%s/p.json", site.dir);
    assert_int_equal(utimensat(AT_FDCWD, path, at, 0), 0);
    assert_true(catalog_has_changed(&site.config, later_ms));
    site_free(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_resources_are_loaded),
        cmocka_unit_test(a_uri_that_is_not_utf8_when_decoded_is_not_found),
        cmocka_unit_test(a_null_argument_of_a_prompt_is_absent),
        cmocka_unit_test(arguments_that_make_a_prompt_too_long_are_refused),
        cmocka_unit_test(a_fifo_in_place_of_a_manifest_holds_nobody),
        cmocka_unit_test(changes_of_manifests_are_seen_without_being_told)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

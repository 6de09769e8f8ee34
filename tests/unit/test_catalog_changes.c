/* Manifests that change after they were loaded: what is served then is what a new daemon would
 * serve, whatever has changed in which order. */
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "catalog/tools.h"
#include "mcp_fixture.h"

static struct catalog *catalog;
static char *problems;
static size_t problems_len, seen;
static FILE *out;

static const struct catalog_set *set(void) {
    return catalog->sets[CATALOG_PROMPTS];
}

static int begin(void **state) {
    (void)state;
    site_init(&site);
    site.config.tools_dir = "";
    site.config.prompts_dir = site.dir;
    out = open_memstream(&problems, &problems_len);
    seen = 0;
    catalog = catalog_new(&site.config, &executor_sources);
    return 0;
}

static int end(void **state) {
    (void)state;
    catalog_free(catalog);
    (void)fclose(out);
    free(problems);
    site_free(&site);
    return 0;
}

static const char *path_of(const char *file) {
    return arena_printf(site.arena, "%s/%s", site.dir, file);
}

/* Another file is put in its place, as editors and package managers do. */
static void put(const char *file, const char *name, const char *text) {
    site_file(&site, "new",
              arena_printf(site.arena,
                           "{\"name\":\"%s\",\"run\":{\"messages\":[{\"role\":\"user\",\"content\":"
                           "{\"type\":\"text\",\"text\":\"%s\"}}]}}",
                           name, text),
              0644);
    assert_int_equal(rename(path_of("new"), path_of(file)), 0);
}

static unsigned load(void) {
    return catalog_load(catalog, CATALOG_PROMPTS, out);
}

static void update(const char *file) {
    catalog_update(catalog, CATALOG_PROMPTS, file, INT64_MAX, out);
}

/* What has been reported since the last time. */
static const char *reported(void) {
    const char *text;

    (void)fflush(out);
    text = arena_strdup(site.arena, problems + seen);
    seen = problems_len;
    return text;
}

/* Each entry with its file and content. */
static const char *contents(const struct catalog *c) {
    const struct list *l = &c->sets[CATALOG_PROMPTS]->lists[0];
    struct buf b;

    buf_init(&b, site.arena, 1 << 20);
    for (size_t i = 0; i < l->count; i++) {
        const struct prompt *prompt = (const struct prompt *)l->entries[i];

        assert_ptr_equal(catalog_prompt(c, prompt->entry.key), prompt);
        buf_addf(&b, "%s %s %s\n", prompt->entry.key, prompt->entry.file,
                 json_text(site.arena, prompt->messages, NULL));
    }
    return b.p;
}

static const char *first_page(struct catalog *c, struct arena *a) {
    const struct list_query query = {.protocol = PROTOCOL_STATELESS};
    struct text page;

    assert_true(list_page(&c->sets[CATALOG_PROMPTS]->lists[0], &query, a, &page));
    return arena_strndup(a, page.p, page.len);
}

/* As a daemon that starts now would have it. */
static void expect_as_new(void) {
    struct catalog *fresh = catalog_new(&site.config, &executor_sources);
    FILE *none = fopen("/dev/null", "w");

    assert_non_null(none);
    (void)catalog_load(fresh, CATALOG_PROMPTS, none);
    assert_string_equal(contents(catalog), contents(fresh));
    assert_string_equal(first_page(catalog, site.arena), first_page(fresh, site.arena));
    assert_int_equal(set()->count, fresh->sets[CATALOG_PROMPTS]->count);
    catalog_free(fresh);
    (void)fclose(none);
}

static void a_changed_manifest_is_read_alone(void **state) {
    const struct entry *a;

    (void)state;
    put("a.json", "a", "1");
    put("b.json", "b", "1");
    assert_int_equal(load(), 0);
    a = catalog_set_find(set(), "a");
    put("b.json", "b", "2");
    update("b.json");
    assert_ptr_equal(catalog_set_find(set(), "a"), a);
    expect_as_new();
    put("a.json", "c", "1");
    update(NULL);
    assert_null(catalog_set_find(set(), "a"));
    assert_non_null(catalog_set_find(set(), "c"));
    expect_as_new();
}

/* Only after some time can the same times of a file mean the same content. */
static void settle(const char *file) {
    struct stat st;
    struct file_version v;

    do {
        assert_int_equal(stat(path_of(file), &st), 0);
        v = file_version_of(&st);
        (void)usleep(5000);
    } while (!v.inode);
}

static void what_has_not_changed_is_not_read_again(void **state) {
    const struct entry *a;

    (void)state;
    put("a.json", "a", "1");
    settle("a.json");
    assert_int_equal(load(), 0);
    a = catalog_set_find(set(), "a");
    put("b.json", "b", "1");
    update(NULL);
    assert_ptr_equal(catalog_set_find(set(), "a"), a);
    expect_as_new();
    assert_int_equal(unlink(path_of("b.json")), 0);
    update(NULL);
    assert_null(catalog_set_find(set(), "b"));
    assert_ptr_equal(catalog_set_find(set(), "a"), a);
}

static void a_file_that_is_written_in_place_at_once_is_read(void **state) {
    (void)state;
    put("a.json", "a", "1");
    assert_int_equal(load(), 0);
    site_file(&site, "a.json", "{\"name\":\"a\",\"run\":{}}", 0644);
    update(NULL);
    assert_null(catalog_set_find(set(), "a"));
    assert_non_null(strstr(reported(), "/a.json: run must have either command or messages"));
    expect_as_new();
}

static void a_wrong_manifest_keeps_out_itself_alone_and_is_reported_once(void **state) {
    (void)state;
    put("a.json", "a", "1");
    site_file(&site, "wrong.json", "{\"name\":\"w\"}", 0644);
    assert_int_equal(load(), 1);
    assert_non_null(strstr(reported(), "/wrong.json: "));
    put("a.json", "a", "2");
    update("a.json");
    assert_string_equal(reported(), "");
    put("wrong.json", "w", "1");
    update("wrong.json");
    assert_non_null(catalog_set_find(set(), "w"));
    assert_string_equal(reported(), "");
    expect_as_new();
}

static void of_two_with_one_name_the_first_file_is_served(void **state) {
    (void)state;
    put("b.json", "x", "b");
    put("c.json", "x", "c");
    assert_int_equal(load(), 1);
    assert_non_null(strstr(reported(), "/c.json: the name x is already used by b.json"));
    put("a.json", "x", "a");
    update("a.json");
    assert_string_equal(catalog_set_find(set(), "x")->file, "a.json");
    assert_non_null(strstr(reported(), "/b.json: the name x is already used by a.json"));
    assert_int_equal(unlink(path_of("a.json")), 0);
    update("a.json");
    assert_string_equal(catalog_set_find(set(), "x")->file, "b.json");
    put("b.json", "y", "b");
    update("b.json");
    assert_string_equal(catalog_set_find(set(), "x")->file, "c.json");
    expect_as_new();
}

static void names_that_move_between_files_are_not_reported(void **state) {
    (void)state;
    put("a.json", "x", "1");
    put("b.json", "y", "1");
    assert_int_equal(load(), 0);
    put("a.json", "y", "2");
    put("b.json", "x", "2");
    update(NULL);
    assert_string_equal(reported(), "");
    assert_int_equal(set()->count, 2);
    expect_as_new();
}

static int64_t changed_ms(const char *file) {
    struct stat st;

    assert_int_equal(stat(path_of(file), &st), 0);
    return file_changed_ms(&st);
}

/* Workers read a change at different times, and all must then know the same. */
static void what_has_changed_since_is_not_read_before_it_is_announced(void **state) {
    int64_t announced_ms;

    (void)state;
    put("a.json", "a", "1");
    put("b.json", "b", "1");
    assert_int_equal(load(), 0);
    announced_ms = changed_ms("b.json");
    do
        put("b.json", "b2", "2");
    while (changed_ms("b.json") == announced_ms);
    put("new.json", "new", "1");
    catalog_update(catalog, CATALOG_PROMPTS, "b.json", announced_ms, out);
    catalog_update(catalog, CATALOG_PROMPTS, "new.json", announced_ms, out);
    catalog_update(catalog, CATALOG_PROMPTS, NULL, announced_ms, out);
    assert_non_null(catalog_set_find(set(), "b"));
    assert_null(catalog_set_find(set(), "b2"));
    assert_null(catalog_set_find(set(), "new"));
    catalog_update(catalog, CATALOG_PROMPTS, "b.json", changed_ms("b.json"), out);
    assert_null(catalog_set_find(set(), "b"));
    assert_non_null(catalog_set_find(set(), "b2"));
    catalog_update(catalog, CATALOG_PROMPTS, NULL, changed_ms("new.json"), out);
    assert_non_null(catalog_set_find(set(), "new"));
    expect_as_new();
}

/* A file of this project, which is older than the time that an announcement takes. */
static void what_has_changed_long_since_is_read(void **state) {
    char *old = realpath("tests/conformance/prompts.d/simple.json", NULL);

    (void)state;
    assert_non_null(old);
    put("a.json", "a", "1");
    assert_int_equal(load(), 0);
    assert_int_equal(unlink(path_of("a.json")), 0);
    assert_int_equal(symlink(old, path_of("a.json")), 0);
    free(old);
    catalog_update(catalog, CATALOG_PROMPTS, "a.json", changed_ms("a.json") - 1, out);
    assert_null(catalog_set_find(set(), "a"));
    expect_as_new();
}

static void a_folder_that_goes_and_comes_back(void **state) {
    const char *other = arena_printf(site.arena, "%s.other", site.dir);

    (void)state;
    put("a.json", "a", "1");
    assert_int_equal(load(), 0);
    assert_int_equal(rename(site.dir, other), 0);
    update(NULL);
    update(NULL);
    assert_int_equal(set()->count, 0);
    assert_string_equal(reported(),
                        arena_printf(site.arena, "%s: No such file or directory\n", site.dir));
    update("a.json");
    assert_int_equal(rename(other, site.dir), 0);
    update(NULL);
    assert_non_null(catalog_set_find(set(), "a"));
    expect_as_new();
}

/* Links to the same files in another folder: a program runs in the folder, so that is a change. */
static void the_same_files_in_another_folder_are_read_again(void **state) {
    const char *link = arena_printf(site.arena, "%s/current", site.dir);
    const struct prompt *prompt;

    (void)state;
    for (const char *const *dir = (const char *const[]){"one", "two", NULL}; *dir; dir++) {
        assert_int_equal(mkdir(path_of(*dir), 0700), 0);
        site_file(&site, arena_printf(site.arena, "%s/p.sh", *dir), "#!/bin/sh\n", 0755);
    }
    site_file(&site, "one/p.json", "{\"name\":\"p\",\"run\":{\"command\":[\"./p.sh\"]}}", 0644);
    assert_int_equal(linkat(AT_FDCWD, path_of("one/p.json"), AT_FDCWD, path_of("two/p.json"), 0),
                     0);
    settle("two/p.json");
    assert_int_equal(symlink("one", link), 0);
    site.config.prompts_dir = link;
    assert_int_equal(load(), 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("two", link), 0);
    update(NULL);
    prompt = catalog_prompt(catalog, "p");
    assert_non_null(prompt);
    assert_true(text_ends_with(((const struct program *)prompt->entry.source.spec)->dir, "/two"));
}

static void random_change(unsigned random) {
    const char *file = arena_printf(site.arena, "%c.json", 'a' + (int)(random % 6));
    const char *name = arena_printf(site.arena, "n%u", random / 8 % 5);

    if (random / 64 % 4 == 0)
        (void)unlink(path_of(file));
    else if (random / 64 % 4 == 1)
        site_file(&site, file, "{", 0644);
    else
        put(file, name, arena_printf(site.arena, "%u", random / 1024 % 3));
    if (random / 4096 % 2)
        update(file);
}

static void after_any_changes_it_is_as_if_loaded_anew(void **state) {
    unsigned random = 1;

    (void)state;
    assert_int_equal(load(), 0);
    for (int round = 0; round < 300; round++) {
        for (unsigned i = 0; i < 1 + random % 3; i++) {
            random = random * 1103515245 + 12345;
            random_change(random >> 8);
        }
        update(NULL);
        expect_as_new();
        (void)reported();
        if (round % 10 == 9)
            arena_reset(site.arena);
    }
}

static void ten_thousand_and_no_more(void **state) {
    struct arena *a = arena_new((size_t)64 << 20);

    (void)state;
    for (int i = 0; i < CATALOG_ENTRIES_MAX; i++) {
        put(arena_printf(site.arena, "f%05d.json", i), arena_printf(site.arena, "p%d", i), "x");
        if (i % 100 == 0)
            arena_reset(site.arena);
    }
    assert_int_equal(load(), 0);
    assert_int_equal(set()->count, CATALOG_ENTRIES_MAX);
    assert_true(strlen(first_page(catalog, a)) < LIST_PAGE_BYTES_MAX);
    put("g.json", "late", "x");
    update("g.json");
    assert_null(catalog_set_find(set(), "late"));
    assert_non_null(strstr(reported(), "/g.json: there are more than 10000 prompts"));
    put("a.json", "early", "x"); /* by file name, so that a restart changes nothing */
    update("a.json");
    assert_non_null(catalog_set_find(set(), "early"));
    assert_null(catalog_set_find(set(), "p9999"));
    assert_int_equal(unlink(path_of("f00000.json")), 0);
    update("f00000.json");
    assert_non_null(catalog_set_find(set(), "p9999"));
    assert_int_equal(set()->count, CATALOG_ENTRIES_MAX);
    arena_free(a);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_changed_manifest_is_read_alone),
        TEST(what_has_not_changed_is_not_read_again),
        TEST(a_file_that_is_written_in_place_at_once_is_read),
        TEST(a_wrong_manifest_keeps_out_itself_alone_and_is_reported_once),
        TEST(of_two_with_one_name_the_first_file_is_served),
        TEST(names_that_move_between_files_are_not_reported),
        TEST(what_has_changed_since_is_not_read_before_it_is_announced),
        TEST(what_has_changed_long_since_is_read),
        TEST(a_folder_that_goes_and_comes_back),
        TEST(the_same_files_in_another_folder_are_read_again),
        TEST(after_any_changes_it_is_as_if_loaded_anew),
        TEST(ten_thousand_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Skills: their front matter, the files in their folders, who may use them, and what is refused. */
#include "unit.h"

#include "mcp_fixture.h"

#include "catalog/front_matter.h"
#include "catalog/skills.h"

#define HEAD "name: s\ndescription: What it does\n"
#define DOCUMENT "---\n" HEAD "---\nText\n"
#define URI "skill://s/SKILL.md"

/* ---- front matter ---- */

static struct err why;

static const char *as_json(struct arena *a, const char *yaml) {
    struct json *v = NULL;
    const char *text = arena_printf(a, "---\n%s---\n", yaml);

    return front_matter_read(a, (struct text){text, strlen(text)}, &v, &why)
               ? NULL
               : json_text(a, v, NULL);
}

static void yaml_becomes_json(void **state) {
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"a: b\n", "{\"a\":\"b\"}"},
        {"a: >-\n  two\n  lines\nb: |\n  x\n", "{\"a\":\"two lines\",\"b\":\"x\\n\"}"},
        {"a: 'it''s'\nb: \"q\\n\"\n", "{\"a\":\"it's\",\"b\":\"q\\n\"}"},
        {"a: [1, -2.50, 1e3]\n", "{\"a\":[1,-2.50,1e3]}"},
        {"a: {b: true, c: False, d: ~, e: }\n",
         "{\"a\":{\"b\":true,\"c\":false,\"d\":null,\"e\":null}}"},
        {"a: '1'\nb: \"true\"\nc: ''\n", "{\"a\":\"1\",\"b\":\"true\",\"c\":\"\"}"},
        {"a: yes\nb: 2026-11-29\nc: 1.2.3\nd: 1:30\ne: .\nf: -x\n",
         "{\"a\":\"yes\",\"b\":\"2026-11-29\",\"c\":\"1.2.3\",\"d\":\"1:30\",\"e\":\".\",\"f\":\"-"
         "x\"}"},
        {"1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}"},
        {"a:\n- b\n- c: d\n", "{\"a\":[\"b\",{\"c\":\"d\"}]}"},
        {"# only a comment\na: \xc3\xa4 # and here\n", "{\"a\":\"\xc3\xa4\"}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *json = as_json(*state, cases[i].yaml);

        if (!json)
            print_error("%s: %s\n", cases[i].yaml, why.text);
        assert_non_null(json);
        assert_string_equal(json, cases[i].json);
    }
}

static void what_json_cannot_be_is_refused_with_its_line(void **state) {
    static const struct {
        const char *yaml, *why;
        unsigned line;
    } cases[] = {
        {"a: &x b\n", "anchors", 2},
        {"a: b\nc: *x\n", "aliases", 3},
        {"a: &x [1]\nb: *x\n", "anchors", 2},
        {"a: !!str 1\n", "tags", 2},
        {"? [a]\n: b\n", "a key must be a plain text", 2},
        {"\"a\\0b\": c\n", "a key must be a plain text", 2},
        {"a: 1\nb: 2\na: 3\n", "the key is there twice", 4},
        {"a: 0x1F\n", "a number that JSON writes otherwise", 2},
        {"a: 007\n", "a number that JSON writes otherwise", 2},
        {"b: c\na: .inf\n", "a number that JSON writes otherwise", 3},
        {"a: +1\n", "a number that JSON writes otherwise", 2},
        {"a: b: c\n", "not valid YAML: mapping values are not allowed in this context", 2},
        {"a: \"b\n", "not valid YAML: ", 0},
        {"- a\n", "must be one YAML mapping", 2},
        {"text\n", "must be one YAML mapping", 2},
        {"", "must be one YAML mapping", 0},
        {"a: b\n...\nc: d\n", "not valid YAML: did not find expected", 0},
        {"a: \xff\n", "not valid YAML: ", 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(as_json(*state, cases[i].yaml));
        if (!strstr(why.text, cases[i].why))
            print_error("%s: %s\n", cases[i].yaml, why.text);
        assert_non_null(strstr(why.text, cases[i].why));
        if (cases[i].line)
            assert_int_equal(why.position.line, cases[i].line);
    }
}

/* A mapping that is so many levels deep. */
static const char *nested(struct arena *a, int levels) {
    const char *yaml = "";

    for (int i = 0; i < levels - 1; i++)
        yaml = arena_printf(a, "%s%*sa:\n", yaml, i, "");
    return arena_printf(a, "%s%*sa: b\n", yaml, levels - 1, "");
}

static void front_matter_has_limits(void **state) {
    struct arena *a = *state;
    char *long_text = arena_alloc(a, FRONT_MATTER_BYTES_MAX + 8);
    const char *bomb = "a: b\n";

    assert_non_null(as_json(a, nested(a, FRONT_MATTER_DEPTH_MAX)));
    assert_null(as_json(a, nested(a, FRONT_MATTER_DEPTH_MAX + 1)));
    assert_non_null(strstr(why.text, "deeper than 16"));
    memset(long_text, 'x', FRONT_MATTER_BYTES_MAX);
    memcpy(long_text, "a: ", 3);
    long_text[FRONT_MATTER_BYTES_MAX - 1] = '\n';
    assert_non_null(as_json(a, long_text));
    memcpy(long_text + FRONT_MATTER_BYTES_MAX - 1, "x\n", 3);
    assert_null(as_json(a, long_text));
    assert_non_null(strstr(why.text, "more than 65536 bytes"));
    for (int i = 0; i < 20; i++)
        bomb = arena_printf(a, "%sb%d: &b%d [*b%d, *b%d]\n", bomb, i, i, i - 1, i - 1);
    assert_null(as_json(a, bomb));
}

static bool has_front_matter(struct arena *a, const char *file) {
    struct json *v;

    return !front_matter_read(a, (struct text){file, strlen(file)}, &v, &why);
}

static void front_matter_is_between_its_fences(void **state) {
    assert_true(has_front_matter(*state, "---\na: b\n---"));
    assert_true(has_front_matter(*state, "---\na: b\n--- \t\ntext ---\n"));
    assert_true(has_front_matter(*state, "---\r\na: b\r\n---\r\ntext\r\n"));
    assert_true(has_front_matter(*state, "\xef\xbb\xbf---\na: b\n---\n"));
    assert_false(has_front_matter(*state, ""));
    assert_false(has_front_matter(*state, "---"));
    assert_false(has_front_matter(*state, "--- \na: b\n---\n"));
    assert_false(has_front_matter(*state, "\n---\na: b\n---\n"));
    assert_false(has_front_matter(*state, "---\na: b\n----\n"));
    assert_false(has_front_matter(*state, "---\na: b\n"));
    assert_int_equal(why.position.line, 1);
}

/* ---- a folder of skills ---- */

static char *problems;

static struct catalog *load(struct test_site *s) {
    struct catalog *c = catalog_new(&s->config, &executor_sources);
    size_t len;
    FILE *f;

    free(problems);
    f = open_memstream(&problems, &len);
    assert_non_null(f);
    for (enum catalog_kind kind = 0; kind < CATALOG_KINDS; kind++)
        (void)catalog_load(c, kind, f);
    assert_int_equal(fclose(f), 0);
    return c;
}

static void folder_in(const char *name) {
    assert_int_equal(mkdir(arena_printf(site.arena, "%s/%s", site.dir, name), 0755), 0);
}

static int begin(void **state) {
    (void)state;
    site_init(&site);
    site.config.tools_dir = "";
    site.config.skills_dir = site.dir;
    folder_in("s");
    site_file(&site, "s/SKILL.md", DOCUMENT, 0644);
    post_init(&p, &site);
    return 0;
}

static int end(void **state) {
    (void)state;
    free(problems);
    problems = NULL;
    arena_free(p.arena);
    site_free(&site);
    return 0;
}

/* Serves what is there now. */
static void serve(void) {
    catalog_free(site.mcp.catalog);
    site.mcp.catalog = load(&site);
}

static void refused(const char *why_not) {
    serve();
    if (!strstr(problems, why_not))
        print_error("%s is not in: %s\n", why_not, problems);
    assert_non_null(strstr(problems, why_not));
    assert_int_equal(site.mcp.catalog->sets[CATALOG_SKILLS]->count, 0);
    assert_int_equal(site.mcp.catalog->sets[CATALOG_RESOURCES]->count, 0);
}

static void accepted(void) {
    serve();
    assert_string_equal(problems, "");
    assert_int_equal(site.mcp.catalog->sets[CATALOG_SKILLS]->count, 1);
}

static void document(const char *front_matter) {
    site_file(&site, "s/SKILL.md", arena_printf(site.arena, "---\n%s---\n", front_matter), 0644);
}

static void a_skill_is_listed_with_its_digests(void **state) {
    (void)state;
    folder_in("s/references");
    site_file(&site, "s/references/a b.md", "abc", 0644);
    site_file(&site, "s/.hidden", "x", 0644);
    site_file(&site, "README.md", "of the folder of skills", 0644);
    accepted();
    post_modern(&p, "skills/list", NULL, "");
    expect_result(&p);
    assert_string_equal(
        json_text(p.arena, json_get(post_result(&p), "skills"), NULL),
        "[{\"uri\":\"" URI "\",\"frontmatter\":{\"name\":\"s\",\"description\":\"What it does\"},"
        "\"resources\":[{\"uri\":\"" URI "\",\"digest\":\"sha256:"
        "43b78cef0a22f2d092f5bddc31fbd00f16c665e28a6633cba17396a6c200e9d1\",\"size\":47},"
        "{\"uri\":\"skill://s/references/a%20b.md\",\"digest\":\"sha256:"
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"size\":3}]}]");
    post_modern(&p, "resources/list", NULL, "");
    assert_string_equal(json_text(p.arena, json_get(post_result(&p), "resources"), NULL),
                        "[{\"uri\":\"" URI "\",\"name\":\"s\",\"description\":\"What it does\","
                        "\"mimeType\":\"text/markdown\",\"size\":47}]");
}

static void its_files_are_resources(void **state) {
    static const char *const unknown[] = {"skill://s",
                                          "skill://s/",
                                          "skill://s/x",
                                          "skill://s/.hidden",
                                          "skill://s/references",
                                          "skill://s/../s/SKILL.md",
                                          "skill://s/%2e%2e/s/SKILL.md",
                                          "skill://s/references/../SKILL.md",
                                          "skill://s//SKILL.md",
                                          "skill://x/SKILL.md",
                                          "skill:///SKILL.md",
                                          "skill://"};

    (void)state;
    folder_in("s/references");
    site_file(&site, "s/references/a b.md", "abc", 0644);
    site_file(&site, "s/.hidden", "x", 0644);
    accepted();
    post_modern(&p, "resources/read", URI, "\"uri\":\"" URI "\"");
    expect_result(&p);
    assert_string_equal(json_get_str(json_at(json_get(post_result(&p), "contents"), 0), "text"),
                        DOCUMENT);
    post_modern(&p, "resources/read", "skill://s/references/a%20b.md",
                "\"uri\":\"skill://s/references/a%20b.md\"");
    expect_result(&p);
    assert_string_equal(json_get_str(json_at(json_get(post_result(&p), "contents"), 0), "text"),
                        "abc");
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        post_modern(&p, "resources/read", unknown[i],
                    arena_printf(p.arena, "\"uri\":\"%s\"", unknown[i]));
        expect_error(&p, 200, -32602);
        post_modern(&p, "skills/get", NULL, arena_printf(p.arena, "\"uri\":\"%s\"", unknown[i]));
        expect_error(&p, 200, -32602);
    }
}

/* After the skill was read. */
static void a_link_in_place_of_a_file_is_not_followed(void **state) {
    (void)state;
    folder_in("s/in");
    site_file(&site, "s/in/f", "abc", 0644);
    site_file(&site, "secret", "secret", 0644);
    accepted();
    assert_int_equal(unlink(arena_printf(p.arena, "%s/s/in/f", site.dir)), 0);
    assert_int_equal(symlink("../../secret", arena_printf(p.arena, "%s/s/in/f", site.dir)), 0);
    post_modern(&p, "resources/read", "skill://s/in/f", "\"uri\":\"skill://s/in/f\"");
    expect_error(&p, 200, -32603);
    assert_int_equal(rename(arena_printf(p.arena, "%s/s/in", site.dir),
                            arena_printf(p.arena, "%s/other", site.dir)),
                     0);
    assert_int_equal(symlink("..", arena_printf(p.arena, "%s/s/in", site.dir)), 0);
    site_file(&site, "f", "secret", 0644);
    post_modern(&p, "resources/read", "skill://s/in/f", "\"uri\":\"skill://s/in/f\"");
    expect_error(&p, 200, -32603);
}

static const char *children(const char *uri) {
    const struct json *list;
    const char *all = "";

    post_modern(&p, "resources/directory/read", NULL, arena_printf(p.arena, "\"uri\":\"%s\"", uri));
    expect_result(&p);
    list = json_get(post_result(&p), "resources");
    for (size_t i = 0; i < json_len(list); i++)
        all = arena_printf(p.arena, "%s%s(%s) ", all, json_get_str(json_at(list, i), "uri"),
                           json_get_str(json_at(list, i), "mimeType"));
    return all;
}

static void folders_are_read_a_level_at_a_time(void **state) {
    (void)state;
    folder_in("s/a");
    folder_in("s/a/b");
    folder_in("s/ab");
    site_file(&site, "s/a/x.txt", "x", 0644);
    site_file(&site, "s/a/b/y.json", "{}", 0644);
    accepted();
    assert_string_equal(children("skill://s"), URI "(text/markdown) skill://s/a(inode/directory) "
                                                   "skill://s/ab(inode/directory) ");
    assert_string_equal(children("skill://s/a"),
                        "skill://s/a/b(inode/directory) skill://s/a/x.txt(text/plain) ");
    assert_string_equal(children("skill://s/ab"), "");
    for (const char *const *uri =
             (const char *const[]){URI, "skill://s/", "skill://s/c", "skill://t", "x:y", NULL};
         *uri; uri++) {
        post_modern(&p, "resources/directory/read", NULL,
                    arena_printf(p.arena, "\"uri\":\"%s\"", *uri));
        expect_error(&p, 200, -32602);
    }
    post_modern(&p, "resources/directory/read", NULL, "\"uri\":\"skill://s\",\"cursor\":\"x\"");
    expect_error(&p, 200, -32602);
}

static void skills_are_declared_if_there_are_any(void **state) {
    (void)state;
    accepted();
    post_modern(&p, "server/discover", NULL, "");
    assert_non_null(
        strstr(p.reply.body, "\"io.modelcontextprotocol/skills\":{\"directoryRead\":true}"));
    site.config.skills_dir = "";
    serve();
    post_modern(&p, "server/discover", NULL, "");
    assert_null(strstr(p.reply.body, "skills"));
    site.config.skills_dir = "/nonexistent/skills.d";
    serve();
    assert_string_equal(problems, "");
}

/* ---- who may use it ---- */

static void scopes_and_groups_stand_beside_the_folder(void **state) {
    (void)state;
    site.config.list_forbidden = false;
    site_file(&site, "s.json", "{\"scopes\":[\"admin\"]}", 0644);
    accepted();
    post_modern(&p, "skills/list", NULL, "");
    assert_int_equal(json_len(json_get(post_result(&p), "skills")), 0);
    post_modern(&p, "resources/list", NULL, "");
    assert_int_equal(json_len(json_get(post_result(&p), "resources")), 0);
    post_modern(&p, "skills/get", NULL, "\"uri\":\"" URI "\"");
    assert_int_equal(p.rc, ERR_INSUFFICIENT_SCOPE);
    post_modern(&p, "resources/read", URI, "\"uri\":\"" URI "\"");
    assert_int_equal(p.rc, ERR_INSUFFICIENT_SCOPE);
    post_modern(&p, "resources/directory/read", NULL, "\"uri\":\"skill://s\"");
    assert_int_equal(p.rc, ERR_INSUFFICIENT_SCOPE);
    site_file(&site, "s.json", "{\"groups\":[\"others\"]}", 0644);
    accepted();
    post_modern(&p, "skills/get", NULL, "\"uri\":\"" URI "\""); /* hidden */
    expect_error(&p, 200, -32602);
    site_file(&site, "s.json", "{\"groups\":[\"staff\"]}", 0644);
    accepted();
    post_modern(&p, "skills/get", NULL, "\"uri\":\"" URI "\"");
    expect_result(&p);
    assert_string_equal(json_get_str(json_get(post_result(&p), "skill"), "uri"), URI);
}

/* In the place of the rules that were. */
static void rules(const char *text) {
    site_file(&site, "access.conf", text, 0644);
    site.config.access_file = arena_printf(site.arena, "%s/access.conf", site.dir);
    serve();
    assert_true(catalog_update_rules(site.mcp.catalog, stderr));
}

static enum rc read_at(const char *uri) {
    post_modern(&p, "resources/read", uri, arena_printf(p.arena, "\"uri\":\"%s\"", uri));
    return p.rc;
}

static void a_rule_of_access_file_is_about_each_file(void **state) {
    (void)state;
    folder_in("s/in");
    site_file(&site, "s/in/key", "secret", 0644);
    site_file(&site, "s/in/a b", "text", 0644);
    rules("deny resource:skill://s/in/key *\n");
    assert_int_equal(read_at(URI), OK);
    assert_int_equal(read_at("skill://s/in/a%20b"), OK);
    assert_int_equal(read_at("skill://s/in/key"), ERR_ACCESS_DENIED);
    assert_int_equal(read_at("skill://s/%69n%2Fkey"), ERR_ACCESS_DENIED);
    rules("deny resource:skill://s/* *\nallow resource:skill://s/in/* *\n");
    assert_int_equal(read_at(URI), ERR_ACCESS_DENIED);
    assert_int_equal(read_at("skill://s/in/key"), OK);
}

static void a_wrong_file_of_scopes_leaves_the_skill_out(void **state) {
    (void)state;
    site_file(&site, "s.json", "{\"scope\":[\"admin\"]}", 0644);
    refused("/s.json: unknown member \"scope\"; did you mean scopes?");
    site_file(&site, "s.json", "{\"scopes\":\"admin\"}", 0644);
    refused("/s.json: scopes must be an array of scopes");
    site_file(&site, "s.json", "[]", 0644);
    refused("/s.json: it must be a JSON object");
    site_file(&site, "s.json", "{\n", 0644);
    refused("/s.json:2:1: not valid JSON");
    assert_int_equal(unlink(arena_printf(p.arena, "%s/s.json", site.dir)), 0);
    site_file(&site, "t.json", "{\"scopes\":[\"admin\"]}", 0644);
    serve();
    assert_non_null(strstr(problems, "/t: there is no such folder, only t.json"));
}

/* ---- what is refused ---- */

static void front_matter_must_be_that_of_the_folder(void **state) {
    (void)state;
    document("name: t\ndescription: d\n");
    refused("/s/SKILL.md: its name is \"t\", and must be that of the folder, \"s\"");
    document("name: s\n");
    refused("/s/SKILL.md: its description must be a text of 1 to 1024 characters");
    document("name: s\ndescription: 1\n");
    refused("its description must be a text");
    document(HEAD "metadata: x\n");
    refused("its metadata must be a mapping");
    document(HEAD "compatibility: ''\n");
    refused("its compatibility must be a text of 1 to 500 characters");
    document(HEAD "a: [\n");
    refused("/s/SKILL.md:5:1: not valid YAML");
    site_file(&site, "s/SKILL.md", "# Title\n", 0644);
    refused("/s/SKILL.md:1:1: must begin with front matter");
    site_file(&site, "s/SKILL.md", DOCUMENT "\xff", 0644);
    refused("/s/SKILL.md: not valid UTF-8");
    assert_int_equal(unlink(arena_printf(p.arena, "%s/s/SKILL.md", site.dir)), 0);
    refused("/s/SKILL.md: there is no SKILL.md in it");
}

/* `count` times "ä", as many characters. */
static const char *characters_of(size_t count) {
    char *s = arena_alloc(p.arena, 2 * count + 1);

    for (size_t i = 0; i < count; i++)
        memcpy(s + 2 * i, "\xc3\xa4", 2);
    return s;
}

static void texts_have_limits(void **state) {
    (void)state;
    document(arena_printf(p.arena, "name: s\ndescription: %s\n", characters_of(1024)));
    accepted();
    document(arena_printf(p.arena, "name: s\ndescription: %s\n", characters_of(1025)));
    refused("its description");
    document(arena_printf(p.arena, HEAD "compatibility: %s\n", characters_of(500)));
    accepted();
    document(arena_printf(p.arena, HEAD "compatibility: %s\n", characters_of(501)));
    refused("its compatibility");
}

static void names_of_skills_have_rules(void **state) {
    static const struct {
        const char *name;
        bool good;
    } cases[] = {{"a", true},
                 {"a-b-1", true},
                 {"a123456789012345678901234567890123456789012345678901234567890123", true},
                 {"a1234567890123456789012345678901234567890123456789012345678901234", false},
                 {"-a", false},
                 {"a-", false},
                 {"a--b", false},
                 {"A", false},
                 {"a_b", false},
                 {"a.b", false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        folder_in(cases[i].name);
        site_file(&site, arena_printf(p.arena, "%s/SKILL.md", cases[i].name),
                  arena_printf(p.arena, "---\nname: %s\ndescription: d\n---\n", cases[i].name),
                  0644);
        serve();
        assert_int_equal(!*problems, cases[i].good);
        if (!cases[i].good)
            assert_non_null(strstr(problems, "the folder's name must be 1 to 64 of"));
        folder_remove(arena_printf(p.arena, "%s/%s", site.dir, cases[i].name));
    }
}

static void links_and_devices_are_refused(void **state) {
    const char *at = arena_printf(p.arena, "%s/s/in", site.dir);

    (void)state;
    assert_int_equal(symlink("/etc/passwd", at), 0);
    refused("/s/in: is a symbolic link");
    assert_int_equal(unlink(at), 0);
    assert_int_equal(mkfifo(at, 0600), 0);
    refused("/s/in: is neither a file nor a folder");
    assert_int_equal(unlink(at), 0);
    folder_in("s/deep");
    assert_int_equal(symlink("..", arena_printf(p.arena, "%s/s/deep/up", site.dir)), 0);
    refused("/s/deep/up: is a symbolic link");
    folder_remove(arena_printf(p.arena, "%s/s/deep", site.dir));
    site_file(&site, "s/\xff", "x", 0644);
    refused("a file's name is not UTF-8");
}

/* The admin's own link to a folder elsewhere is followed. */
static void the_folder_itself_may_be_a_link(void **state) {
    char elsewhere[UNIT_PATH_MAX];

    (void)state;
    folder_make(elsewhere);
    folder_remove(arena_printf(p.arena, "%s/s", site.dir));
    file_write_in(elsewhere, "SKILL.md", DOCUMENT, 0644);
    assert_int_equal(symlink(elsewhere, arena_printf(p.arena, "%s/s", site.dir)), 0);
    accepted();
    folder_remove(elsewhere);
}

static void files_have_limits(void **state) {
    const char *large = arena_printf(p.arena, "%s/s/large", site.dir);

    (void)state;
    for (int i = 1; i < SKILL_FILES_MAX; i++)
        site_file(&site, arena_printf(p.arena, "s/%d", i), "", 0644);
    accepted();
    site_file(&site, "s/more", "", 0644);
    refused("/s: there are more than 512 files");
    assert_int_equal(unlink(arena_printf(p.arena, "%s/s/more", site.dir)), 0);
    assert_int_equal(unlink(arena_printf(p.arena, "%s/s/1", site.dir)), 0);
    site_file(&site, "s/large", "", 0644);
    assert_int_equal(truncate(large, (off_t)(SKILL_FILES_BYTES_MAX - strlen(DOCUMENT))), 0);
    accepted();
    assert_int_equal(truncate(large, (off_t)(SKILL_FILES_BYTES_MAX - strlen(DOCUMENT) + 1)), 0);
    refused("the files have more than 16777216 bytes together");
}

static void folders_have_limits(void **state) {
    const char *path = "s";

    (void)state;
    for (int i = 0; i < SKILL_DEPTH_MAX; i++)
        folder_in(path = arena_printf(p.arena, "%s/d", path));
    site_file(&site, arena_printf(p.arena, "%s/f", path), "", 0644);
    accepted();
    folder_in(arena_printf(p.arena, "%s/d", path));
    refused("is in more than 16 folders");
    folder_remove(arena_printf(p.arena, "%s/s/d", site.dir));
    for (int i = 0; i < SKILL_FILES_MAX; i++)
        folder_in(arena_printf(p.arena, "s/d%d", i));
    accepted();
    folder_in("s/more");
    refused("/s: there are more than 512 folders");
}

static void paths_have_limits(void **state) {
    char name[256];
    const char *path = "s";

    (void)state;
    memset(name, 'n', 255);
    name[255] = 0;
    for (int i = 0; i < 4; i++) /* 4 * 256 = 1024 bytes with the slash before a name of one */
        folder_in(path = arena_printf(p.arena, "%s/%s", path, i < 3 ? name : name + 1));
    site_file(&site, arena_printf(p.arena, "%s/f", path), "", 0644);
    accepted();
    site_file(&site, arena_printf(p.arena, "%s/ff", path), "", 0644);
    refused("/s: a path in it is longer than 1024 bytes");
}

static void a_uri_belongs_to_one(void **state) {
    (void)state;
    folder_in("resources.d");
    site.config.resources_dir = arena_printf(p.arena, "%s/resources.d", site.dir);
    site_file(&site, "resources.d/r.json",
              "{\"uri\":\"" URI "\",\"name\":\"r\",\"run\":{\"text\":\"t\"}}", 0644);
    serve();
    assert_non_null(strstr(problems, "/s: the URI is already used by r.json"));
    assert_int_equal(site.mcp.catalog->sets[CATALOG_RESOURCES]->count, 1);
    assert_int_equal(site.mcp.catalog->sets[CATALOG_SKILLS]->count, 0);
}

/* ---- changes ---- */

static void changed(const char *uris) {
    const struct json *list;
    const char *all = "";
    FILE *none = fopen("/dev/null", "w");

    assert_non_null(none);
    catalog_update(site.mcp.catalog, CATALOG_SKILLS, NULL, clock_realtime_ms(), none);
    assert_int_equal(fclose(none), 0);
    post_modern(&p, "skills/list", NULL, "");
    list = json_get(post_result(&p), "skills");
    for (size_t i = 0; i < json_len(list); i++)
        all = arena_printf(p.arena, "%s%s %zu ", all, json_get_str(json_at(list, i), "uri"),
                           json_len(json_get(json_at(list, i), "resources")));
    assert_string_equal(all, uris);
    assert_int_equal(site.mcp.catalog->sets[CATALOG_RESOURCES]->count,
                     site.mcp.catalog->sets[CATALOG_SKILLS]->count);
}

static void changes_are_read(void **state) {
    (void)state;
    accepted();
    folder_in("s/in");
    folder_in("s/in/in");
    site_file(&site, "s/in/in/new", "", 0644);
    changed(URI " 2 ");
    folder_in("t");
    changed(URI " 2 ");
    site_file(&site, "t/SKILL.md", "---\nname: t\ndescription: d\n---\n", 0644);
    changed(URI " 2 skill://t/SKILL.md 1 ");
    site_file(&site, "t.json", "{\"scopes\":true}", 0644);
    changed(URI " 2 ");
    assert_int_equal(unlink(arena_printf(p.arena, "%s/t.json", site.dir)), 0);
    folder_remove(arena_printf(p.arena, "%s/s/in", site.dir));
    changed(URI " 1 skill://t/SKILL.md 1 ");
    folder_remove(arena_printf(p.arena, "%s/t", site.dir));
    changed(URI " 1 ");
}

int main(void) {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
    const struct CMUnitTest tests[] = {WITH_ARENA(yaml_becomes_json),
                                       WITH_ARENA(what_json_cannot_be_is_refused_with_its_line),
                                       WITH_ARENA(front_matter_has_limits),
                                       WITH_ARENA(front_matter_is_between_its_fences),
                                       TEST(a_skill_is_listed_with_its_digests),
                                       TEST(its_files_are_resources),
                                       TEST(a_link_in_place_of_a_file_is_not_followed),
                                       TEST(folders_are_read_a_level_at_a_time),
                                       TEST(skills_are_declared_if_there_are_any),
                                       TEST(scopes_and_groups_stand_beside_the_folder),
                                       TEST(a_rule_of_access_file_is_about_each_file),
                                       TEST(a_wrong_file_of_scopes_leaves_the_skill_out),
                                       TEST(front_matter_must_be_that_of_the_folder),
                                       TEST(texts_have_limits),
                                       TEST(names_of_skills_have_rules),
                                       TEST(links_and_devices_are_refused),
                                       TEST(the_folder_itself_may_be_a_link),
                                       TEST(files_have_limits),
                                       TEST(folders_have_limits),
                                       TEST(paths_have_limits),
                                       TEST(a_uri_belongs_to_one),
                                       TEST(changes_are_read)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

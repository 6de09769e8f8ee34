/* ACCESS_FILE: which rules are about an entry and a caller, the last of which decides; what is
 * wrong with a file, by line; and how much may be in it. */
#include "unit.h"

#include <sys/stat.h>

#include "catalog/access_rules.h"

static const char *const kinds[] = {"tool", "prompt", "resource", NULL};
static char said[4096];

static struct access_rules *load(const char *text) {
    char path[UNIT_PATH_MAX];
    FILE *out = fmemopen(said, sizeof said, "w");
    struct access_rules *r;

    file_make(path);
    file_write(path, text, 0600);
    memset(said, 0, sizeof said);
    r = access_rules_load(path, kinds, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(unlink(path), 0);
    return r;
}

static bool admits(struct arena *a, const char *text, const char *kind, const char *name) {
    struct access_rules *r = load(text);
    struct caller alice = {.sub = "11-22",
                           .username = "alice",
                           .client_id = "app-1",
                           .scopes = "openid mcp-server/tools",
                           .groups = "[\"staff\",\"eu\"]",
                           .arena = a};
    bool admitted;

    if (!r)
        fail_msg("%s", said);
    admitted = access_rules_admit(access_rules_about(r, a, kind, name), &alice);
    access_rules_free(r);
    return admitted;
}

static void the_last_rule_about_both_decides(void **state) {
    static const char rules[] = "# comment\n\n"
                                "deny tool:* *   # behind a rule\n"
                                "allow tool:read_* *\n"
                                "\tdeny tool:read_secret group:guests group:staff\r\n"
                                "allow tool:read_secret user:bob\n";

    assert_false(admits(*state, rules, "tool", "write"));
    assert_true(admits(*state, rules, "tool", "read_log"));
    assert_false(admits(*state, rules, "tool", "read_secret"));
    assert_true(admits(*state, rules, "prompt", "write"));
    assert_true(admits(*state, "", "tool", "write"));
    assert_false(admits(*state, "deny tool:a user:bob\ndeny * *", "prompt", "p"));
    assert_true(admits(*state, "deny * *\nallow * *", "tool", "a"));
}

static void each_kind_of_caller(void **state) {
    static const char *const is[] = {
        "group:staff",     "group:eu",   "scope:openid", "scope:mcp-server/tools",
        "client:app-1",    "user:alice", "sub:11-22",    "*",
        "group:x user:y *"};
    static const char *const is_not[] = {
        "group:sta",  "group:STAFF", "scope:mcp-server", "client:app", "client:alice",
        "user:app-1", "user:staff",  "group:alice",      "user:11-22", "sub:alice"};

    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        assert_false(admits(*state, arena_printf(*state, "deny * %s", is[i]), "tool", "a"));
    for (size_t i = 0; i < sizeof is_not / sizeof *is_not; i++)
        assert_true(admits(*state, arena_printf(*state, "deny * %s", is_not[i]), "tool", "a"));
}

static void globs(void **state) {
    static const struct {
        const char *glob, *name;
        bool matches;
    } cases[] = {
        {"a", "a", true},       {"a", "ab", false},        {"*", "", true},
        {"a*", "a", true},      {"*b", "ab", true},        {"a*c", "abcbc", true},
        {"a*c", "abcb", false}, {"*a*b*", "xxaxxb", true}, {"*a*b*", "xxbxxa", false},
        {"**", "x", true},      {"a?c", "abc", false},     {"file:///a/*", "file:///a/b/c", true},
        {"[a]", "a", false}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (admits(*state, arena_printf(*state, "deny resource:%s *", cases[i].glob), "resource",
                   cases[i].name) == cases[i].matches)
            fail_msg("%s, %s", cases[i].glob, cases[i].name);
}

static void wrong_lines(void **state) {
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"\npermit * *", ":2: permit: a rule begins with allow or deny"},
        {"deny", ":1: expected allow or deny, what, and for whom"},
        {"deny *", ":1: the rule does not say for whom"},
        {"deny * # all", ":1: the rule does not say for whom"},
        {"deny admin_* *",
         ":1: admin_*: expected * or one of tool:, prompt:, resource: with a name"},
        {"deny tool: *", ":1: tool:: expected"},
        {"deny resource:a%20b *", ":1: resource:a%20b: write the character itself"},
        {"deny * staff",
         ":1: staff: expected * or one of group:, scope:, client:, user:, sub: with a name"},
        {"deny * group:", ":1: group:: expected"},
        {"deny * a\033[1mb:c", ":1: a?[1mb:c: expected"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(load(cases[i].text));
        if (!strstr(said, cases[i].said))
            fail_msg("%s: %s", cases[i].text, said);
    }
    assert_null(access_rules_load("/nonexistent/access.conf", kinds, stderr));
}

static const char *repeated(struct arena *a, const char *piece, int count, const char *end) {
    struct buf b;

    buf_init(&b, a, 1 << 20);
    for (int i = 0; i < count; i++)
        buf_adds(&b, piece);
    buf_adds(&b, end);
    assert_false(b.overflow);
    return b.p;
}

static void limits(void **state) {
    static const char rule[] = "deny tool:a group:b\n";
    const char *who = repeated(*state, " group:a", ACCESS_WHO_MAX, "");
    const char *blanks = repeated(*state, " ", ACCESS_LINE_BYTES_MAX - (int)strlen(rule), rule);
    const char *comment = repeated(*state, "#", ACCESS_LINE_BYTES_MAX - 1, "\n");
    const int lines = ACCESS_FILE_BYTES_MAX / ACCESS_LINE_BYTES_MAX;

    access_rules_free(load(repeated(*state, rule, ACCESS_RULES_MAX, "")));
    assert_string_equal(said, "");
    assert_null(load(repeated(*state, rule, ACCESS_RULES_MAX + 1, "")));
    assert_non_null(strstr(said, ":501: there are more than 500 rules"));
    access_rules_free(load(arena_printf(*state, "deny *%s", who)));
    assert_string_equal(said, "");
    assert_null(load(arena_printf(*state, "deny *%s group:b", who)));
    access_rules_free(load(blanks));
    assert_string_equal(said, "");
    assert_null(load(arena_printf(*state, " %s", blanks)));
    access_rules_free(load(repeated(*state, comment, lines, "")));
    assert_string_equal(said, "");
    assert_null(load(repeated(*state, comment, lines, "#")));
}

static void rules_about_nothing_are_named(void **state) {
    struct access_rules *r = load("deny tool:a *\ndeny tool:b *\ndeny prompt:a *\n");
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    const struct access_rule **about = access_rules_about(r, NULL, "tool", "a");

    (void)state;
    assert_non_null(about);
    free(about);
    access_rules_warn(r, "tool", "access.conf", out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "access.conf:2: warning: there is no tool b\n");
    free(text);
    access_rules_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(the_last_rule_about_both_decides),
        WITH_ARENA(each_kind_of_caller),
        WITH_ARENA(globs),
        WITH_ARENA(wrong_lines),
        WITH_ARENA(limits),
        WITH_ARENA(rules_about_nothing_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* URI templates: which URIs match, and with which values. */
#include "unit.h"

#include "catalog/template.h"

/* The values as JSON, or NULL. */
static const char *match(struct arena *a, const char *uri_template, const char *uri) {
    struct json *names = json_new_object(a), *values;
    size_t steps = URI_TEMPLATE_STEPS_MAX;
    struct err e;

    if (uri_template_check(a, uri_template, names, &e))
        fail_msg("%s: %s", uri_template, e.text);
    if (!uri_template_match(a, uri_template, uri, &steps, &values))
        return NULL;
    assert_int_equal(json_size(values), json_size(names));
    return json_text(a, values, NULL);
}

static void a_uri_matches_if_any_values_give_it(void **state) {
    static const struct {
        const char *uri_template, *uri, *values;
    } cases[] = {
        {"doc://{id}", "doc://a", "{\"id\":\"a\"}"},
        {"doc://{id}", "doc://", NULL},
        {"doc://{id}", "doc://a/b", NULL},
        {"doc://{id}", "doc:/a", NULL},
        {"doc://{id}/x", "doc://a/x", "{\"id\":\"a\"}"},
        {"doc://{id}/x", "doc://a/xy", NULL},
        {"doc://{id}/x", "doc://a/", NULL},
        {"doc://{+path}", "doc://a/b", "{\"path\":\"a/b\"}"},
        {"doc://{+path}/versions/{v}", "doc://a/versions/3", "{\"path\":\"a\",\"v\":\"3\"}"},
        {"doc://{+path}/versions/{v}", "doc://a/versions/b/versions/3",
         "{\"path\":\"a/versions/b\",\"v\":\"3\"}"},
        {"doc://{+path}/versions/{v}", "doc://a/versions/", NULL},
        {"x:{a}-{b}", "x:1-2-3", "{\"a\":\"1\",\"b\":\"2-3\"}"},
        {"x:{a}-{b}", "x:--y", "{\"a\":\"-\",\"b\":\"y\"}"},
        {"x:{a}-{b}", "x:--", NULL},
        {"x:{a}-{b}", "x:---", "{\"a\":\"-\",\"b\":\"-\"}"},
        {"x:{a}.{b}.json", "x:1.2.json.json", "{\"a\":\"1\",\"b\":\"2.json\"}"},
        {"x:{+a}/{+b}/{+c}", "x:1/2/3/4", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3/4\"}"},
        {"x:{+a}/end", "x:1/end/end", "{\"a\":\"1/end\"}"},
        /* No way of matching lets a value lead out of its folder. */
        {"x:/{+a}/{b}", "x:/../b", NULL},
        {"x:/{+a}/{b}", "x:/a/../b", NULL},
        {"x:/{+a}/{b}", "x://a/b", NULL},
        {"x:/{+a}/{b}", "x:/a/%2e%2e/b", NULL},
        {"x:{a}-{b}", "x:a%2fb-c", NULL},
        {"x:{a}-{b}", "x:%ff-c", NULL},
        /* RFC 6570 section 2.3 */
        {"x:{a.b}/{a.c_1.d}", "x:1/2", "{\"a.b\":\"1\",\"a.c_1.d\":\"2\"}"},
        {"x:{+a.b}", "x:1/2", "{\"a.b\":\"1/2\"}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *values = match(*state, cases[i].uri_template, cases[i].uri);

        if (!values != !cases[i].values || (values && strcmp(values, cases[i].values) != 0))
            fail_msg("%s and %s: %s", cases[i].uri_template, cases[i].uri,
                     values ? values : "no match");
    }
}

static void wrong_templates_are_refused(void **state) {
    static const char *const wrong[] = {"x:a",      "x:{}",          "x:{.a}", "x:{a.}",
                                        "x:{a..b}", "x:{a",          "x:a}",   "x:{/a}",
                                        "x:{a}{b}", "x:{a}/{a}",     "x:{a-}", "x:{a:3}",
                                        "x:{a,b}",  "x:\xc3\xbc{a}", "x:{+.}"};
    struct err e;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!uri_template_check(*state, wrong[i], json_new_object(*state), &e))
            fail_msg("accepted: %s", wrong[i]);
}

static const char *variables(struct arena *a, int count) {
    char *t = arena_strdup(a, "x:");

    for (int i = 0; i < count; i++)
        t = arena_printf(a, "%s{+v%d}/", t, i);
    return t;
}

static void variables_have_a_limit(void **state) {
    struct json *names = json_new_object(*state);
    struct err e;

    assert_int_equal(uri_template_check(*state, variables(*state, URI_VARIABLES_MAX), names, &e),
                     OK);
    names = json_new_object(*state);
    assert_int_equal(
        uri_template_check(*state, variables(*state, URI_VARIABLES_MAX + 1), names, &e),
        ERR_INVALID_REQUEST);
}

static void a_uri_has_a_limit(void **state) {
    char *uri = arena_alloc(*state, RESOURCE_URI_MAX + 2);

    memset(uri, 'x', RESOURCE_URI_MAX);
    uri[1] = ':';
    assert_non_null(match(*state, "x:{a}", uri));
    uri[RESOURCE_URI_MAX] = 'x';
    assert_null(match(*state, "x:{a}", uri));
}

/* Each variable could end at each slash. */
static void the_work_of_a_match_has_a_limit(void **state) {
    const char *t = arena_printf(*state, "%send", variables(*state, URI_VARIABLES_MAX));
    char *uri = arena_alloc(*state, 4001);
    size_t steps = URI_TEMPLATE_STEPS_MAX;
    struct json *values;

    for (int i = 0; i < 4000; i++)
        uri[i] = i % 2 ? '/' : 'a';
    uri[0] = 'x';
    uri[1] = ':';
    assert_false(uri_template_match(*state, t, uri, &steps, &values));
    assert_null(values);
    assert_true(steps < 4096); /* given up, and not tried to the end of time */
    assert_false(uri_template_match(*state, "x:{+a}/{b}", uri, &steps, &values));
}

static void a_server_may_have_a_template_of_any_level(void **state) {
    static const struct {
        const char *given, *simple;
        bool has_query;
    } cases[] = {
        {"x:a/{id}", "x:a/{v0}", false},
        {"x:{+path}/{b}", "x:{+v0}/{v1}", false},
        {"x:{a}{b}", "x:{v0}", false},
        {"x:{a,b}/{c*}/{d:3}", "x:{+v0}/{+v1}/{+v2}", false},
        {"x://h{/a}{.b}{?q,r}", "x://h/{+v0}.{+v1}", true},
        {"x:all{?q}", "x:all", true},
        {"x:all{#q}", "x:all", true},
        {"{+all}", NULL, false},
        {"x/{a}", NULL, false},
        {"x:{a", NULL, false},
        {"x:{}", NULL, false},
        {"x:a", NULL, false},
    };
    bool has_query;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *simple = uri_template_simplify(*state, cases[i].given, &has_query);

        if (!cases[i].simple) {
            assert_null(simple);
            continue;
        }
        assert_string_equal(simple, cases[i].simple);
        assert_int_equal(has_query, cases[i].has_query);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(a_uri_matches_if_any_values_give_it),
        WITH_ARENA(wrong_templates_are_refused),
        WITH_ARENA(variables_have_a_limit),
        WITH_ARENA(a_uri_has_a_limit),
        WITH_ARENA(the_work_of_a_match_has_a_limit),
        WITH_ARENA(a_server_may_have_a_template_of_any_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

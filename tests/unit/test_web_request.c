/* web/request.h: headers and parameters by name, with an index and without. */
#include "unit.h"

#include "web/request.h"

static char *const *list_of(const char *const *params) {
    return (char *const *)(uintptr_t)params;
}

static void assert_text(const char *is, const char *expected) {
    if (expected)
        assert_string_equal(is, expected);
    else
        assert_null(is);
}

static void names_are_found_with_an_index_and_without(void **state) {
    static const char *const params[] = {
        "REQUEST_METHOD=POST", "HTTP_ACCEPT=a=b", "HTTP_MCP_METHOD=tools/call",
        "HTTP_X=short",        "A=one",           "HTTP_ACCEPT=second",
        "HTTP_EMPTY=",         "=nameless",       "HTTP_=no name",
        "http_lower=x",        "noequals",        NULL};
    struct request rq = {.arena = *state, .params = list_of(params)};

    for (int with_index = 0; with_index < 2; with_index++) {
        assert_text(request_param(&rq, "REQUEST_METHOD"), "POST");
        assert_text(request_param(&rq, "A"), "one");
        assert_text(request_param(&rq, "REQUEST_METHO"), NULL);
        assert_text(request_param(&rq, "noequals"), NULL);
        assert_text(request_header(&rq, "accept"), "a=b");
        assert_text(request_header(&rq, "mcp-method"), "tools/call");
        assert_text(request_header(&rq, "Mcp-Method"), "tools/call");
        assert_text(request_header(&rq, "x"), "short");
        assert_text(request_header(&rq, ""), "no name");
        assert_text(request_header(&rq, "empty"), "");
        assert_text(request_header(&rq, "lower"), NULL);
        assert_text(request_header(&rq, "accept-language"), NULL);
        (void)request_index(&rq);
    }
}

static void a_header_with_two_values_is_ambiguous(void **state) {
    static const char *const twice[] = {"HTTP_X_Y=1", "HTTP_Z=2", "HTTP_X_Y=2", NULL};
    static const char *const same[] = {"HTTP_X_Y=1", "HTTP_Z=2", "HTTP_X_Y=1", NULL};
    static const char *const no_header[] = {"X_Y=1", "HTTP_X_Y=1", "X_Y=2", "HTTP_X_YY=3", NULL};
    static const char *const none[] = {NULL};
    const char *const *const good[] = {same, no_header, none};

    assert_false(request_index(&(struct request){.arena = *state, .params = list_of(twice)}));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(request_index(&(struct request){.arena = *state, .params = list_of(good[i])}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(names_are_found_with_an_index_and_without),
        WITH_ARENA(a_header_with_two_values_is_ambiguous),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

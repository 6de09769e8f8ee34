/* app/routes.h: which path belongs to which group of endpoints, and how long its requests may take.
 */
#include "unit.h"

#include "app/routes.h"

static struct routes routes_of(struct arena *a, unsigned endpoints) {
    const struct config config = {.auth_path = "/auth", .mcp_path = "/mcp", .endpoints = endpoints};
    struct routes r;

    routes_init(&r, a, &config);
    return r;
}

static int limit_s(const struct routes *r, struct arena *a, const char *method, const char *path) {
    const struct request rq = {.arena = a, .method = method, .path = path};

    return route_time_limit_s(routes_find(r, &rq).route);
}

static void each_group_has_its_limit(void **state) {
    const struct routes r =
        routes_of(*state, GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_METADATA | GROUP_MCP);
    static const struct {
        const char *method, *path;
        int limit_s;
    } paths[] = {
        {"GET", "/auth/authorize", 30}, {"GET", "/auth/callback", 30},
        {"POST", "/auth/token", 30},    {"GET", "/.well-known/oauth-protected-resource/mcp", 10},
        {"POST", "/mcp", 180},          {"POST", "/mcp/", 180},
        {"POST", "/nothing", 10}};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(limit_s(&r, *state, paths[i].method, paths[i].path), paths[i].limit_s);
}

static void a_group_that_is_off_has_no_route(void **state) {
    const struct routes r = routes_of(*state, GROUP_METADATA);
    const struct request rq = {.arena = *state, .method = "POST", .path = "/mcp"};
    const struct route_match m = routes_find(&r, &rq);

    assert_null(m.route);
    assert_null(m.allow);
    assert_int_equal(limit_s(&r, *state, "POST", "/mcp"), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(each_group_has_its_limit),
        WITH_ARENA(a_group_that_is_off_has_no_route),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

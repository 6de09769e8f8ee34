/* config/sites.h and app/site_set.h: several sites in files, and which of them is at an address. */
#include "unit.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "app/site_set.h"
#include "idp/idp.h"

static char dir[UNIT_PATH_MAX];
static char *problems;

static const char defaults[] = "COGNITO_REGION=eu-west-1\nCOGNITO_USER_POOL_ID=eu-west-1_Abc\n"
                               "COGNITO_CLIENT_ID=client\nCOGNITO_DOMAIN=login\n"
                               "STATE_DIR=/srv/state\nSECRETS_DIR=/srv/secrets\n";

static const char *in_dir(const char *name) {
    static char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text) {
    file_write_bytes(in_dir(name), text, strlen(text), 0600);
}

static void drop(const char *name) {
    assert_int_equal(unlink(in_dir(name)), 0);
}

/* mcp-authd.conf, and the folder beside it. */
static int begin(void **state) {
    folder_make(dir);
    assert_int_equal(mkdir(in_dir("sites.d"), 0700), 0);
    put("mcp-authd.conf", defaults);
    config_on_provider(idp_check_config);
    return arena_setup(state);
}

static int end(void **state) {
    folder_remove(dir);
    free(problems);
    problems = NULL;
    return arena_teardown(state);
}

static struct site_set *load(const struct site_set *previous) {
    size_t len;
    FILE *f;
    struct site_set *s;

    free(problems);
    f = open_memstream(&problems, &len);
    assert_non_null(f);
    s = site_set_load(in_dir("mcp-authd.conf"), previous, NULL, f);
    (void)fclose(f);
    return s;
}

static const char *site_at(void **state, const struct site_set *s, const char *host,
                           const char *path) {
    char *params[] = {arena_printf(*state, "HTTP_HOST=%s", host), NULL};
    const struct request rq = {.arena = *state, .method = "GET", .path = path, .params = params};
    struct err e;
    size_t i;

    switch ((int)site_set_find(s, &rq, &i, &e)) {
    case OK:
        return s->config->all[i].config->site;
    case ERR_MISDIRECTED:
        return "(421)";
    case ERR_NOT_FOUND:
        return "(404)";
    default:
        return "(?)";
    }
}

static void without_site_files_all_is_as_ever(void **state) {
    struct site_set *s;

    assert_null(load(NULL));
    assert_non_null(strstr(problems, "MCP_SERVER_URI must be set"));
    put("mcp-authd.conf", "MCP_SERVER_URI=https://a.example/mcp\nCOGNITO_USER_POOL_ID=eu-west-1_A\n"
                          "COGNITO_CLIENT_ID=c\nCOGNITO_DOMAIN=d\n");
    s = load(NULL);
    assert_non_null(s);
    assert_int_equal(s->config->count, 1);
    assert_ptr_equal(s->config->all[0].config, s->config->host);
    assert_string_equal(site_at(state, s, "any.example", "/any"), "");
    site_set_free(s);
}

static void a_site_inherits_and_has_its_own(void **state) {
    const struct config *a, *b;
    struct site_set *s;

    (void)state;
    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\n");
    put("sites.d/b.conf", "MCP_SERVER_URI=https://b.example/mcp\nCOGNITO_CLIENT_ID=other\n"
                          "SECRETS_DIR=/srv/b\nSECRET_KEY_FILE=/srv/b.key\n");
    put("sites.d/README", "no site");
    put("sites.d/c.conf.disabled", "no site");
    s = load(NULL);
    assert_string_equal(problems, "");
    assert_non_null(s);
    assert_int_equal(s->config->count, 2);
    a = s->config->all[0].config;
    b = s->config->all[1].config;
    assert_string_equal(a->site, "a");
    assert_string_equal(a->idp.client_id, "client");
    assert_string_equal(b->idp.client_id, "other");
    assert_string_equal(a->state_dir, "/srv/state/sites/a");
    assert_string_equal(a->host_state_dir, "/srv/state");
    assert_string_equal(a->secret_key_file, "/srv/state/sites/a/secret.key");
    assert_true(a->makes_secret_key);
    assert_string_equal(b->secret_key_file, "/srv/b.key");
    assert_string_equal(a->secrets_dir, "/srv/secrets/a");
    assert_string_equal(b->secrets_dir, "/srv/b");
    assert_string_equal(a->status_file, "/srv/state/status.json");
    site_set_free(s);
}

/* What was derived while the file was read went with the arena of that. */
static void strings_of_a_site_are_in_its_block(void **state) {
    const struct config *c;
    struct site_set *s;

    (void)state;
    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\nSERVER_TITLE=A\n"
                          "SERVER_ICON=https://a.example/i.png https://a.example/j.png\n");
    s = load(NULL);
    assert_non_null(s);
    c = s->config->all[0].config;
    const char *const derived[] = {
        c->site,         c->idp.logout_url,        c->mcp_path,       c->mcp_origin,
        c->auth_path,    c->callback_uri,          c->prm_uri,        c->host_state_dir,
        c->server.label, c->server.icon[0],        c->server.icon[1], c->server.icon_sources,
        c->server.info,  c->server.info_with_icons};
    for (size_t i = 0; i < sizeof derived / sizeof *derived; i++)
        assert_in_range((uintptr_t)derived[i], (uintptr_t)c,
                        (uintptr_t)c + malloc_usable_size((void *)(uintptr_t)c) - 1);
    assert_string_equal(c->idp.logout_url, "https://login.auth.eu-west-1.amazoncognito.com/logout");
    site_set_free(s);
}

/* Two sites with these keys. */
static void put_clients(const char *a, const char *b) {
    char text[512];

    (void)snprintf(text, sizeof text, "MCP_SERVER_URI=https://a.example/mcp\n%s", a);
    put("sites.d/a.conf", text);
    (void)snprintf(text, sizeof text, "MCP_SERVER_URI=https://b.example/mcp\n%s", b);
    put("sites.d/b.conf", text);
}

/* REQUIRE_AUDIENCE=auto: whichever key has the app client. */
static void sites_with_one_app_client_need_the_audience(void **state) {
#define A "COGNITO_CLIENT_ID=client-a\n"
#define B "COGNITO_CLIENT_ID=client-b\n"
    static const struct {
        const char *a, *b;
        bool shared;
    } cases[] = {
        {"", "", true}, /* that of mcp-authd.conf */
        {A, B, false},
        {A, A, true},
        {A "COGNITO_CLIENT_IDS=client-b\n", B, true},
        {A, B "COGNITO_MACHINE_CLIENT_IDS=x client-a=6\n", true},
        {A "COGNITO_CLIENT_IDS=x y=7\n", B "COGNITO_CLIENT_IDS=y=8 z\n", true},
        {A "COGNITO_MACHINE_CLIENT_IDS=m\n", B "COGNITO_MACHINE_CLIENT_IDS=m=5\n", true},
        {A "COGNITO_MACHINE_CLIENT_IDS=m\n", B "COGNITO_CLIENT_IDS=m\n", true},
        {A "COGNITO_MACHINE_CLIENT_IDS=m\n",
         B "COGNITO_MACHINE_CLIENT_IDS=m\nCOGNITO_USER_POOL_ID=eu-west-1_Other\n", false},
        {A "COGNITO_CLIENT_IDS=client-a x x\nCOGNITO_MACHINE_CLIENT_IDS=x\n", /* its own twice */
         B "COGNITO_MACHINE_CLIENT_IDS=y\n", false},
    };
    struct site_set *s;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_clients(cases[i].a, cases[i].b);
        s = load(NULL);
        if (!s)
            fail_msg("%s", problems);
        for (size_t n = 0; n < 2; n++)
            assert_int_equal(config_site_needs_audience(&s->config->all[n]), cases[i].shared);
        site_set_free(s);
    }
    put_clients(A "COGNITO_CLIENT_IDS=client-b\nREQUIRE_AUDIENCE=no\n", B);
    s = load(NULL);
    assert_non_null(s);
    assert_false(config_site_needs_audience(&s->config->all[0]));
    assert_true(config_site_needs_audience(&s->config->all[1]));
    site_set_free(s);
}

static void host_and_path_choose(void **state) {
    struct site_set *s;

    put("sites.d/a.conf", "MCP_SERVER_URI=https://one.example/a/mcp\n"
                          "AUTH_PROXY_URI=https://one.example/a\n");
    put("sites.d/b.conf", "MCP_SERVER_URI=https://one.example/b/mcp\n"
                          "AUTH_PROXY_URI=https://one.example/b\n");
    put("sites.d/c.conf", "MCP_SERVER_URI=https://two.example:8443/mcp\n"
                          "AUTH_PROXY_URI=https://login.example\n");
    s = load(NULL);
    assert_string_equal(problems, "");
    const struct {
        const char *host, *path, *site;
    } cases[] = {
        {"one.example", "/a/mcp", "a"},
        {"one.example", "/b/mcp/", "b"},
        {"ONE.Example:443", "/b/token", "b"},
        {"one.example.", "/.well-known/oauth-protected-resource/a/mcp", "a"},
        {"one.example", "/.well-known/oauth-authorization-server/b", "b"},
        {"one.example", "/.well-known/oauth-authorization-server", "(404)"}, /* whose? */
        {"one.example", "/mcp", "(421)"},
        {"one.example", "/d/mcp", "(404)"},
        {"one.example", "/amcp", "(404)"},
        {"two.example:8443", "/mcp", "c"},
        {"two.example", "/mcp", "(404)"},
        {"login.example", "/token", "c"},
        {"two.example:8443", "/token", "(421)"},
        {"login.example", "/.well-known/oauth-authorization-server", "c"},
        {"nobody.example", "/a/mcp", "(404)"},
        {"", "/a/mcp", "(404)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(site_at(state, s, cases[i].host, cases[i].path), cases[i].site) != 0)
            fail_msg("%s%s: %s", cases[i].host, cases[i].path,
                     site_at(state, s, cases[i].host, cases[i].path));
    site_set_free(s);
}

static void a_wrong_file_leaves_its_site_out_and_says_why(void **state) {
    static const struct {
        const char *name, *text, *said;
    } cases[] = {
        {"sites.d/x.conf", "MCP_SERVER_URI=https://x.example/mcp\n\nWORKERS_MAX=3\n",
         "sites.d/x.conf:3: WORKERS_MAX is the whole daemon's: it may stand in "},
        {"sites.d/x.conf", "COGNITO_CLIENT_ID=c\n", "sites.d/x.conf: MCP_SERVER_URI must be set"},
        {"sites.d/x.conf", "MCP_SERVER_URI=https://a.example/mcp/\n",
         "sites.d/x.conf:1: https://a.example/mcp/ is already of the site a: give this site its "
         "own MCP_SERVER_URI"},
        {"sites.d/x.conf", "# x\nMCP_SERVER_URI=https://a.example/x\n",
         "sites.d/x.conf:2: https://a.example/authorize is already of the site a: give this site "
         "an issuer of its own, such as AUTH_PROXY_URI=https://a.example/x"},
        {"sites.d/x.conf",
         "MCP_SERVER_URI=https://x.example/mcp\nSECRET_KEY_FILE=/srv/state/sites/a/secret.key\n",
         "sites.d/x.conf:2: /srv/state/sites/a/secret.key is already of the site a: give this "
         "site its own SECRET_KEY_FILE"},
        {"sites.d/x.conf", "MCP_SERVER_URI=https://x.example/mcp\nREQUIRED_SCOPES=a\n",
         "sites.d/x.conf:2: REQUIRED_SCOPES=a: "},
        {"sites.d/x y.conf", "MCP_SERVER_URI=https://x.example/mcp\n",
         "sites.d/x y.conf: a site's name has at most 63 letters"},
    };

    (void)state;
    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct site_set *s;

        put(cases[i].name, cases[i].text);
        s = load(NULL);
        if (!s || s->config->count != 1 || s->config->refused != 1 ||
            !strstr(problems, cases[i].said))
            fail_msg("%zu: %s", i, problems);
        site_set_free(s);
        drop(cases[i].name);
    }
}

static long cpu_us(void) {
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000L + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

/* By another path, one of them a link. */
static void one_key_file_by_two_names_is_found(void **state) {
    const char *key = arena_strdup(*state, in_dir("key")),
               *name = arena_strdup(*state, in_dir("other-name"));
    struct site_set *s;

    put("key", "0");
    assert_int_equal(link(key, name), 0);
    put("sites.d/a.conf", arena_printf(*state,
                                       "MCP_SERVER_URI=https://a.example/mcp\n"
                                       "SECRET_KEY_FILE=%s\n",
                                       key));
    put("sites.d/b.conf", arena_printf(*state,
                                       "MCP_SERVER_URI=https://b.example/mcp\n"
                                       "SECRET_KEY_FILE=%s/other-name\n",
                                       dir));
    s = load(NULL);
    assert_non_null(s);
    assert_int_equal(s->config->count, 1);
    assert_non_null(strstr(problems, "sites.d/b.conf:2: "));
    assert_non_null(strstr(problems, "/other-name is already of the site a: give this site its own "
                                     "SECRET_KEY_FILE\n"));
    site_set_free(s);
}

/* Neither is one that was removed. */
static void a_site_that_is_switched_off_is_not_served_though_it_is_the_last(void **state) {
    struct site_set *first, *second, *third;

    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\n");
    first = load(NULL);
    assert_string_equal(site_at(state, first, "a.example", "/mcp"), "a");
    drop("sites.d/a.conf");
    second = load(first);
    assert_non_null(second);
    assert_int_equal(second->config->count, 0);
    assert_string_equal(site_at(state, second, "a.example", "/mcp"), "(404)");
    put("sites.d/a.conf.disabled", "MCP_SERVER_URI=https://a.example/mcp\n");
    third = load(NULL);
    assert_non_null(third);
    assert_int_equal(third->config->count, 0);
    assert_string_equal(site_at(state, third, "a.example", "/mcp"), "(404)");
    site_set_free(third);
    put("sites.d/b.conf", "MCP_SERVER_URI=nothing\n");
    assert_null(load(NULL)); /* what is wrong is no reason to serve nothing */
    site_set_free(first);
    site_set_free(second);
}

static void many_conflicts_are_all_named_at_once(void **state) {
    char name[64], text[128];
    struct site_set *s;
    long began, us;

    (void)state;
    for (int i = 0; i < 600; i++) {
        (void)snprintf(name, sizeof name, "sites.d/s%03d.conf", i);
        (void)snprintf(text, sizeof text, "MCP_SERVER_URI=https://s%03d.example/mcp\n", i / 2);
        put(name, text);
    }
    began = cpu_us();
    s = load(NULL);
    us = cpu_us() - began;
    assert_non_null(s);
    assert_int_equal(s->config->count, 300);
    assert_int_equal(s->config->refused, 300);
    assert_non_null(strstr(problems, "sites.d/s599.conf:1: https://s299.example/mcp is already of "
                                     "the site s598: "));
    print_message("600 sites, 300 conflicts: %ld us of CPU\n", us);
    site_set_free(s);
}

/* Otherwise its users would log in at the pool of mcp-authd.conf. */
static void a_pool_of_its_own_needs_its_own_addresses(void **state) {
    struct site_set *s;

    put("mcp-authd.conf", arena_printf(*state,
                                       "%sCOGNITO_ISSUER=https://issuer.example\n"
                                       "COGNITO_TOKEN_URL=https://issuer.example/token\n",
                                       defaults));
    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\nCOGNITO_CLIENT_ID=a\n");
    put("sites.d/b.conf", "MCP_SERVER_URI=https://b.example/mcp\nCOGNITO_DOMAIN=b\n"
                          "COGNITO_USER_POOL_ID=eu-west-1_B\n");
    put("sites.d/c.conf", "MCP_SERVER_URI=https://c.example/mcp\nCOGNITO_DOMAIN=c\n"
                          "COGNITO_USER_POOL_ID=eu-west-1_C\nCOGNITO_ISSUER=\n"
                          "COGNITO_TOKEN_URL=\n");
    s = load(NULL);
    assert_non_null(s);
    assert_int_equal(s->config->count, 2);
    assert_string_equal(s->config->all[0].config->idp.issuer, "https://issuer.example");
    assert_string_equal(s->config->all[1].config->idp.issuer,
                        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_C");
    assert_non_null(strstr(problems, "mcp-authd.conf:7: (site b) COGNITO_ISSUER=https://"
                                     "issuer.example: the site has its own COGNITO_USER_POOL_ID: "
                                     "give it its own COGNITO_ISSUER too\n"));
    assert_non_null(strstr(problems, "mcp-authd.conf:8: (site b) COGNITO_TOKEN_URL="));
    site_set_free(s);
}

static void names_have_a_limit(void **state) {
    char name[SITE_NAME_MAX + 2], file[128];
    struct site_set *s;

    (void)state;
    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\n");
    memset(name, 'n', sizeof name);
    (void)snprintf(file, sizeof file, "sites.d/%.*s.conf", SITE_NAME_MAX, name);
    put(file, "MCP_SERVER_URI=https://n.example/mcp\n");
    s = load(NULL);
    assert_int_equal(s->config->count, 2);
    site_set_free(s);
    (void)snprintf(file, sizeof file, "sites.d/%.*s.conf", SITE_NAME_MAX + 1, name);
    put(file, "MCP_SERVER_URI=https://m.example/mcp\n");
    s = load(NULL);
    assert_int_equal(s->config->count, 2);
    assert_int_equal(s->config->refused, 1);
    site_set_free(s);
}

static void a_reload_keeps_what_is_wrong_and_takes_the_others(void **state) {
    struct site_set *first, *second;

    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\n");
    put("sites.d/b.conf", "MCP_SERVER_URI=https://b.example/mcp\n");
    put("sites.d/c.conf", "MCP_SERVER_URI=https://c.example/mcp\n");
    first = load(NULL);
    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\nNO_KEY=1\n");
    put("sites.d/b.conf", "MCP_SERVER_URI=https://b.example/other\n");
    put("sites.d/d.conf", "MCP_SERVER_URI=https://c.example/mcp\n");
    second = load(first);
    assert_int_equal(second->config->count, 3);
    assert_int_equal(second->config->refused, 2);
    assert_ptr_equal(second->config->all[0].config, first->config->all[0].config);
    assert_ptr_equal(second->config->all[2].config, first->config->all[2].config);
    assert_true(second->config->all[1].is_new);
    site_set_free(first); /* what they share stays */
    assert_string_equal(site_at(state, second, "a.example", "/mcp"), "a");
    assert_string_equal(site_at(state, second, "b.example", "/other"), "b");
    assert_string_equal(site_at(state, second, "c.example", "/mcp"), "c");
    assert_int_equal(site_set_revert(second, 1, NULL, stderr), true);
    assert_string_equal(site_at(state, second, "b.example", "/other"), "(404)");
    site_set_free(second);
}

/* Of these a reload must see the text, or what is wrong. */
static void a_reload_reads_a_site_whose_other_files_have_changed(void **state) {
    struct site_set *first, *second, *third;

    put("mcp-authd.conf", arena_printf(*state, "%sDENY_FILE=%s/deny.conf\n", defaults, dir));
    put("sites.d/a.conf", arena_printf(*state,
                                       "MCP_SERVER_URI=https://a.example/mcp\n"
                                       "SERVER_INSTRUCTIONS_FILE=%s/text\n"
                                       "SECRET_KEY_FILE=%s/key\n",
                                       dir, dir));
    put("sites.d/b.conf", arena_printf(*state,
                                       "MCP_SERVER_URI=https://b.example/mcp\n"
                                       "ACCESS_FILE=%s/rules\n",
                                       dir));
    put("text", "first");
    first = load(NULL);
    put("text", "second");
    second = load(first);
    assert_string_equal(second->config->all[0].config->server.instructions, "second");
    assert_true(second->config->all[0].is_new);
    assert_false(second->config->all[1].is_new);
    put("deny.conf", "subject alice\n");
    third = load(second);
    assert_true(third->config->all[0].is_new && third->config->all[1].is_new);
    site_set_free(first);
    first = load(third);
    assert_false(first->config->all[0].is_new || first->config->all[1].is_new);
    site_set_free(second);
    put("rules", "deny tool:* *\n");
    second = load(first);
    assert_false(second->config->all[0].is_new);
    assert_true(second->config->all[1].is_new);
    site_set_free(first);
    put("key", "made by the site\n");
    first = load(second);
    assert_false(first->config->all[0].is_new);
    put("key", "changed by the admin\n");
    site_set_free(second);
    second = load(first);
    assert_true(second->config->all[0].is_new);
    site_set_free(first);
    site_set_free(second);
    site_set_free(third);
}

/* mcp-authd.conf is a site too if it says so. */
static void the_first_site_stays_when_others_come(void **state) {
    struct site_set *s;

    put("mcp-authd.conf", "MCP_SERVER_URI=https://m.example/mcp\nCOGNITO_USER_POOL_ID=eu-west-1_A\n"
                          "COGNITO_CLIENT_ID=c\nCOGNITO_DOMAIN=d\nSTATE_DIR=/srv/state\n"
                          "SECRET_KEY_FILE=/srv/key\n");
    put("sites.d/a.conf", "MCP_SERVER_URI=https://a.example/mcp\n");
    s = load(NULL);
    assert_int_equal(s->config->count, 2);
    assert_string_equal(site_at(state, s, "m.example", "/mcp"), "");
    assert_string_equal(site_at(state, s, "a.example", "/mcp"), "a");
    assert_string_equal(s->config->host->state_dir, "/srv/state");
    assert_string_equal(s->config->all[1].config->secret_key_file, "/srv/state/sites/a/secret.key");
    site_set_free(s);
}

/* A reload reads again what has changed only. Measured in CPU time, against the first load. */
static void a_reload_of_one_of_a_thousand_reads_one(void **state) {
    struct site_set *first, *second;
    char name[64], text[128];
    long began, all, one;
    unsigned fresh = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "sites.d/s%03d.conf", i);
        (void)snprintf(text, sizeof text, "MCP_SERVER_URI=https://s%03d.example/mcp\n", i);
        put(name, text);
    }
    began = cpu_us();
    first = load(NULL);
    all = cpu_us() - began;
    assert_int_equal(first->config->count, 1000);
    put("sites.d/s500.conf", "MCP_SERVER_URI=https://s500.example/new\n");
    began = cpu_us();
    second = load(first);
    one = cpu_us() - began;
    assert_int_equal(second->config->count, 1000);
    for (size_t i = 0; i < second->config->count; i++)
        fresh += second->config->all[i].is_new;
    assert_int_equal(fresh, 1);
    print_message("1000 sites: %ld us of CPU at the start, %ld at a reload of one\n", all, one);
    site_set_free(first);
    site_set_free(second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_site_files_all_is_as_ever, begin, end),
        cmocka_unit_test_setup_teardown(a_site_inherits_and_has_its_own, begin, end),
        cmocka_unit_test_setup_teardown(strings_of_a_site_are_in_its_block, begin, end),
        cmocka_unit_test_setup_teardown(sites_with_one_app_client_need_the_audience, begin, end),
        cmocka_unit_test_setup_teardown(host_and_path_choose, begin, end),
        cmocka_unit_test_setup_teardown(a_wrong_file_leaves_its_site_out_and_says_why, begin, end),
        cmocka_unit_test_setup_teardown(a_pool_of_its_own_needs_its_own_addresses, begin, end),
        cmocka_unit_test_setup_teardown(one_key_file_by_two_names_is_found, begin, end),
        cmocka_unit_test_setup_teardown(
            a_site_that_is_switched_off_is_not_served_though_it_is_the_last, begin, end),
        cmocka_unit_test_setup_teardown(many_conflicts_are_all_named_at_once, begin, end),
        cmocka_unit_test_setup_teardown(names_have_a_limit, begin, end),
        cmocka_unit_test_setup_teardown(a_reload_keeps_what_is_wrong_and_takes_the_others, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_reload_reads_a_site_whose_other_files_have_changed, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_first_site_stays_when_others_come, begin, end),
        cmocka_unit_test_setup_teardown(a_reload_of_one_of_a_thousand_reads_one, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

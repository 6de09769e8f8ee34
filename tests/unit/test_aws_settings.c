/* Region, endpoint and profile: what the environment and the shared files say. */
#include "unit.h"

#include "aws/endpoint.h"
#include "aws/profile.h"

static char folder[UNIT_PATH_MAX];

static const char *file(struct arena *a, const char *name, const char *text) {
    const char *path = arena_printf(a, "%s/%s", folder, name);

    file_write(path, text, 0600);
    return path;
}

static int start(void **state) {
    folder_make(folder);
    return arena_setup(state);
}

static int stop(void **state) {
    folder_remove(folder);
    return arena_teardown(state);
}

#define ENV(...) (&(const struct aws_env){(const char *const[]){__VA_ARGS__, NULL}})

/* An environment whose shared files are these. */
static const struct aws_env *with_files(struct arena *a, const char *config,
                                        const char *credentials, const char *more) {
    const char **vars = arena_alloc(a, 4 * sizeof *vars);
    struct aws_env *env = arena_alloc(a, sizeof *env);

    vars[0] = arena_printf(a, "AWS_CONFIG_FILE=%s", file(a, "config", config));
    vars[1] =
        arena_printf(a, "AWS_SHARED_CREDENTIALS_FILE=%s", file(a, "credentials", credentials));
    vars[2] = more;
    env->vars = vars;
    return env;
}

static const char *profile_value(struct arena *a, const struct aws_env *env, const char *key) {
    struct aws_profile p;
    struct err e = {0};

    assert_int_equal(aws_profile_load(a, env, &p, &e), OK);
    return aws_profile_get(&p, key);
}

/* ---- the files ---- */

static void a_variable_that_is_empty_is_not_there(void **state) {
    const struct aws_env *env = ENV("A=1", "AB=2", "C=", "D==");

    (void)state;
    assert_string_equal(aws_env_get(env, "A"), "1");
    assert_string_equal(aws_env_get(env, "AB"), "2");
    assert_null(aws_env_get(env, "C"));
    assert_string_equal(aws_env_get(env, "D"), "=");
    assert_null(aws_env_get(env, "E"));
}

static void the_files_are_read_as_sdks_read_them(void **state) {
    static const char config[] = "# comment\r\n"
                                 "; another\n"
                                 "[default]\n"
                                 "region = eu-west-1 # inline\n"
                                 "Output=json#no comment\n"
                                 "\n"
                                 "[profile  \"my work\"]\n"
                                 "region=us-east-1\n"
                                 "s3 =\n"
                                 "  addressing_style = path\n"
                                 "  region = not this\n"
                                 "long = one\n"
                                 "  two\n"
                                 "[profile default]\n"
                                 "region = eu-west-2\n"
                                 "[my work]\n"
                                 "region = not of a config file\n";
    const struct aws_env *env = with_files(*state, config, "", NULL);

    assert_string_equal(profile_value(*state, env, "region"), "eu-west-2");
    assert_null(
        profile_value(*state, env, "output")); /* [profile default] is there: no [default] */
    env = with_files(*state, "[profile other]\n[default]\nOutput=json#no comment\n", "", NULL);
    assert_string_equal(profile_value(*state, env, "output"), "json#no comment");
    env = with_files(*state, "[profile default]\n[default]\nregion=no\n", "", NULL);
    assert_null(profile_value(*state, env, "region"));
    env = with_files(*state, "", "[profile default]\nregion=no\n[default]\nregion=yes\n", NULL);
    assert_string_equal(profile_value(*state, env, "region"), "yes");
    env = with_files(*state, config, "", "AWS_PROFILE=my work");
    assert_string_equal(profile_value(*state, env, "region"), "us-east-1");
    assert_string_equal(profile_value(*state, env, "s3.addressing_style"), "path");
    assert_string_equal(profile_value(*state, env, "long"), "one");
    assert_null(profile_value(*state, env, "output"));
}

static void the_credentials_file_goes_first(void **state) {
    const struct aws_env *env =
        with_files(*state, "[default]\naws_access_key_id=config\nregion=x\n[profile b]\n",
                   "[default]\naws_access_key_id=credentials\n[profile b]\nregion=no\n", NULL);

    assert_string_equal(profile_value(*state, env, "aws_access_key_id"), "credentials");
    assert_string_equal(profile_value(*state, env, "region"), "x");
    env = with_files(*state, "[profile b]\n", "[profile b]\nregion=no\n", "AWS_PROFILE=b");
    assert_null(profile_value(*state, env, "region"));
}

static void the_home_directory_is_where_files_usually_are(void **state) {
    char *home = arena_printf(*state, "HOME=%s/home", folder);

    assert_int_equal(mkdir(home + 5, 0700), 0);
    assert_int_equal(mkdir(arena_printf(*state, "%s/.aws", home + 5), 0700), 0);
    file(*state, "home/.aws/config", "[default]\nregion = one\n");
    file(*state, "home/.aws/credentials", "[default]\naws_access_key_id = two\n");
    assert_string_equal(profile_value(*state, ENV(home), "region"), "one");
    assert_string_equal(profile_value(*state, ENV(home), "aws_access_key_id"), "two");
    file(*state, "config", "[default]\nregion = named\n");
    assert_string_equal(profile_value(*state, ENV(home, "AWS_CONFIG_FILE=~/../config"), "region"),
                        "named");
    assert_null(profile_value(*state, ENV("HOME=/nonexistent"), "region"));
    assert_null(profile_value(*state, ENV("AWS_CONFIG_FILE=/nonexistent"), "region"));
}

static void what_is_wrong_in_a_file_is_said_with_its_line(void **state) {
    static const char *const cases[][2] = {
        {"region = x\n", "line 1: before the first [section]"},
        {"[default\n", "line 1: a section begins with [ but has no ]"},
        {"[default]\n\nsecret-value\n", "line 3: neither [section] nor key = value"},
        {"[default]\n= secret-value\n", "line 2: a value without a key"},
        {"[default]\n"
         "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
         "k"
         "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk = 1\n",
         "line 2: a key is too long"},
        {"[default]\n  a = b\n", "line 2: indented, but not below a key"},
    };
    struct aws_profile p;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        const struct aws_env *env = with_files(*state, cases[i][0], "", NULL);
        assert_int_equal(aws_profile_load(*state, env, &p, &e), ERR_MISCONFIGURED);
        assert_non_null(strstr(e.text, cases[i][1]));
        assert_null(strstr(e.text, "secret-value"));
    }
}

static void a_profile_or_file_that_is_asked_for_must_be_there(void **state) {
    struct aws_profile p;
    struct err e = {0};
    const struct aws_env *env = with_files(*state, "[profile a]\n", "[b]\n", "AWS_PROFILE=c");

    assert_int_equal(aws_profile_load(*state, env, &p, &e), ERR_MISCONFIGURED);
    assert_non_null(strstr(e.text, "AWS_PROFILE names c"));
    env = with_files(*state, "[profile a]\n", "[b]\n", "AWS_PROFILE=b");
    assert_int_equal(aws_profile_load(*state, env, &p, &e), OK);
    env = ENV(arena_printf(*state, "AWS_CONFIG_FILE=%s/x", file(*state, "config", "")));
    assert_int_equal(aws_profile_load(*state, env, &p, &e), ERR_MISCONFIGURED);
    env = ENV("AWS_CONFIG_FILE=/"); /* a directory: there, but no file that can be read */
    assert_int_equal(aws_profile_load(*state, env, &p, &e), ERR_MISCONFIGURED);
}

/* ---- region ---- */

static const char *region(struct arena *a, const struct aws_env *env, const char *fallback) {
    const char *out = NULL;
    struct err e = {0};

    assert_int_equal(aws_region(a, env, fallback, &out, &e), OK);
    return out;
}

static void the_region_has_an_order(void **state) {
    const struct aws_env *files = with_files(*state, "[default]\nregion=eu-west-3\n", "", NULL);

    assert_string_equal(
        region(*state, ENV("AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=eu-west-1"), "us-east-1"),
        "eu-west-1");
    assert_string_equal(region(*state, ENV("AWS_DEFAULT_REGION=eu-west-2"), "us-east-1"),
                        "eu-west-2");
    assert_string_equal(region(*state, files, "us-east-1"), "eu-west-3");
    assert_string_equal(region(*state, ENV("A=1"), "us-east-1"), "us-east-1");
}

static void what_is_no_region_is_refused(void **state) {
    static const char *const bad[] = {"AWS_REGION=eu west", "AWS_REGION=evil.example/x",
                                      "AWS_REGION=-a", "AWS_REGION=a-", "AWS_REGION=EU-WEST-1"};
    const char *out;
    struct err e = {0};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(aws_region(*state, ENV(bad[i]), NULL, &out, &e), ERR_MISCONFIGURED);
    assert_int_equal(aws_region(*state, ENV("A=1"), NULL, &out, &e), ERR_MISCONFIGURED);
    assert_int_equal(aws_region(*state, ENV("A=1"), "", &out, &e), ERR_MISCONFIGURED);
}

/* ---- endpoint ---- */

static struct aws_endpoint endpoint(struct arena *a, const struct aws_env *env,
                                    const char *of_region) {
    struct aws_endpoint out = {0};
    struct err e = {0};

    assert_int_equal(aws_endpoint(a, &(struct aws_lookup){env, of_region, "dynamodb"}, &out, &e),
                     OK);
    return out;
}

static void each_partition_has_its_addresses(void **state) {
    static const char *const cases[][5] = {
        /* region, usual, FIPS, dual stack, both */
        {"us-east-1", "dynamodb.us-east-1.amazonaws.com", "dynamodb-fips.us-east-1.amazonaws.com",
         "dynamodb.us-east-1.api.aws", "dynamodb-fips.us-east-1.api.aws"},
        {"cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn",
         "dynamodb-fips.cn-north-1.amazonaws.com.cn",
         "dynamodb.cn-north-1.api.amazonwebservices.com.cn",
         "dynamodb-fips.cn-north-1.api.amazonwebservices.com.cn"},
        {"us-gov-west-1", "dynamodb.us-gov-west-1.amazonaws.com",
         "dynamodb.us-gov-west-1.amazonaws.com", "dynamodb.us-gov-west-1.api.aws",
         "dynamodb-fips.us-gov-west-1.api.aws"},
        {"eusc-de-east-1", "dynamodb.eusc-de-east-1.amazonaws.eu",
         "dynamodb-fips.eusc-de-east-1.amazonaws.eu",
         "dynamodb.eusc-de-east-1.api.amazonwebservices.eu",
         "dynamodb-fips.eusc-de-east-1.api.amazonwebservices.eu"},
        {"us-iso-east-1", "dynamodb.us-iso-east-1.c2s.ic.gov",
         "dynamodb-fips.us-iso-east-1.c2s.ic.gov", "dynamodb.us-iso-east-1.api.aws.ic.gov",
         "dynamodb-fips.us-iso-east-1.api.aws.ic.gov"},
        {"us-isob-east-1", "dynamodb.us-isob-east-1.sc2s.sgov.gov",
         "dynamodb-fips.us-isob-east-1.sc2s.sgov.gov", "dynamodb.us-isob-east-1.api.aws.scloud",
         "dynamodb-fips.us-isob-east-1.api.aws.scloud"},
        {"eu-isoe-west-1", "dynamodb.eu-isoe-west-1.cloud.adc-e.uk",
         "dynamodb-fips.eu-isoe-west-1.cloud.adc-e.uk",
         "dynamodb.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
         "dynamodb-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
        {"us-isof-south-1", "dynamodb.us-isof-south-1.csp.hci.ic.gov",
         "dynamodb-fips.us-isof-south-1.csp.hci.ic.gov",
         "dynamodb.us-isof-south-1.api.aws.hci.ic.gov",
         "dynamodb-fips.us-isof-south-1.api.aws.hci.ic.gov"},
        {"xx-new-1", "dynamodb.xx-new-1.amazonaws.com", "dynamodb-fips.xx-new-1.amazonaws.com",
         "dynamodb.xx-new-1.api.aws", "dynamodb-fips.xx-new-1.api.aws"},
    };
    static const char fips[] = "AWS_USE_FIPS_ENDPOINT=true";
    static const char dual[] = "AWS_USE_DUALSTACK_ENDPOINT=TRUE";

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *c = cases[i];
        struct aws_endpoint usual = endpoint(*state, ENV("A=1"), c[0]);
        assert_string_equal(usual.host, c[1]);
        assert_string_equal(usual.path, "/");
        assert_string_equal(usual.url, arena_printf(*state, "https://%s/", c[1]));
        assert_string_equal(endpoint(*state, ENV(fips), c[0]).host, c[2]);
        assert_string_equal(endpoint(*state, ENV(dual), c[0]).host, c[3]);
        assert_string_equal(endpoint(*state, ENV(fips, dual), c[0]).host, c[4]);
    }
}

static void a_configured_endpoint_has_an_order(void **state) {
    static const char config[] = "[default]\nservices = here\nendpoint_url = http://four.example\n"
                                 "[services here]\ns3 =\n  endpoint_url = http://s3.example\n"
                                 "dynamodb =\n  endpoint_url = http://three.example\n"
                                 "[profile plain]\nendpoint_url = http://four.example\n"
                                 "[profile ignoring]\nendpoint_url = http://four.example\n"
                                 "ignore_configured_endpoint_urls = true\n"
                                 "use_fips_endpoint = true\n";
    const struct aws_env *env = with_files(*state, config, "", NULL);
    struct aws_endpoint sts;
    struct err e = {0};

    assert_string_equal(endpoint(*state,
                                 ENV("AWS_ENDPOINT_URL=http://two.example",
                                     "AWS_ENDPOINT_URL_DYNAMODB=http://one.example"),
                                 "us-east-1")
                            .url,
                        "http://one.example/");
    assert_string_equal(
        endpoint(*state, ENV("AWS_ENDPOINT_URL=http://two.example"), "us-east-1").url,
        "http://two.example/");
    assert_string_equal(endpoint(*state, env, "us-east-1").url, "http://three.example/");
    assert_int_equal(aws_endpoint(*state, &(struct aws_lookup){env, "us-east-1", "sts"}, &sts, &e),
                     OK);
    assert_string_equal(sts.url, "http://four.example/");
    env = with_files(*state, config, "", "AWS_PROFILE=plain");
    assert_string_equal(endpoint(*state, env, "us-east-1").url, "http://four.example/");
    env = with_files(*state, config, "", "AWS_PROFILE=ignoring");
    assert_string_equal(endpoint(*state, env, "us-east-1").url,
                        "https://dynamodb-fips.us-east-1.amazonaws.com/");
    assert_string_equal(endpoint(*state,
                                 ENV("AWS_ENDPOINT_URL=http://two.example",
                                     "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"),
                                 "us-east-1")
                            .url,
                        "https://dynamodb.us-east-1.amazonaws.com/");
}

static void a_configured_endpoint_may_have_port_and_path(void **state) {
    static const char *const cases[][4] = {
        {"AWS_ENDPOINT_URL=http://127.0.0.1:8000", "http://127.0.0.1:8000/", "127.0.0.1:8000", "/"},
        {"AWS_ENDPOINT_URL=http://LocalHost:80/", "http://localhost/", "localhost", "/"},
        {"AWS_ENDPOINT_URL=https://a.example:443/odd/path", "https://a.example/odd/path/",
         "a.example", "/odd/path/"},
        {"AWS_ENDPOINT_URL=http://[::1]:8000//x//", "http://[::1]:8000/x/", "[::1]:8000", "/x/"},
        {"AWS_ENDPOINT_URL=http://a.example/b/./c/../d%7e", "http://a.example/b/d~/", "a.example",
         "/b/d~/"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct aws_endpoint out = endpoint(*state, ENV(cases[i][0]), "us-east-1");
        assert_string_equal(out.url, cases[i][1]);
        assert_string_equal(out.host, cases[i][2]);
        assert_string_equal(out.path, cases[i][3]);
    }
}

static void what_cannot_be_an_endpoint_is_refused(void **state) {
    static const char *const bad[] = {
        "AWS_ENDPOINT_URL=localhost:8000",
        "AWS_ENDPOINT_URL=ftp://a.example",
        "AWS_ENDPOINT_URL=http://u@a.example",
        "AWS_ENDPOINT_URL=http://a.example/?q",
        "AWS_ENDPOINT_URL=http://a.example/#f",
        "AWS_ENDPOINT_URL=http://",
        "AWS_USE_FIPS_ENDPOINT=yes",
        "AWS_USE_DUALSTACK_ENDPOINT=1",
    };
    struct aws_endpoint out;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {0};
        const char *name = arena_strndup(*state, bad[i], strcspn(bad[i], "="));
        assert_int_equal(aws_endpoint(*state,
                                      &(struct aws_lookup){ENV(bad[i]), "us-east-1", "dynamodb"},
                                      &out, &e),
                         ERR_MISCONFIGURED);
        assert_non_null(strstr(e.text, name));
    }
}

static void sts_is_regional(void **state) {
    struct aws_endpoint out;
    struct err e = {0};

    assert_int_equal(
        aws_endpoint(*state,
                     &(struct aws_lookup){ENV("AWS_ENDPOINT_URL_DYNAMODB=http://x.example"),
                                          "cn-north-1", "sts"},
                     &out, &e),
        OK);
    assert_string_equal(out.url, "https://sts.cn-north-1.amazonaws.com.cn/");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_variable_that_is_empty_is_not_there),
        CASE(the_files_are_read_as_sdks_read_them),
        CASE(the_credentials_file_goes_first),
        CASE(the_home_directory_is_where_files_usually_are),
        CASE(what_is_wrong_in_a_file_is_said_with_its_line),
        CASE(a_profile_or_file_that_is_asked_for_must_be_there),
        CASE(the_region_has_an_order),
        CASE(what_is_no_region_is_refused),
        CASE(each_partition_has_its_addresses),
        CASE(a_configured_endpoint_has_an_order),
        CASE(a_configured_endpoint_may_have_port_and_path),
        CASE(what_cannot_be_an_endpoint_is_refused),
        CASE(sts_is_regional),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

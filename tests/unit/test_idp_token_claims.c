/* Access tokens: the claims. */
#include "unit.h"

#include "token_fixture.h"

/* ---- what is accepted ---- */

static void a_token_as_cognito_sends_it_is_accepted(void **state) {
    struct err e = {0};
    const struct token_claims *out = verify(with_claims(CLAIMS), key, &e);

    (void)state;
    assert_non_null(out);
    assert_string_equal(out->sub, "user-1");
    assert_string_equal(out->username, "alice");
    assert_string_equal(out->client_id, "client-1");
    assert_string_equal(out->scope, "openid mcp-server/tools");
    assert_string_equal(out->jti, "j-1");
    assert_int_equal(out->exp, NOW + 3600);
    assert_int_equal(out->iat, NOW);
    assert_string_equal(out->groups, "[]");
    assert_string_equal(out->all, CLAIMS);
}

static void groups_are_those_that_have_a_name(void **state) {
    static const struct {
        const char *claim, *groups;
    } cases[] = {
        {"[\"staff\",\"a b\"]", "[\"staff\",\"a b\"]"},
        {"[]", "[]"},
        {"[\"staff\",7,null,[\"x\"],{}]", "[\"staff\"]"},
        {"\"staff\"", "[]"},
        {"{\"staff\":true}", "[]"},
        {"null", "[]"},
    };
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *claims = arena_printf(a, CLAIMS_AND("\"cognito:groups\":%s"), cases[i].claim);
        const struct token_claims *out = verify(with_claims(claims), key, &e);

        assert_non_null(out);
        assert_string_equal(out->groups, cases[i].groups);
        assert_string_equal(out->all, claims);
    }
}

static void claims_that_are_absent_are_empty(void **state) {
    const struct token_claims *out;
    struct err e = {0};
    char *token =
        with_claims("{\"sub\":\"u\",\"iss\":\"" ISSUER "\",\"client_id\":\"client-1\","
                    "\"token_use\":\"access\",\"exp\":1800003600,\"scope\":[\"openid\"]}");

    (void)state;
    out = verify(token, key, &e);
    assert_non_null(out);
    assert_string_equal(out->username, "");
    assert_string_equal(out->scope, ""); /* of another type: as if it were not there */
    assert_string_equal(out->jti, "");
    assert_int_equal(out->iat, 0);
}

static void a_provider_names_the_claims_of_user_and_client(void **state) {
    struct idp_provider other = idp_cognito;
    struct token_expect expect_other = expect;
    const struct token_claims *out;
    struct jws read;
    struct err e = {0};

    (void)state;
    other.username_claim = "preferred_username";
    other.client_claim = "azp";
    other.groups_claim = NULL;
    expect_other.provider = &other;
    assert_int_equal(access_token_read(a,
                                       with_claims(CLAIMS_AND(
                                           "\"preferred_username\":\"bob\",\"azp\":\"client-2\","
                                           "\"cognito:groups\":[\"staff\"]")),
                                       &read, &e),
                     OK);
    out = access_token_claims(a, &read, &expect_other, &e);
    assert_non_null(out);
    assert_string_equal(out->groups, "[]"); /* this one has no claim for them */
    assert_string_equal(out->username, "bob");
    assert_string_equal(out->client_id, "client-2");
}

static void an_audience_may_be_required(void **state) {
    static const struct {
        const char *more, *why; /* NULL: it is accepted */
    } cases[] = {
        {"\"x\":1", "the token names no resource (aud) that it is for"},
        {"\"aud\":\"client-1\"", "the token was issued for another resource"},
        {"\"aud\":\"https://mcp.example.com/mcp/\"", "the token was issued for another resource"},
        {"\"aud\":[\"client-1\",\"https://other.example/\"]",
         "the token was issued for another resource"},
        {"\"aud\":\"https://mcp.example.com/mcp\"", NULL},
        {"\"aud\":[\"client-1\",\"https://mcp.example.com/mcp\"]", NULL},
    };
    struct token_expect strict = expect;

    (void)state;
    strict.needs_audience = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text =
            arena_printf(a, CLAIMS_BUT("\"token_use\":\"access\"," TIMES ",%s"), cases[i].more);
        const struct token_claims *out;
        struct jws read;
        struct err e = {0};

        assert_int_equal(access_token_read(a, with_claims(text), &read, &e), OK);
        out = access_token_claims(a, &read, &strict, &e);
        if (cases[i].why)
            assert_string_equal(e.text, cases[i].why);
        assert_int_equal(out != NULL, cases[i].why == NULL);
    }
}

/* ---- the claims ---- */

static void an_expired_token_is_refused(void **state) {
    (void)state;
    is_refused(with_times("\"exp\":1"), "the token has expired");
    is_refused(with_times("\"exp\":1799999970"), "the token has expired"); /* now - leeway */
    is_accepted(with_times("\"exp\":1799999971"));
    is_refused(with_times("\"exp\":-1"), "the token has expired");
    is_refused(with_times("\"exp\":-9223372036854775808"), "the token has expired");
}

static void a_time_of_expiry_must_be_a_number(void **state) {
    static const char *const times[] = {"\"iat\":1800000000", "\"exp\":\"1800003600\"",
                                        "\"exp\":null",       "\"exp\":1e400",
                                        "\"exp\":true",       "\"exp\":[1800003600]"};

    (void)state;
    is_accepted(with_times("\"exp\":1800003600.5,\"nbf\":1800000030.5,\"iat\":1800000030.5"));
    is_refused(with_times("\"exp\":1799999970.5"), "the token has expired");
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        is_refused(with_times(times[i]), "the token has no time of expiry");
}

static void a_token_from_the_future_is_refused(void **state) {
    (void)state;
    is_accepted(with_times("\"exp\":1800003600,\"nbf\":1800000030,\"iat\":1800000030"));
    is_refused(with_times("\"exp\":1800003600,\"nbf\":1800000031"), "the token is not valid yet");
    is_refused(with_times("\"exp\":1800003600,\"iat\":1800000031"),
               "the token was issued in the future");
    is_refused(with_times("\"exp\":1800003600,\"nbf\":\"1\""), "the token is not valid yet");
    is_refused(with_times("\"exp\":1800003600,\"nbf\":null"), "the token is not valid yet");
    is_refused(with_times("\"exp\":1800003600,\"iat\":{}"), "the token was issued in the future");
}

static void an_id_token_is_refused(void **state) {
    (void)state;
    is_refused(with_claims(CLAIMS_BUT("\"token_use\":\"id\"," TIMES)),
               "the token is not an access token");
    is_refused(with_claims(CLAIMS_BUT("\"token_use\":\"Access\"," TIMES)),
               "the token is not an access token");
    is_refused(with_claims(CLAIMS_BUT(TIMES)), "the token is not an access token");
}

static void another_issuer_is_refused(void **state) {
    static const char *const issuers[] = {
        "\"" ISSUER "/\"",
        "\"" ISSUER "2\"",
        "\"https://evil.example\"",
        "\"HTTPS://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1\"",
        "\"\"",
        "null",
        "1",
        "[\"" ISSUER "\"]"};

    (void)state;
    for (size_t i = 0; i < sizeof issuers / sizeof *issuers; i++)
        is_refused(with_claims(arena_printf(a,
                                            "{\"sub\":\"u\",\"iss\":%s,\"client_id\":\"client-1\","
                                            "\"token_use\":\"access\"," TIMES "}",
                                            issuers[i])),
                   "the token's issuer is not accepted");
}

static void another_client_is_refused(void **state) {
    static const char *const clients[] = {"\"client_id\":\"client-2\",", "\"client_id\":\"\",", "",
                                          "\"client_id\":[\"client-1\"],", "\"azp\":\"client-1\","};

    (void)state;
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
        is_refused(with_claims(arena_printf(a,
                                            "{\"sub\":\"u\",\"iss\":\"" ISSUER "\",%s"
                                            "\"token_use\":\"access\"," TIMES "}",
                                            clients[i])),
                   "the token was issued for another client");
}

/* Tokens with a user of app clients for users, without one of those for programs. */
static void other_clients_may_be_listed(void **state) {
#define OF(sub, client, username)                                                                  \
    "{\"sub\":\"" sub "\",\"iss\":\"" ISSUER "\",\"client_id\":\"" client "\"," username           \
    "\"token_use\":\"access\"," TIMES "}"
#define ALICE "\"username\":\"alice\","
    static const struct {
        const char *claims;
        bool good;
    } cases[] = {
        {OF("user-1", "client-1", ALICE), true}, {OF("user-1", "other", ALICE), true},
        {OF("user-1", "limited", ALICE), true},  {OF("user-1", "limited=5", ALICE), false},
        {OF("user-1", "machine", ALICE), false}, {OF("user-1", "stranger", ALICE), false},
        {OF("machine", "machine", ""), true},    {OF("machine", "machine", ALICE), false},
        {OF("other", "other", ""), false},       {OF("client-1", "client-1", ""), false},
        {OF("stranger", "stranger", ""), false}, {OF("machine", "other", ""), true},
        {OF("other", "machine", ""), false},
    };
    struct token_expect lists = expect;

    (void)state;
    lists.client_ids = "other limited=5";
    lists.machine_client_ids = "machine=7";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        struct jws read;

        assert_int_equal(access_token_read(a, with_claims(cases[i].claims), &read, &e), OK);
        assert_int_equal(access_token_claims(a, &read, &lists, &e) != NULL, cases[i].good);
        if (!cases[i].good)
            assert_string_equal(e.text, "the token was issued for another client");
    }
}

static void an_audience_must_be_ours(void **state) {
    static const char *const ours[] = {
        "\"https://mcp.example.com/mcp\"", "\"client-1\"",
        "[\"https://other.example\",\"https://mcp.example.com/mcp\"]", "[null,\"client-1\"]"};
    static const char *const others[] = {"\"https://mcp.example.com/mcp/\"",
                                         "\"https://other.example\"",
                                         "[]",
                                         "null",
                                         "\"\"",
                                         "[\"https://other.example\"]",
                                         "{\"https://mcp.example.com/mcp\":1}",
                                         "[[\"client-1\"]]"};

    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        is_accepted(with_claims(arena_printf(a, CLAIMS_AND("\"aud\":%s"), ours[i])));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        is_refused(with_claims(arena_printf(a, CLAIMS_AND("\"aud\":%s"), others[i])),
                   "the token was issued for another resource");
}

static void a_subject_must_be_there(void **state) {
    static const char *const subjects[] = {"", "\"sub\":\"\",", "\"sub\":1,", "\"sub\":null,"};

    (void)state;
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        is_refused(with_claims(arena_printf(a,
                                            "{%s\"iss\":\"" ISSUER "\",\"client_id\":\"client-1\","
                                            "\"token_use\":\"access\"," TIMES "}",
                                            subjects[i])),
                   "the token has no subject");
}

static void nothing_expected_is_not_anything_goes(void **state) {
    struct token_expect nothing = {.provider = &idp_cognito, .now_s = NOW};
    struct err e = {0};
    struct jws read;

    (void)state;
    assert_int_equal(access_token_read(a, with_claims(CLAIMS), &read, &e), OK);
    assert_null(access_token_claims(a, &read, &nothing, &e));
    assert_int_equal(e.code, ERR_INVALID_TOKEN);
}

static void a_claim_can_be_read_without_checking(void **state) {
    const struct json *claims = access_token_unverified(a, with_claims(CLAIMS));

    (void)state;
    assert_string_equal(json_get_str(claims, "scope"), "openid mcp-server/tools");
    assert_null(json_get_str(claims, "exp"));
    assert_null(json_get_str(claims, "none"));
    assert_null(access_token_unverified(a, "opaque"));
    assert_null(access_token_unverified(a, "a.!.c"));
    assert_null(access_token_unverified(a, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_as_cognito_sends_it_is_accepted),
        cmocka_unit_test(groups_are_those_that_have_a_name),
        cmocka_unit_test(claims_that_are_absent_are_empty),
        cmocka_unit_test(a_provider_names_the_claims_of_user_and_client),
        cmocka_unit_test(an_audience_may_be_required),
        cmocka_unit_test(an_expired_token_is_refused),
        cmocka_unit_test(a_time_of_expiry_must_be_a_number),
        cmocka_unit_test(a_token_from_the_future_is_refused),
        cmocka_unit_test(an_id_token_is_refused),
        cmocka_unit_test(another_issuer_is_refused),
        cmocka_unit_test(another_client_is_refused),
        cmocka_unit_test(other_clients_may_be_listed),
        cmocka_unit_test(an_audience_must_be_ours),
        cmocka_unit_test(a_subject_must_be_there),
        cmocka_unit_test(nothing_expected_is_not_anything_goes),
        cmocka_unit_test(a_claim_can_be_read_without_checking),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}

/* What a login at Cognito is asked with. Its configuration keys are in test_config.c, its tokens in
 * test_idp_token_claims.c. */
#include "unit.h"

#include "idp/idp.h"
#include "web/request.h"

static const struct config config = {
    .idp = {.authorize_url = "https://login.example.com/oauth2/authorize", .client_id = "app-1"},
};

/* What is made of a query; NULL: it is refused, and *e says why. */
static const char *parameters(struct arena *a, const char *query, const char *scope,
                              struct err *e) {
    const char *out = NULL;
    struct form f;

    assert_int_equal(form_parse(a, query, strlen(query), &f, e), OK);
    return idp_login_parameters(idp_provider_of(&config), a, &(struct login_request){&f, scope},
                                &out, e)
               ? NULL
               : out;
}

static void become(struct arena *a, const char *query, const char *scope, const char *expected) {
    struct err e = {0};
    const char *out = parameters(a, query, scope, &e);

    if (!out)
        fail_msg("refused: %s", e.text);
    assert_string_equal(out, expected);
}

static void what_cognito_knows_is_passed_on(void **state) {
    become(*state, "", "openid", "");
    become(*state, "prompt=login&login_hint=a%40b&identity_provider=Google&idp_identifier=x", "",
           "prompt=login&login_hint=a%40b&identity_provider=Google&idp_identifier=x");
    become(*state, "prompt=consent+create&claims=x&max_age=5", "openid", "");
    become(*state, "ui_locales=fr-CA+de", "", "lang=fr");
    become(*state, "ui_locales=xx+pt-br", "", "lang=pt-BR");
    become(*state, "ui_locales=xx", "", "");
}

/* OpenID Connect Core §11 */
static void offline_access_asks_for_consent(void **state) {
    become(*state, "", "openid offline_access", "prompt=consent");
    become(*state, "prompt=login", "openid offline_access", "prompt=login%20consent");
    become(*state, "prompt=none", "openid offline_access", "prompt=none");
}

static void what_contradicts_itself_or_is_no_text_is_refused(void **state) {
    char *longer = arena_alloc(*state, 400);
    struct err e = {0};

    assert_null(parameters(*state, "prompt=none+login", "", &e));
    assert_string_equal(e.text, "prompt=none stands alone");
    assert_null(parameters(*state, "login_hint=a%0Ab", "", &e));
    assert_string_equal(e.text, "login_hint has a control character");
    memcpy(longer, "idp_identifier=", 15);
    memset(longer + 15, 'x', 257);
    assert_null(parameters(*state, longer, "", &e));
    assert_string_equal(e.text, "idp_identifier is longer than 256 bytes");
    assert_int_equal(e.code, ERR_INVALID_REQUEST);
}

/* The longest that can come of it, in both steps. */
static void nothing_is_cut_off(void **state) {
    char *query = arena_alloc(*state, 8000), *end = query;
    static const char *const names[] = {"login_hint", "identity_provider", "idp_identifier"};
    struct err e = {0};
    const char *made, *url;

    for (size_t i = 0; i < 3; i++) {
        end += sprintf(end, "%s%s=", i ? "&" : "", names[i]);
        for (int n = 0; n < 256; n++)
            end += sprintf(end, "%%22");
    }
    made = parameters(*state, query, "", &e);
    assert_non_null(made);
    assert_int_equal(strlen(made), strlen(query));
    url = idp_authorization_url(
        &config, *state,
        &(struct idp_login){"https://c/cb", "openid", "s", "ch", made, false, NULL});
    assert_string_equal(url + strlen(url) - strlen(made), made);
}

static void the_authorization_url(void **state) {
    assert_string_equal(
        idp_authorization_url(
            &config, *state,
            &(struct idp_login){.redirect_uri = "https://mcp.example.com/callback",
                                .scope = "openid x",
                                .state = "s",
                                .code_challenge = "c",
                                .parameters = "prompt=login"}),
        "https://login.example.com/oauth2/authorize?response_type=code&client_id=app-1"
        "&redirect_uri=https%3A%2F%2Fmcp.example.com%2Fcallback&scope=openid%20x&state=s"
        "&code_challenge=c&code_challenge_method=S256&prompt=login");
}

/* At Cognito by way of /logout, at another provider by OpenID Connect's parameter; not with what
 * the client asked for the account that it knows. */
static void another_account_is_asked_for(void **state) {
    static const struct idp_login login = {.redirect_uri = "https://c/cb",
                                           .scope = "openid",
                                           .state = "s",
                                           .code_challenge = "c",
                                           .parameters = "login_hint=alice",
                                           .other_account = true};
    static const char rest[] =
        "?response_type=code&client_id=app-1&redirect_uri=https%3A%2F%2Fc%2F"
        "cb&scope=openid&state=s&code_challenge=c&code_challenge_method=S256";
    struct config c = config;
    const char *url;

    c.idp.logout_url = "https://login.example.com/logout";
    url = idp_authorization_url(&c, *state, &login);
    assert_string_equal(url, arena_printf(*state, "%s%s", c.idp.logout_url, rest));
    c.idp.logout_url = "";
    url = idp_authorization_url(&c, *state, &login);
    assert_string_equal(
        url, arena_printf(*state, "%s%s&prompt=select_account", c.idp.authorize_url, rest));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(what_cognito_knows_is_passed_on),
        WITH_ARENA(offline_access_asks_for_consent),
        WITH_ARENA(what_contradicts_itself_or_is_no_text_is_refused),
        WITH_ARENA(nothing_is_cut_off),
        WITH_ARENA(the_authorization_url),
        WITH_ARENA(another_account_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "idp/idp.h"

#include "base/url.h"
#include "config/loading.h"
#include "idp/key_set.h"
#include "shared/concurrency_limit.h"

#define AUTHORIZATION_URL_MAX 32768 /* scopes and parameters are percent-encoded */

/* The first whose keys are set is used. The last one also serves other OpenID providers, by their
 * addresses. */
static const struct idp_provider *const providers[] = {&idp_cognito};

const struct idp_provider *idp_provider_of(const struct config *config) {
    size_t i = 0;

    while (providers[i]->is_configured && !providers[i]->is_configured(config))
        i++;
    return providers[i];
}

void idp_check_config(struct loading *l) {
    idp_provider_of(l->c)->configure(l);
}

void idp_open(struct idp *idp, struct cache *cache) {
    const struct config *c = idp->config;

    idp->provider = idp_provider_of(c);
    if (idp->http && *c->idp.issuer) /* a service that only gives tokens out may not know it */
        idp->keys = keyset_new(c->idp.jwks_url, idp->http, cache, idp->clock);
}

void idp_close(struct idp *idp) {
    keyset_free(idp->keys);
    idp->keys = NULL;
}

/* ---- logging in ---- */

enum rc idp_login_parameters(const struct idp_provider *provider, struct arena *a,
                             const struct login_wishes *wishes, const char **out, struct err *e) {
    struct buf b;

    buf_init(&b, a, IDP_PARAMETERS_MAX);
    if (provider->login_parameters(wishes, &b, e))
        return e->code;
    *out = b.p;
    return OK;
}

const char *idp_authorization_url(const struct config *config, struct arena *a,
                                  const struct idp_login *login) {
    struct buf b;

    buf_init(&b, a, AUTHORIZATION_URL_MAX);
    buf_adds(&b, config->idp.authorize_url);
    url_add_param(&b, "response_type", "code");
    url_add_param(&b, "client_id", config->idp.client_id);
    url_add_param(&b, "redirect_uri", login->redirect_uri);
    url_add_param(&b, "scope", login->scope);
    url_add_param(&b, "state", login->state);
    url_add_param(&b, "code_challenge", login->code_challenge);
    url_add_param(&b, "code_challenge_method", "S256");
    if (*login->parameters)
        buf_addf(&b, "&%s", login->parameters);
    return b.p;
}

enum rc idp_wait_begin(struct idp *idp, struct err *e) {
    return concurrency_limit_enter(idp->limit)
               ? err_set(e, ERR_UPSTREAM, "the identity provider does not answer; try again later")
               : OK;
}

void idp_wait_end(struct idp *idp) {
    concurrency_limit_leave(idp->limit, true);
}

/* ---- access tokens ---- */

const struct token_claims *idp_verify(const struct idp *idp, struct arena *a, const char *token,
                                      const char *resource, struct err *e) {
    const struct jwk *key;
    struct jws read;

    if (access_token_read(a, token, &read, e) || keyset_find(idp->keys, read.kid, &key, e))
        return NULL;
    return access_token_verify(a, &read, key,
                               &(struct token_expect){.provider = idp->provider,
                                                      .issuer = idp->config->idp.issuer,
                                                      .client_id = idp->config->idp.client_id,
                                                      .resource = resource,
                                                      .now_s = clock_now_s(idp->clock)},
                               e);
}

bool idp_may_lack_key(const struct idp *idp, struct arena *a, const char *token) {
    struct err ignored;
    struct jws read;

    return !access_token_read(a, token, &read, &ignored) && keyset_may_lack(idp->keys, read.kid);
}

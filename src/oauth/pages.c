#include "oauth/pages.h"

#include "base/base.h"
#include "base/url.h"
#include "config/config.h"
#include "oauth/browser.h"
#include "oauth/clients.h"
#include "oauth/site.h"
#include "pages/display_name.h"
#include "pages/page.h"

#define SCOPES_SHOWN_MAX 64

static const char *scope_words(struct arena *a, const struct request *rq, const char *scope) {
    const struct language *l = language_choose(request_header(rq, "accept-language"));
    const char *words = language_text(l, arena_printf(a, "scope.%s", scope));

    return words ? words : "";
}

/* Each scope with its words, or without if we have none for it. */
static const struct template_value *const *scope_items(struct arena *a, const struct request *rq,
                                                       const char *scopes) {
    const struct template_value **items =
        arena_alloc(a, (SCOPES_SHOWN_MAX + 1) * sizeof(struct template_value *));
    char *copy = arena_strdup(a, scopes), *save = NULL;
    size_t n = 0;

    for (char *w = strtok_r(copy, " ", &save); w && n < SCOPES_SHOWN_MAX;
         w = strtok_r(NULL, " ", &save)) {
        struct template_value *v = arena_alloc(a, 3 * sizeof *v);

        v[0] = (struct template_value){"scope", w};
        v[1] = (struct template_value){"scope_words", scope_words(a, rq, w)};
        items[n++] = v;
    }
    return items;
}

static const char *host_of(struct arena *a, const char *uri) {
    struct url u;
    struct err e;

    return url_parse(a, uri, &u, &e) || !u.host ? "" : u.host;
}

/* Where the answer goes, as a person can judge it: the host, or the scheme of an app. */
struct destination {
    const char *name;
    bool loopback, app;
};

static struct destination destination_of(struct arena *a, const char *redirect_uri) {
    struct url u;
    struct err e;

    if (url_parse(a, redirect_uri, &u, &e))
        return (struct destination){.name = redirect_uri};
    if (strcmp(u.scheme, "https") != 0 && strcmp(u.scheme, "http") != 0)
        return (struct destination){.name = u.scheme, .app = true};
    /* MCP authorization, "Localhost Redirect URI Risks": such a client cannot be told from another
     * program on the same computer. */
    return (struct destination){.name = u.host, .loopback = url_is_loopback(&u)};
}

/* The address without its scheme: a person knows what a login page is for by host and path. */
static const char *server_address(struct arena *a, const char *uri) {
    const char *address = strstr(uri, "://") + 3;
    size_t len = strlen(address);

    return arena_strndup(a, address, address[len - 1] == '/' ? len - 1 : len);
}

static const char *yes_if(bool condition) {
    return condition ? "yes" : "";
}

void page_consent(struct exchange *x, const struct login *login, const char *sealed) {
    struct arena *a = x->rp->arena;
    const struct config *c = x->site->config;
    const struct destination to = destination_of(a, login->redirect_uri);
    const bool pinned = client_is_pinned(x->site, login->client_id);
    const bool trusted = client_is_trusted(x->site, a, login->client_id);
    const struct template_list scopes = {"scopes", scope_items(a, x->rq, login->scope)};
    const struct template_value values[] = {
        {"server_host", host_of(a, c->mcp_server_uri)},
        {"server_uri", c->mcp_server_uri},
        {"server_address", server_address(a, c->mcp_server_uri)},
        {"client_host", login->client_host},
        {"client_id", login->client_id},
        {"pinned", yes_if(!*login->client_host && pinned)},
        {"unchecked", yes_if(!*login->client_host && !pinned)},
        {"client_name", display_name(a, login->client_name)},
        {"redirect_host", to.name},
        {"web", yes_if(!to.loopback && !to.app)},
        {"app", yes_if(to.app)},
        {"loopback", yes_if(to.loopback)},
        {"caution", yes_if(!trusted || to.loopback || to.app)},
        {"must_confirm", yes_if(!trusted)},
        {"action", arena_printf(a, "%s/authorize", c->auth_path)},
        {"request", sealed},
        {"can_remember", yes_if(consent_cookie_may_have(x->site, a, login))},
        {"remember_days", arena_printf(a, "%u", c->consent_remember_days)},
        {NULL, NULL},
    };

    page_reply(x->site->oauth->pages, x->rq, x->rp,
               &(struct page_content){PAGE_CONSENT, 200, values, &scopes, "'self'"});
}

void page_refused(struct exchange *x, const struct err *e, const char *uri) {
    const char *host = destination_of(x->rp->arena, uri).name;

    page_error(x->site->oauth->pages, x->rq, x->rp, &(struct page_problem){400, e, uri, host});
}

void page_continue(struct exchange *x, const char *uri) {
    const struct template_value values[] = {{"uri", uri}, {NULL, NULL}};

    page_reply(x->site->oauth->pages, x->rq, x->rp,
               &(struct page_content){PAGE_CONTINUE, 200, values, NULL, "'none'"});
}

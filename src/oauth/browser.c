#include "oauth/browser.h"

#include "base/encode.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "oauth/clients.h"
#include "pages/page.h"

#define COOKIE_BYTES 32
#define COOKIE_LEN 43       /* base64url of 32 bytes */
#define CONSENTS_MAX 16     /* that one browser remembers */
#define CONSENT_HASH_LEN 16 /* of a SHA-256: nobody can choose what it should meet */
/* What the names of cookies end in: of the browser's own, of that with its consents. */
#define BROWSER ""
#define CONSENTS "-consent"

/* __Host- (RFC 6265bis §4.1.3.2) keeps sibling hosts from planting one; it needs https, and Path=/.
 * So sites that share a host name are kept apart by the name, not by the path, which is no such
 * protection (§8.5 there). */
static const char *cookie_name(struct exchange *x, const char *what) {
    const struct config *c = x->site->config;

    return text_concat(x->rq->arena, c->auth_is_https ? "__Host-" : "", "mcp-authd", what,
                       *c->site ? "." : "", c->site);
}

const char *browser_cookie(struct exchange *x) {
    const char *cookie = request_cookie(x->rq, cookie_name(x, BROWSER));
    size_t len;

    if (!cookie || strlen(cookie) != COOKIE_LEN ||
        !base64url_decode(x->rq->arena, cookie, COOKIE_LEN, &len))
        return NULL;
    return cookie;
}

const char *browser_id(struct exchange *x) {
    const char *cookie = browser_cookie(x);

    return cookie ? sha256_base64url(x->rq->arena, cookie, SHA256_LEN) : NULL;
}

/* Lax: the identity provider's redirect back to /callback is a top-level navigation and must carry
 * it. max_age_s 0: until the browser is closed. */
static void set_cookie(struct exchange *x, const char *name, const char *value, int64_t max_age_s) {
    struct arena *a = x->rq->arena;

    reply_header(
        x->rp, "Set-Cookie",
        text_concat(a, name, "=", value, "; Path=/; HttpOnly; SameSite=Lax",
                    max_age_s ? arena_printf(a, "; Max-Age=%lld", (long long)max_age_s) : "",
                    x->site->config->auth_is_https ? "; Secure" : ""));
}

const char *browser_id_or_new(struct exchange *x) {
    const char *browser = browser_id(x), *cookie;

    if (browser) /* kept, so that other tabs' logins stay valid */
        return browser;
    cookie = random_text(x->rq->arena, COOKIE_BYTES);
    set_cookie(x, cookie_name(x, BROWSER), cookie, 0);
    return sha256_base64url(x->rq->arena, cookie, SHA256_LEN);
}

/* A request whose destination is a document navigates, so Sec-Fetch-Mode adds nothing. */
enum rc browser_navigates(const struct request *rq, bool own_page, struct err *e) {
    const char *to = request_header(rq, "sec-fetch-dest");
    const char *from = request_header(rq, "sec-fetch-site");

    if (to && strcmp(to, "document") != 0)
        return invalid_request(
            e, "this address is for a window of its own, not for a part of another page");
    if (own_page && from && strcmp(from, "same-origin") != 0)
        return invalid_request(e, "the form was not sent by this server's own page");
    return OK;
}

struct entry {
    uint8_t hash[CONSENT_HASH_LEN];
    int64_t expires_s; /* 0: free */
};

/* May consent be remembered? Only where the answer goes to a host by https: on a loopback address
 * or a private-use scheme any program may listen, so the user is asked each time. */
static bool may_remember(const struct site *site, struct arena *a, const struct login *login) {
    struct url u;

    return site->config->consent_remember_days > 0 &&
           !url_parse(a, login->redirect_uri, &u, ERR_IGNORED) && !strcmp(u.scheme, "https") &&
           !url_is_loopback(&u);
}

/* At least as many as there are, and one more. */
static size_t room_for(const char *scopes) {
    return strlen(scopes) / 2 + 2;
}

/* The same scopes in another order are the same consent; fewer or more are another. */
static const char *sorted_scopes(struct arena *a, const char *scopes) {
    const char **all = arena_alloc(a, room_for(scopes) * sizeof *all);
    size_t n = 0;
    struct buf b;

    buf_init(&b, a, strlen(scopes) + 1);
    while ((all[n] = list_next(a, &scopes)))
        n++;
    qsort(all, n, sizeof *all, text_compare);
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s ", all[i]);
    return b.p;
}

/* No part has a newline in it: ids, origins and scopes are visible ASCII. */
static void hash_of(struct arena *a, const struct login *login, uint8_t out[CONSENT_HASH_LEN]) {
    uint8_t digest[SHA256_LEN];
    struct url u;
    const char *origin =
        url_parse(a, login->redirect_uri, &u, ERR_IGNORED) ? "" : url_origin(a, &u);
    const char *text = text_concat(a, login->client_id, "\n", origin, "\n", login->resource, "\n",
                                   sorted_scopes(a, login->scope));

    sha256(text, strlen(text), digest);
    memcpy(out, digest, CONSENT_HASH_LEN);
}

/* The purpose is also in cookies that browsers have already. */
static struct seal_binding consent_binding(const struct site *site, const char *browser) {
    return (struct seal_binding){
        .keys = site->seal, .purpose = "remembered", .associated = browser};
}

static int64_t remember_s(const struct site *site) {
    return (int64_t)site->config->consent_remember_days * DAY_S;
}

/* What the browser sent; all entries are free if it sent no cookie of this server. */
static void read_entries(struct exchange *x, const char *browser, struct entry out[CONSENTS_MAX]) {
    const char *cookie = request_cookie(x->rq, cookie_name(x, CONSENTS));
    const struct seal_binding binding = consent_binding(x->site, browser);
    int64_t now_s = clock_now_s(&x->site->clock);
    struct plaintext plain;

    memset(out, 0, CONSENTS_MAX * sizeof *out);
    if (!cookie || seal_open(x->rq->arena, &binding, cookie, &plain, ERR_IGNORED) ||
        plain.len != CONSENTS_MAX * sizeof *out)
        return;
    memcpy(out, plain.data, plain.len);
    for (size_t i = 0; i < CONSENTS_MAX; i++)
        if (out[i].expires_s <= now_s || out[i].expires_s > now_s + remember_s(x->site))
            out[i] = (struct entry){.expires_s = 0};
}

/* The browser's own cookie, to which they are bound, then stays as long. */
static void write_entries(struct exchange *x, const char *browser,
                          const struct entry entries[CONSENTS_MAX]) {
    const struct seal_binding binding = consent_binding(x->site, browser);

    set_cookie(x, cookie_name(x, CONSENTS),
               seal(x->rq->arena, &binding, entries, CONSENTS_MAX * sizeof *entries),
               remember_s(x->site));
    if (browser_id(x))
        set_cookie(x, cookie_name(x, BROWSER), browser_cookie(x), remember_s(x->site));
}

bool consent_cookie_has(struct exchange *x, const char *browser, const struct login *login) {
    struct entry entries[CONSENTS_MAX];
    uint8_t hash[CONSENT_HASH_LEN];

    if (!may_remember(x->site, x->rq->arena, login))
        return false;
    hash_of(x->rq->arena, login, hash);
    read_entries(x, browser, entries);
    for (size_t i = 0; i < CONSENTS_MAX; i++)
        if (entries[i].expires_s && !memcmp(entries[i].hash, hash, CONSENT_HASH_LEN))
            return true;
    return false;
}

/* Takes the entry out, and moves the rest up. */
static bool drop(struct entry entries[CONSENTS_MAX], const uint8_t hash[CONSENT_HASH_LEN]) {
    struct entry kept[CONSENTS_MAX] = {{{0}, 0}};
    size_t n = 0, had = 0;

    for (size_t i = 0; i < CONSENTS_MAX; i++) {
        had += entries[i].expires_s != 0;
        if (entries[i].expires_s && memcmp(entries[i].hash, hash, CONSENT_HASH_LEN) != 0)
            kept[n++] = entries[i];
    }
    memcpy(entries, kept, sizeof kept);
    return n < had;
}

void consent_cookie_set(struct exchange *x, const char *browser, const struct login *login,
                        bool remembered) {
    struct entry entries[CONSENTS_MAX];
    uint8_t hash[CONSENT_HASH_LEN];
    bool dropped;

    if (remembered && !may_remember(x->site, x->rq->arena, login))
        return;
    hash_of(x->rq->arena, login, hash);
    read_entries(x, browser, entries);
    dropped = drop(entries, hash);
    if (remembered) {
        memmove(entries + 1, entries,
                (CONSENTS_MAX - 1) * sizeof *entries); /* the last is the oldest */
        entries[0].expires_s = clock_now_s(&x->site->clock) + remember_s(x->site);
        memcpy(entries[0].hash, hash, CONSENT_HASH_LEN);
    }
    if (remembered || dropped)
        write_entries(x, browser, entries);
}

/* ---- pages ---- */

static const char *scope_words(struct arena *a, const struct request *rq, const char *scope) {
    const struct language *l = language_choose(request_header(rq, "accept-language"));
    const char *words = language_text(l, text_concat(a, "scope.", scope));

    return words ? words : "";
}

/* Each scope, since the user must see all, with its words, or without if we have none for it. */
static const struct template_value *const *scope_items(struct arena *a, const struct request *rq,
                                                       const char *scopes) {
    const struct template_value **items = arena_alloc(a, room_for(scopes) * sizeof *items);
    const char *w;
    size_t n = 0;

    while ((w = list_next(a, &scopes))) {
        struct template_value *v = arena_alloc(a, 3 * sizeof *v);

        v[0] = (struct template_value){"scope", w};
        v[1] = (struct template_value){"scope_words", scope_words(a, rq, w)};
        items[n++] = v;
    }
    return items;
}

static const char *host_of(struct arena *a, const char *uri) {
    struct url u;

    return url_parse(a, uri, &u, ERR_IGNORED) ? "" : url_shown_host(a, &u);
}

/* Where the answer goes, as a person can judge it: the host, or the scheme of an app. */
struct destination {
    const char *name;
    bool loopback, app;
};

static struct destination destination_of(struct arena *a, const char *redirect_uri) {
    struct url u;

    if (url_parse(a, redirect_uri, &u, ERR_IGNORED))
        return (struct destination){.name = redirect_uri};
    if (strcmp(u.scheme, "https") != 0 && strcmp(u.scheme, "http") != 0)
        return (struct destination){.name = u.scheme, .app = true};
    /* MCP authorization, "Localhost Redirect URI Risks": such a client cannot be told from another
     * program on the same computer. */
    return (struct destination){.name = url_shown_host(a, &u), .loopback = url_is_loopback(&u)};
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
        {"action", text_concat(a, c->auth_path, "/authorize")},
        {"request", sealed},
        {"can_remember", yes_if(may_remember(x->site, a, login))},
        {"remember_days", arena_printf(a, "%u", c->consent_remember_days)},
        {"server_title", c->server.title},
        {"other_account", yes_if(c->use_other_account)},
        {"server_icon", c->server.icon[0]},
        {"server_icon_dark", c->server.icon[1]},
        {NULL, NULL},
    };

    page_reply(x->site->oauth->pages, x->rq, x->rp,
               &(struct page_content){.page = PAGE_CONSENT,
                                      .status = 200,
                                      .values = values,
                                      .list = &scopes,
                                      .form_action = "'self'",
                                      .images = c->server.icon_sources});
}

void page_refused(struct exchange *x, const struct err *e, const char *uri) {
    const char *host = destination_of(x->rp->arena, uri).name;

    page_error(x->site->oauth->pages, x->rq, x->rp, &(struct page_problem){400, e, uri, host});
}

void page_continue(struct exchange *x, const char *uri) {
    const struct template_value values[] = {{"uri", uri}, {NULL, NULL}};

    page_reply(
        x->site->oauth->pages, x->rq, x->rp,
        &(struct page_content){
            .page = PAGE_CONTINUE, .status = 200, .values = values, .form_action = "'none'"});
}

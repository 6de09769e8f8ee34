#include "oauth/browser.h"

#include "base/base.h"
#include "base/encode.h"
#include "base/url.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "crypto/seal.h"

#define COOKIE_BYTES 32
#define COOKIE_LEN 43       /* base64url of 32 bytes */
#define CONSENTS_MAX 16     /* that one browser remembers */
#define CONSENT_HASH_LEN 16 /* of a SHA-256: nobody can choose what it should meet */
#define SCOPES_SORTED_MAX 64
#define DAY_S 86400

/* __Host- (RFC 6265bis §4.1.3.2) keeps sibling hosts from planting one; it needs https. */
static const char *cookie_name(const struct site *site) {
    return site->config->auth_is_https ? "__Host-mcp-authd" : "mcp-authd";
}

const char *browser_cookie(struct exchange *x) {
    const char *cookie = request_cookie(x->rq, cookie_name(x->site));
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

/* Lax: The identity provider's redirect back to /callback is a top-level navigation and must carry
 * it. */
static void set_cookie(struct exchange *x, const char *cookie, const char *age) {
    reply_header(x->rp, "Set-Cookie",
                 arena_printf(x->rq->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax%s%s",
                              cookie_name(x->site), cookie, age,
                              x->site->config->auth_is_https ? "; Secure" : ""));
}

const char *browser_id_or_new(struct exchange *x) {
    const char *browser = browser_id(x), *cookie;

    if (browser) /* kept, so that other tabs' logins stay valid */
        return browser;
    cookie = random_text(x->rq->arena, COOKIE_BYTES);
    set_cookie(x, cookie, "");
    return sha256_base64url(x->rq->arena, cookie, SHA256_LEN);
}

/* The browser's cookie stays for so long, also when the browser is closed. */
static void browser_cookie_keep(struct exchange *x, int64_t seconds) {
    if (browser_id(x))
        set_cookie(x, request_cookie(x->rq, cookie_name(x->site)),
                   arena_printf(x->rq->arena, "; Max-Age=%lld", (long long)seconds));
}

/* A request whose destination is a document navigates, so Sec-Fetch-Mode adds nothing. */
enum rc browser_navigates(const struct request *rq, bool own_page, struct err *e) {
    const char *to = request_header(rq, "sec-fetch-dest");
    const char *from = request_header(rq, "sec-fetch-site");

    if (to && strcmp(to, "document") != 0)
        return err_set(e, ERR_INVALID_REQUEST,
                       "this address is for a window of its own, not for a part of another page");
    if (own_page && from && strcmp(from, "same-origin") != 0)
        return err_set(e, ERR_INVALID_REQUEST, "the form was not sent by this server's own page");
    return OK;
}

struct entry {
    uint8_t hash[CONSENT_HASH_LEN];
    int64_t expires_s; /* 0: free */
};

static const char *consent_cookie_name(const struct site *site) {
    return site->config->auth_is_https ? "__Host-mcp-authd-consent" : "mcp-authd-consent";
}

/* Only where the answer goes to a host by https. On a loopback address or a private-use scheme any
 * program may listen, so the user is asked each time. */
bool consent_cookie_may_have(const struct site *site, struct arena *a, const struct login *login) {
    struct url u;
    struct err e;

    return site->config->consent_remember_days > 0 && !url_parse(a, login->redirect_uri, &u, &e) &&
           !strcmp(u.scheme, "https") && !url_is_loopback(&u);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same scopes in another order are the same consent; fewer or more are another. */
static const char *sorted_scopes(struct arena *a, const char *scopes) {
    char *copy = arena_strdup(a, scopes), *save = NULL;
    const char *all[SCOPES_SORTED_MAX];
    size_t n = 0;
    struct buf b;

    for (char *w = strtok_r(copy, " ", &save); w && n < SCOPES_SORTED_MAX;
         w = strtok_r(NULL, " ", &save))
        all[n++] = w;
    qsort(all, n, sizeof *all, by_text);
    buf_init(&b, a, strlen(scopes) + 1);
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s ", all[i]);
    return b.p;
}

/* No part has a newline in it: ids, origins and scopes are visible ASCII. */
static void hash_of(struct arena *a, const struct login *login, uint8_t out[CONSENT_HASH_LEN]) {
    uint8_t digest[SHA256_LEN];
    struct url u;
    struct err e;
    const char *origin = url_parse(a, login->redirect_uri, &u, &e) ? "" : url_origin(a, &u);
    const char *text = arena_printf(a, "%s\n%s\n%s\n%s", login->client_id, origin, login->resource,
                                    sorted_scopes(a, login->scope));

    sha256(text, strlen(text), digest);
    memcpy(out, digest, CONSENT_HASH_LEN);
}

/* What the browser sent; all entries are free if it sent no cookie of this server. */
static void read_entries(struct exchange *x, const char *browser, struct entry out[CONSENTS_MAX]) {
    const char *cookie = request_cookie(x->rq, consent_cookie_name(x->site));
    int64_t now_s = clock_now_s(&x->site->clock);
    int64_t latest_s = now_s + (int64_t)x->site->config->consent_remember_days * DAY_S;
    const struct seal_binding binding = {
        .keys = x->site->seal, .purpose = "remembered", .associated = browser};
    struct plaintext plain;
    struct err e;

    memset(out, 0, CONSENTS_MAX * sizeof *out);
    if (!cookie || seal_open(x->rq->arena, &binding, cookie, &plain, &e) ||
        plain.len != CONSENTS_MAX * sizeof *out)
        return;
    memcpy(out, plain.data, plain.len);
    for (size_t i = 0; i < CONSENTS_MAX; i++)
        if (out[i].expires_s <= now_s || out[i].expires_s > latest_s)
            out[i] = (struct entry){.expires_s = 0};
}

static void write_entries(struct exchange *x, const char *browser,
                          const struct entry entries[CONSENTS_MAX]) {
    int64_t seconds = (int64_t)x->site->config->consent_remember_days * DAY_S;
    const char *sealed =
        seal(x->rq->arena,
             &(struct seal_binding){
                 .keys = x->site->seal, .purpose = "remembered", .associated = browser},
             entries, CONSENTS_MAX * sizeof *entries);

    reply_header(x->rp, "Set-Cookie",
                 arena_printf(x->rq->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%lld%s",
                              consent_cookie_name(x->site), sealed, (long long)seconds,
                              x->site->config->auth_is_https ? "; Secure" : ""));
    browser_cookie_keep(x, seconds);
}

bool consent_cookie_has(struct exchange *x, const char *browser, const struct login *login) {
    struct entry entries[CONSENTS_MAX];
    uint8_t hash[CONSENT_HASH_LEN];

    if (!consent_cookie_may_have(x->site, x->rq->arena, login))
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

void consent_cookie_add(struct exchange *x, const char *browser, const struct login *login) {
    struct entry entries[CONSENTS_MAX];
    uint8_t hash[CONSENT_HASH_LEN];

    if (!consent_cookie_may_have(x->site, x->rq->arena, login))
        return;
    hash_of(x->rq->arena, login, hash);
    read_entries(x, browser, entries);
    (void)drop(entries, hash);
    memmove(entries + 1, entries,
            (CONSENTS_MAX - 1) * sizeof *entries); /* the last is the oldest */
    entries[0].expires_s =
        clock_now_s(&x->site->clock) + (int64_t)x->site->config->consent_remember_days * DAY_S;
    memcpy(entries[0].hash, hash, CONSENT_HASH_LEN);
    write_entries(x, browser, entries);
}

void consent_cookie_remove(struct exchange *x, const char *browser, const struct login *login) {
    struct entry entries[CONSENTS_MAX];
    uint8_t hash[CONSENT_HASH_LEN];

    hash_of(x->rq->arena, login, hash);
    read_entries(x, browser, entries);
    if (drop(entries, hash))
        write_entries(x, browser, entries);
}

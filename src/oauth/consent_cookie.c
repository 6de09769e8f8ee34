#include "oauth/consent_cookie.h"

#include "base/base.h"
#include "base/url.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "crypto/seal.h"
#include "oauth/browser.h"

#define ENTRIES 16
#define HASH_LEN 16 /* of a SHA-256: nobody can choose what it should meet */
#define SCOPES_MAX 64
#define DAY_S 86400

struct entry {
    uint8_t hash[HASH_LEN];
    int64_t expires_s; /* 0: free */
};

static const char *cookie_name(const struct site *site) {
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
    const char *all[SCOPES_MAX];
    size_t n = 0;
    struct buf b;

    for (char *w = strtok_r(copy, " ", &save); w && n < SCOPES_MAX; w = strtok_r(NULL, " ", &save))
        all[n++] = w;
    qsort(all, n, sizeof *all, by_text);
    buf_init(&b, a, strlen(scopes) + 1);
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s ", all[i]);
    return b.p;
}

/* No part has a newline in it: ids, origins and scopes are visible ASCII. */
static void hash_of(struct arena *a, const struct login *login, uint8_t out[HASH_LEN]) {
    uint8_t digest[SHA256_LEN];
    struct url u;
    struct err e;
    const char *origin = url_parse(a, login->redirect_uri, &u, &e) ? "" : url_origin(a, &u);
    const char *text = arena_printf(a, "%s\n%s\n%s\n%s", login->client_id, origin, login->resource,
                                    sorted_scopes(a, login->scope));

    sha256(text, strlen(text), digest);
    memcpy(out, digest, HASH_LEN);
}

/* What the browser sent; all entries are free if it sent no cookie of this server. */
static void read_entries(struct exchange *x, const char *browser, struct entry out[ENTRIES]) {
    const char *cookie = request_cookie(x->rq, cookie_name(x->site));
    int64_t now_s = clock_now_s(&x->site->clock);
    int64_t latest_s = now_s + (int64_t)x->site->config->consent_remember_days * DAY_S;
    const struct seal_binding binding = {
        .keys = x->site->seal, .purpose = "remembered", .associated = browser};
    struct plaintext plain;
    struct err e;

    memset(out, 0, ENTRIES * sizeof *out);
    if (!cookie || seal_open(x->rq->arena, &binding, cookie, &plain, &e) ||
        plain.len != ENTRIES * sizeof *out)
        return;
    memcpy(out, plain.data, plain.len);
    for (size_t i = 0; i < ENTRIES; i++)
        if (out[i].expires_s <= now_s || out[i].expires_s > latest_s)
            out[i] = (struct entry){.expires_s = 0};
}

static void write_entries(struct exchange *x, const char *browser,
                          const struct entry entries[ENTRIES]) {
    int64_t seconds = (int64_t)x->site->config->consent_remember_days * DAY_S;
    const char *sealed =
        seal(x->rq->arena,
             &(struct seal_binding){
                 .keys = x->site->seal, .purpose = "remembered", .associated = browser},
             entries, ENTRIES * sizeof *entries);

    reply_header(x->rp, "Set-Cookie",
                 arena_printf(x->rq->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%lld%s",
                              cookie_name(x->site), sealed, (long long)seconds,
                              x->site->config->auth_is_https ? "; Secure" : ""));
    browser_cookie_keep(x, seconds);
}

bool consent_cookie_has(struct exchange *x, const char *browser, const struct login *login) {
    struct entry entries[ENTRIES];
    uint8_t hash[HASH_LEN];

    if (!consent_cookie_may_have(x->site, x->rq->arena, login))
        return false;
    hash_of(x->rq->arena, login, hash);
    read_entries(x, browser, entries);
    for (size_t i = 0; i < ENTRIES; i++)
        if (entries[i].expires_s && !memcmp(entries[i].hash, hash, HASH_LEN))
            return true;
    return false;
}

/* Takes the entry out, and moves the rest up. */
static bool drop(struct entry entries[ENTRIES], const uint8_t hash[HASH_LEN]) {
    struct entry kept[ENTRIES] = {{{0}, 0}};
    size_t n = 0, had = 0;

    for (size_t i = 0; i < ENTRIES; i++) {
        had += entries[i].expires_s != 0;
        if (entries[i].expires_s && memcmp(entries[i].hash, hash, HASH_LEN) != 0)
            kept[n++] = entries[i];
    }
    memcpy(entries, kept, sizeof kept);
    return n < had;
}

void consent_cookie_add(struct exchange *x, const char *browser, const struct login *login) {
    struct entry entries[ENTRIES];
    uint8_t hash[HASH_LEN];

    if (!consent_cookie_may_have(x->site, x->rq->arena, login))
        return;
    hash_of(x->rq->arena, login, hash);
    read_entries(x, browser, entries);
    (void)drop(entries, hash);
    memmove(entries + 1, entries, (ENTRIES - 1) * sizeof *entries); /* the last is the oldest */
    entries[0].expires_s =
        clock_now_s(&x->site->clock) + (int64_t)x->site->config->consent_remember_days * DAY_S;
    memcpy(entries[0].hash, hash, HASH_LEN);
    write_entries(x, browser, entries);
}

void consent_cookie_remove(struct exchange *x, const char *browser, const struct login *login) {
    struct entry entries[ENTRIES];
    uint8_t hash[HASH_LEN];

    hash_of(x->rq->arena, login, hash);
    read_entries(x, browser, entries);
    if (drop(entries, hash))
        write_entries(x, browser, entries);
}

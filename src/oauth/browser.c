#include "oauth/browser.h"

#include "base/encode.h"
#include "config/config.h"
#include "crypto/digest.h"
#include "crypto/random.h"

#define COOKIE_BYTES 32
#define COOKIE_LEN 43 /* base64url of 32 bytes */

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

void browser_cookie_keep(struct exchange *x, int64_t seconds) {
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

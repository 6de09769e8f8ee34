/* Private part of doctor.h: the public addresses as a client meets them: over the network, through
 * the web server. What must come is made here by the same code that serves it. */

#include "base/text.h"
#include "base/url.h"
#include "crypto/certificate.h"
#include "doctor/doctor.h"
#include "idp/idp.h"
#include "mcp/bearer_auth.h"
#include "oauth/endpoints.h"

#define TIMEOUT_MS 5000
#define REPLY_MAX 65536
#define SHOWN_BYTES 40           /* of a document, where it differs */
#define TOKEN "mcp-authd-doctor" /* no JWT: is refused before any key is looked for */
#define LONG_TOKEN_LEN 12000
#define SITE_ADVICE                                                                                \
    "enable mcp-authd in the web server (docs/apache.md, docs/lighttpd.md, docs/nginx.md, "        \
    "docs/caddy.md)"

#define DAYS_LEFT_MIN 21 /* ACME clients renew 30 days before the end */

/* What to do when a public address cannot be reached from here. */
#define REACH_ADVICE                                                                               \
    "let the name lead to the web server, and open the port; if this host cannot reach its own "   \
    "public address, run doctor on another one with the same configuration"

/* ---- the certificate, judged as a client that is not on this host would ---- */

static const struct {
    enum certificate_fault fault;
    const char *text, *advice;
} faults[] = {
    {CERTIFICATE_EXPIRED, "has expired",
     "renew it, and reload the web server, which may still have the old one"},
    {CERTIFICATE_NOT_YET_VALID, "is not valid yet",
     "check this host's clock, then the certificate"},
    {CERTIFICATE_NAME_MISMATCH, "is for other names: ",
     "give that name's virtual host a certificate for it, or correct MCP_SERVER_URI and "
     "AUTH_PROXY_URI"},
    {CERTIFICATE_UNTRUSTED, "leads to no authority that this host trusts",
     "let the web server send the intermediate certificates too (fullchain.pem), of an authority "
     "that clients trust"},
    {CERTIFICATE_UNSUITABLE, "is revoked, weak, or not for a server",
     "get another one, made for a web server"},
};

static void report_certificate(struct doctor *d, const char *host, const struct certificate *c) {
    int64_t days = (c->expires_s - clock_now_s(&d->clock)) / DAY_S;
    const char *until = text_rfc3339(d->arena, c->expires_s);

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (c->faults & faults[i].fault)
            doctor_fail(d, faults[i].advice, "that of %s %s%.200s", host, faults[i].text,
                        faults[i].fault == CERTIFICATE_NAME_MISMATCH ? c->names : "");
    if (c->faults)
        return;
    if (days < DAYS_LEFT_MIN)
        doctor_warn(d, "renew it, and find out why nothing has done so",
                    "that of %s ends in %lld days (%.10s)", host, (long long)days, until);
    else
        doctor_ok(d, "that of %s is good until %.10s", host, until);
}

/* An IPv6 address without its brackets. */
static const char *bare_host(struct arena *a, const char *host) {
    return *host == '[' ? arena_strndup(a, host + 1, strlen(host) - 2) : host;
}

/* False: no client would take it. */
static bool check_certificate(struct doctor *d, const char *origin) {
    struct certificate c = {0};
    struct text pem;
    struct url u;
    struct err e;

    if (url_parse(d->arena, origin, &u, &e))
        return false; /* the configuration was parsed */
    d->check = "certificate";
    if (strcmp(u.scheme, "https") != 0) {
        doctor_ok(d, "%s has none: for clients on this host only", origin);
        return true;
    }
    if (http_certificates(d->arena, origin, TIMEOUT_MS, &pem, &e)) {
        doctor_fail(d, REACH_ADVICE, "%s: %s", origin, e.detail);
        return false;
    }
    if (certificate_check(d->arena,
                          &(struct certificate_chain){pem.p, pem.len, bare_host(d->arena, u.host)},
                          d->config->client_metadata_ca_file, &c, &e)) {
        doctor_fail(d, "look at it with openssl s_client", "%s: %s", origin, e.text);
        return false;
    }
    report_certificate(d, u.host, &c);
    return !c.faults;
}

/* ---- answers ---- */

/* What to do about a status that the web server answers in place of the service. */
static const char *advice_of(long status) {
    if (status >= 300 && status < 400)
        return "let the web server answer at this very address, or put the one it leads to into "
               "MCP_SERVER_URI or AUTH_PROXY_URI: clients compare addresses byte for byte";
    switch (status) {
    case 404:
        return SITE_ADVICE "; its patterns must match the paths of the configuration";
    case 502:
    case 503:
    case 504:
        return "start the service (systemctl start mcp-authd), and see what doctor says of the "
               "socket; the web server's error log has the reason";
    case 401:
    case 403:
        return "take away what stands before this address in the web server, such as a password";
    default:
        return "look into the web server's error log";
    }
}

static void report_status(struct doctor *d, const char *url, const struct http_reply *rp) {
    const char *to = http_reply_header(rp, "Location");

    doctor_fail(d, advice_of(rp->status), "%s: HTTP %ld%s%.200s", url, rp->status,
                to ? ", to " : "", to ? to : "");
}

static bool fetch(struct doctor *d, const struct http_request *rq, struct http_reply *rp) {
    struct err e;

    if (!http_fetch(d->public, d->arena, rq, rp, &e))
        return true;
    doctor_fail(d, REACH_ADVICE, "%s: %s", rq->url, *e.detail ? e.detail : e.text);
    return false;
}

/* ---- the documents ---- */

static void report_difference(struct doctor *d, const char *url, const struct reply *ours,
                              const struct http_reply *theirs) {
    size_t at = 0, from;

    while (at < ours->body_len && at < theirs->body_len && ours->body[at] == theirs->body[at])
        at++;
    from = at < SHOWN_BYTES / 2 ? 0 : at - SHOWN_BYTES / 2;
    doctor_fail(d,
                "reload the service (systemctl reload mcp-authd); if it stays so, another program "
                "or another host answers at this address",
                "%s: not what this configuration makes, from byte %zu on: %.*s instead of %.*s",
                url, at, SHOWN_BYTES, theirs->body + from, SHOWN_BYTES, ours->body + from);
}

/* RFC 6797 §6.1. Only over https does it mean anything (§7.2). */
static void check_hsts(struct doctor *d, const char *url, const struct http_reply *rp) {
    const char *value = http_reply_header(rp, "Strict-Transport-Security");
    const char *age = value ? strcasestr(value, "max-age=") : NULL;

    if (strncmp(url, "https:", 6) != 0)
        return;
    d->check = "HSTS";
    age = age ? age + strlen("max-age=") : "";
    if (!strtoul(age + (*age == '"'), NULL, 10)) /* 0 ends what was said before */
        doctor_warn(
            d, "add the header, as the TLS examples in /usr/share/doc/mcp-authd/examples do",
            "%s without Strict-Transport-Security: a browser may be led to plain http", url);
    else
        doctor_ok(d, "%s", value);
}

static void check_document(struct doctor *d, const char *name, const char *url, handler_fn *handler,
                           bool first_of_origin) {
    const struct http_request rq = {
        .method = "GET", .url = url, .max_reply_bytes = REPLY_MAX, .timeout_ms = TIMEOUT_MS};
    const struct request local = {.arena = d->arena, .params = (char *const[]){NULL}};
    struct site site = {.config = d->config};
    struct http_reply theirs;
    struct reply ours;
    struct exchange x = {&site, &local, &ours};

    reply_init(&ours, d->arena);
    d->check = name;
    if (handler(&x, ERR_IGNORED) || !fetch(d, &rq, &theirs))
        return;
    if (theirs.status != ours.status)
        report_status(d, url, &theirs);
    else if (theirs.body_len != ours.body_len || memcmp(theirs.body, ours.body, ours.body_len) != 0)
        report_difference(d, url, &ours, &theirs);
    else
        doctor_ok(d, "%s: byte for byte", url);
    if (first_of_origin)
        check_hsts(d, url, &theirs);
}

/* RFC 8414 §3.1: the well-known part goes between host and path. */
static const char *server_metadata_url(struct doctor *d) {
    const char *issuer = d->config->auth_proxy_uri;

    return arena_printf(d->arena, "%.*s/.well-known/oauth-authorization-server%s",
                        (int)(strlen(issuer) - strlen(d->config->auth_path)), issuer,
                        d->config->auth_path);
}

/* ---- Authorization ---- */

/* The challenge that the endpoint gives to a request with this Authorization header, or without. */
static const char *expected_challenge(struct doctor *d, const char *authorization) {
    char *const params[] = {
        authorization ? arena_printf(d->arena, "HTTP_AUTHORIZATION=%s", authorization) : NULL,
        NULL};
    const struct request rq = {.arena = d->arena, .params = params, .remote_addr = ""};
    struct site site = {.config = d->config};
    struct idp idp = {.config = d->config, .clock = &site.clock};
    const struct token_claims *claims;
    struct reply rp;
    struct exchange x = {&site, &rq, &rp};

    site.idp = &idp;
    reply_init(&rp, d->arena);
    if (!mcp_bearer_auth(&x, &claims, ERR_IGNORED))
        rp.header_count = 0; /* cannot be: TOKEN is none */
    return rp.header_count ? rp.headers[0].value : "";
}

/* True if it is the service's, to the token that was sent. */
static bool report_challenge(struct doctor *d, const char *url, const char *challenge) {
    if (!strcmp(challenge, expected_challenge(d, "Bearer " TOKEN))) {
        doctor_ok(d, "%s: reaches the service", url);
        return true;
    }
    if (!strcmp(challenge, expected_challenge(d, NULL)))
        doctor_fail(
            d,
            "Apache: CGIPassAuth On for this address, as in conf-available/mcp-authd.conf; "
            "otherwise look for what takes the header away (a proxy in front, RequestHeader)",
            "%s: the header does not reach the service", url);
    else if (strstr(challenge, "resource_metadata="))
        doctor_fail(d,
                    "reload the service (systemctl reload mcp-authd); if it stays so, another host "
                    "answers at this address",
                    "%s: answered by another configuration: %.200s", url, challenge);
    else
        doctor_fail(d, "take away the web server's own login for this address (Require, AuthType)",
                    "%s: the web server asks for a login itself: %.200s", url, challenge);
    return false;
}

/* A call with this token. */
static bool post_with_token(struct doctor *d, const char *token, struct http_reply *rp) {
    const char *const headers[] = {arena_printf(d->arena, "Authorization: Bearer %s", token),
                                   "Content-Type: application/json",
                                   "Accept: application/json, text/event-stream", NULL};
    const struct http_request rq = {.method = "POST",
                                    .url = d->config->mcp_server_uri,
                                    .headers = headers,
                                    .body = "{}",
                                    .body_len = 2,
                                    .max_reply_bytes = REPLY_MAX,
                                    .timeout_ms = TIMEOUT_MS,
                                    .http1_only = true};

    return fetch(d, &rq, rp);
}

/* The header that a user in many groups sends with each call. */
static void check_long_token(struct doctor *d) {
    char *token = arena_alloc(d->arena, LONG_TOKEN_LEN + 1);
    const char *url = d->config->mcp_server_uri, *challenge;
    struct http_reply rp;

    memset(token, 'x', LONG_TOKEN_LEN);
    if (!post_with_token(d, token, &rp))
        return;
    challenge = http_reply_header(&rp, "WWW-Authenticate");
    if (rp.status == 401 && challenge &&
        !strcmp(challenge, expected_challenge(d, arena_printf(d->arena, "Bearer %s", token))))
        doctor_ok(d, "%s: one of %d bytes reaches the service", url, LONG_TOKEN_LEN);
    else
        doctor_warn(
            d,
            "users in many groups may have such tokens: raise LimitRequestFieldSize (Apache), "
            "server.max-request-field-size (lighttpd) or large_client_header_buffers (nginx), as "
            "the shipped files do, and the limit of a proxy before them",
            "%s: one of %d bytes does not reach the service: HTTP %ld", url, LONG_TOKEN_LEN,
            rp.status);
}

static void check_authorization(struct doctor *d) {
    const char *challenge, *url = d->config->mcp_server_uri;
    struct http_reply rp;

    if (!post_with_token(d, TOKEN, &rp))
        return;
    challenge = http_reply_header(&rp, "WWW-Authenticate");
    if (rp.status != 401 || !challenge)
        report_status(d, url, &rp);
    else if (report_challenge(d, url, challenge))
        doctor_check(d, "long tokens", check_long_token);
}

/* ---- all ---- */

static void check_addresses(struct doctor *d) {
    const struct config *c = d->config;
    struct url u;
    const char *issuer =
        url_parse(d->arena, c->auth_proxy_uri, &u, ERR_IGNORED) ? "" : url_origin(d->arena, &u);
    bool mcp = check_certificate(d, c->mcp_origin);
    bool same = !strcmp(issuer, c->mcp_origin), auth = same ? mcp : check_certificate(d, issuer);

    /* Behind a certificate that no client takes, nothing is worth a look. */
    if (mcp && c->endpoints & GROUP_METADATA)
        check_document(d, "resource metadata", c->prm_uri, oauth_protected_resource, true);
    if (auth && c->endpoints & GROUP_METADATA)
        check_document(d, "server metadata", server_metadata_url(d), oauth_authorization_server,
                       !same);
    if (mcp && c->endpoints & GROUP_MCP)
        doctor_check(d, "Authorization", check_authorization);
}

void check_public(struct doctor *d) {
    /* An authority of the intranet's own signs the clients' hosts, and this one. */
    const struct http_options options = {.ca_file = d->config->client_metadata_ca_file};

    if (!(d->config->endpoints & (GROUP_METADATA | GROUP_MCP)))
        return;
    if (http_client_new(&options, &d->public, ERR_IGNORED))
        return; /* check_config has said that the file cannot be read */
    check_addresses(d);
    http_client_free(d->public);
}

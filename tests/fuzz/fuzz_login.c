/* Logins as sequences of steps, in whatever order: two browsers and two clients, with an identity
 * provider that answers. A step is two bytes: what is done and what is wrong with it, and to which
 * of the things that were given out before. A model of what was given to whom says which answers
 * may succeed, and which must. */
#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/encode.h"
#include "base/text.h"
#include "base/url.h"
#include "input.h"
#include "oauth/login.h"
#include "oauth/parameters.h"
#include "site.h"
#include "standalone.h"

#define STEPS_MAX 48
#define GIVEN_MAX 16
#define REQUEST_BYTES ((size_t)32 << 20)
#define FORM_BYTES 4096
#define SLACK_S 60 /* this much before its end a thing must still be good */
#define FORM "application/x-www-form-urlencoded"

enum step { AUTHORIZE, APPROVE, DENY, CALLBACK, TOKEN, REFRESH, REVOKE, WAIT, STEPS };
enum wrong { OTHER_BROWSER = 8, OTHER_CLIENT = 16, OTHER_VERIFIER = 32, OTHER_REDIRECT = 64 };

static const struct {
    const char *id, *redirect_uri;
} clients[2] = {{"c", "https://client.example/cb"}, {"d", "https://d.example/cb"}};

static const char *const verifiers[2] = {"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv",
                                         "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"};

struct given {
    const char
        *text; /* the form's sealed request, the login's state, the code, the refresh token */
    int browser, client, verifier;
    int64_t since_s;
    bool used, revoked;
    bool again; /* its form came again: it goes on, or begins anew if it was over */
};

struct given_list {
    struct given items[GIVEN_MAX];
    size_t count;
};

struct model {
    struct arena *a;
    struct app *app;
    char *cookies[2];
    struct given_list forms, logins, codes, grants;
    int64_t now_s;
    unsigned cognito_codes;
};

/* ---- the identity provider: a process that answers as Cognito does, one connection a request ----
 */

static const char *access_token(struct arena *a, const struct signer *s, const char *issuer,
                                unsigned n) {
    const char *claims = arena_printf(
        a,
        "{\"iss\":\"%s\",\"sub\":\"user-1\",\"username\":\"alice\",\"client_id\":\"app-1\","
        "\"token_use\":\"access\",\"scope\":\"openid mcp-server/tools\",\"jti\":\"j%u\","
        "\"iat\":%d,\"exp\":%d}",
        issuer, n, NOW_S, NOW_S + 86400);

    return sign_rs256(a, s, "{\"alg\":\"RS256\",\"kid\":\"k\"}", claims);
}

static void answer_one(int fd, const struct signer *s, const char *issuer) {
    static unsigned tokens;
    struct arena *a = arena_new(1 << 20);
    char *request = arena_alloc(a, 65536);
    const char *body, *end, *length;
    size_t len = 0;
    ssize_t n;

    tokens++;
    while ((n = read(fd, request + len, 65535 - len)) > 0) {
        len += (size_t)n;
        end = strstr(request, "\r\n\r\n");
        length = end ? strcasestr(request, "content-length:") : NULL;
        if (end && (!length || len >= (size_t)(end + 4 - request) + strtoul(length + 15, NULL, 10)))
            break;
    }
    if (strstr(request, "GET /pool/.well-known/jwks.json") == request)
        body = jwks_json(a, s, "k");
    else if (strstr(request, "grant_type="))
        body = arena_printf(a,
                            "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":3600"
                            "%s}",
                            access_token(a, s, issuer, tokens),
                            strstr(request, "grant_type=authorization_code")
                                ? arena_printf(a, ",\"refresh_token\":\"r%u\"", tokens)
                                : "");
    else
        body = "{}"; /* a revocation */
    body =
        arena_printf(a,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                     "Connection: close\r\n\r\n%s",
                     strlen(body), body);
    MUST(send(fd, body, strlen(body), MSG_NOSIGNAL) == (ssize_t)strlen(body));
    arena_free(a);
}

/* Its address. The process ends with this one. */
static const char *start_provider(void) {
    static char base[64], issuer[96];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t parent = getpid();
    struct signer signer;

    MUST(listener >= 0 && !bind(listener, (struct sockaddr *)&address, sizeof address));
    MUST(!listen(listener, 16) && !getsockname(listener, (struct sockaddr *)&address, &len));
    (void)snprintf(base, sizeof base, "http://127.0.0.1:%d", ntohs(address.sin_port));
    (void)snprintf(issuer, sizeof issuer, "%s/pool", base);
    if (!fork()) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        signer_init(&signer, 2048);
        for (;;) {
            int fd = accept(listener, NULL, NULL);

            if (fd >= 0) {
                answer_one(fd, &signer, issuer);
                close(fd);
            }
        }
    }
    close(listener);
    return base;
}

/* ---- requests ---- */

static const struct reply *ask(struct model *m, const char *method, const char *target,
                               const char *body, const char *cookie) {
    struct arena *a = m->a;
    const char *query = strchr(target, '?');
    const char *const params[] = {
        "CONTENT_TYPE=" FORM,
        cookie ? arena_printf(a, "HTTP_COOKIE=__Host-mcp-authd=%s", cookie) : "HTTP_X=x",
        "HTTP_SEC_FETCH_SITE=same-origin", NULL};
    const struct request rq = {.arena = a,
                               .id = "id",
                               .method = method,
                               .path = arena_strndup(a, target, strcspn(target, "?")),
                               .query = query ? query + 1 : "",
                               .content_type = FORM,
                               .remote_addr = "192.0.2.1",
                               .body = arena_strdup(a, body),
                               .body_len = strlen(body),
                               .params = (char *const *)(uintptr_t)params};
    struct reply *rp = arena_alloc(a, sizeof *rp);

    reply_init(rp, a);
    site_of(m->app)->clock.fixed_s = m->now_s;
    app_handle(m->app, &rq, OK, rp);
    MUST(rp->status >= 200 && rp->status < 500); /* the provider answers, and nothing is full */
    return rp;
}

static const char *header_of(const struct reply *rp, const char *name) {
    for (unsigned i = 0; i < rp->header_count; i++)
        if (!strcasecmp(rp->headers[i].name, name))
            return rp->headers[i].value;
    return NULL;
}

/* What stands between `before` and the first of `ends`; NULL: nowhere. */
static const char *between(struct arena *a, const char *text, const char *before,
                           const char *ends) {
    const char *p = text ? strstr(text, before) : NULL;

    return p ? arena_strndup(a, p + strlen(before), strcspn(p + strlen(before), ends)) : NULL;
}

static const char *body_of(struct arena *a, const struct reply *rp) {
    return rp->body_len ? arena_strndup(a, rp->body, rp->body_len) : "";
}

static struct given *pick(struct given_list *l, uint8_t which) {
    return l->count ? &l->items[which % l->count] : NULL;
}

static void add(struct given_list *l, const struct given *g) {
    if (l->count < GIVEN_MAX)
        l->items[l->count++] = *g;
}

static const char *form(struct model *m, const char *const fields[][2], size_t count) {
    struct buf b;

    buf_init(&b, m->a, FORM_BYTES);
    for (size_t i = 0; i < count; i++) {
        buf_addf(&b, "%s%s=", i ? "&" : "", fields[i][0]);
        url_encode(&b, fields[i][1]);
    }
    return b.p;
}
#define FORM_OF(m, ...)                                                                            \
    form(m, (const char *const[][2]){__VA_ARGS__},                                                 \
         sizeof((const char *const[][2]){__VA_ARGS__}) / sizeof(const char *[2]))

/* ---- steps ---- */

static void authorize(struct model *m, uint8_t which) {
    struct given g = {.browser = which & 1,
                      .client = which >> 1 & 1,
                      .verifier = which >> 2 & 1,
                      .since_s = m->now_s};
    const char *query = FORM_OF(m, {"response_type", "code"}, {"client_id", clients[g.client].id},
                                {"redirect_uri", clients[g.client].redirect_uri}, {"state", "s"},
                                {"code_challenge", pkce_challenge(m->a, verifiers[g.verifier])},
                                {"code_challenge_method", "S256"});
    const struct reply *rp =
        ask(m, "GET", arena_printf(m->a, "/authorize?%s", query), "", m->cookies[g.browser]);
    if (rp->status != 200)
        fprintf(stderr, "%s\n", body_of(m->a, rp));
    const char *cookie = between(m->a, header_of(rp, "Set-Cookie"), "__Host-mcp-authd=", ";");

    MUST(rp->status == 200);
    if (!m->cookies[g.browser])
        MUST(m->cookies[g.browser] = (char *)(uintptr_t)cookie);
    MUST(g.text = between(m->a, body_of(m->a, rp), "name=\"request\" value=\"", "\""));
    add(&m->forms, &g);
}

static void decide(struct model *m, uint8_t what, struct given *f, const char *decision) {
    bool other = what & OTHER_BROWSER, approves = !strcmp(decision, "approve");
    struct given login = *f;
    const struct reply *rp;

    rp = ask(m, "POST", "/authorize", FORM_OF(m, {"request", f->text}, {"decision", decision}),
             m->cookies[f->browser ^ other]);
    login.text = between(m->a, body_of(m->a, rp), ";state=", "&\"");
    if (other)
        MUST(rp->status >= 400);
    else if (!f->used && m->now_s < f->since_s + LOGIN_TTL_S - SLACK_S)
        MUST(rp->status == 200);
    if (rp->status != 200)
        return;
    MUST(!other && m->now_s <= f->since_s + LOGIN_TTL_S);
    f->used = true;
    if (!approves)
        return;
    MUST(login.text);
    login.since_s = m->now_s;
    login.used = login.again = false;
    for (size_t i = 0; i < m->logins.count; i++)
        if (!strcmp(m->logins.items[i].text, login.text)) {
            m->logins.items[i].again = true;
            m->logins.items[i].since_s = m->now_s;
            return;
        }
    add(&m->logins, &login);
}

static void callback(struct model *m, uint8_t what, struct given *l) {
    bool other = what & OTHER_BROWSER;
    struct given code = *l;
    const struct reply *rp = ask(
        m, "GET", arena_printf(m->a, "/callback?code=k%u&state=%s", ++m->cognito_codes, l->text),
        "", m->cookies[l->browser ^ other]);

    code.text = between(m->a, header_of(rp, "Location"), "code=", "&");
    if (!other && !l->used && !l->again && m->now_s < l->since_s + LOGIN_TTL_S - SLACK_S)
        MUST(rp->status == 302 && code.text);
    if (!code.text)
        return;
    MUST(!other && (!l->used || l->again) && m->now_s <= l->since_s + LOGIN_TTL_S);
    MUST(!strncmp(header_of(rp, "Location"), clients[l->client].redirect_uri,
                  strlen(clients[l->client].redirect_uri)));
    l->used = true;
    code.since_s = m->now_s;
    code.used = false;
    add(&m->codes, &code);
}

/* The tokens of an answer: to whom they were given, and that they are not given too widely. */
static void take_tokens(struct model *m, const struct reply *rp, struct given g) {
    struct json *o;
    struct err e;

    MUST(!json_parse(m->a, rp->body, rp->body_len, &o, &e));
    MUST(json_get_str(o, "access_token") && !strcmp(json_get_str(o, "token_type"), "Bearer"));
    MUST(list_covers("openid mcp-server/tools", json_get_str(o, "scope")));
    MUST(g.text = json_get_str(o, "refresh_token"));
    g.used = g.revoked = false;
    g.since_s = m->now_s;
    add(&m->grants, &g);
}

static void token(struct model *m, uint8_t what, struct given *c) {
    int client = c->client ^ !!(what & OTHER_CLIENT);
    int verifier = c->verifier ^ !!(what & OTHER_VERIFIER);
    int redirect = c->client ^ !!(what & OTHER_REDIRECT);
    bool good = client == c->client && verifier == c->verifier && redirect == c->client && !c->used;
    const struct reply *rp =
        ask(m, "POST", "/token",
            FORM_OF(m, {"grant_type", "authorization_code"}, {"code", c->text},
                    {"client_id", clients[client].id}, {"code_verifier", verifiers[verifier]},
                    {"redirect_uri", clients[redirect].redirect_uri}),
            NULL);

    if (good && m->now_s <= c->since_s + CODE_TTL_S / 2)
        MUST(rp->status == 200);
    if (rp->status != 200) {
        MUST(rp->status == 400);
        return;
    }
    MUST(good && m->now_s <= c->since_s + CODE_TTL_S);
    c->used = true;
    take_tokens(m, rp, *c);
}

static void refresh(struct model *m, uint8_t what, struct given *g) {
    int client = g->client ^ !!(what & OTHER_CLIENT);
    const struct reply *rp =
        ask(m, "POST", "/token",
            FORM_OF(m, {"grant_type", "refresh_token"}, {"refresh_token", g->text},
                    {"client_id", clients[client].id}),
            NULL);

    MUST(rp->status == 200 || rp->status == 400);
    if (rp->status != 200)
        return;
    MUST(client == g->client && !g->revoked);
    take_tokens(m, rp, *g);
}

static void revoke_grant(struct model *m, uint8_t what, struct given *g) {
    int client = g->client ^ !!(what & OTHER_CLIENT);
    const struct reply *rp =
        ask(m, "POST", "/revoke", FORM_OF(m, {"token", g->text}, {"client_id", clients[client].id}),
            NULL);

    MUST(rp->status == 200); /* RFC 7009 §2.2: also for what is not the client's */
    if (client == g->client)
        g->revoked = true;
}

static void take_step(struct model *m, uint8_t what, uint8_t which) {
    struct given *g;

    switch (what % STEPS) {
    case AUTHORIZE:
        authorize(m, which);
        break;
    case APPROVE:
    case DENY:
        if ((g = pick(&m->forms, which)))
            decide(m, what, g, what % STEPS == APPROVE ? "approve" : "deny");
        break;
    case CALLBACK:
        if ((g = pick(&m->logins, which)))
            callback(m, what, g);
        break;
    case TOKEN:
        if ((g = pick(&m->codes, which)))
            token(m, what, g);
        break;
    case REFRESH:
        if ((g = pick(&m->grants, which)))
            refresh(m, what, g);
        break;
    case REVOKE:
        if ((g = pick(&m->grants, which)))
            revoke_grant(m, what, g);
        break;
    default:
        m->now_s += which;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool ready;
    struct model m = {.a = arena_new(REQUEST_BYTES), .now_s = NOW_S};

    if (!ready) {
        site_provider = start_provider();
        ready = true;
    }
    m.app = site_app();
    for (size_t i = 0; i + 1 < size && i < (size_t)2 * STEPS_MAX; i += 2)
        take_step(&m, data[i], data[i + 1]);
    site_of(m.app)->clock.fixed_s = NOW_S + 100000;
    session_store_sweep(site_of(m.app)->oauth->sessions);
    site_of(m.app)->clock.fixed_s = NOW_S;
    arena_free(m.a);
    return 0;
}

/* A request from anywhere to the whole application: request line, header lines, an empty line and
 * the body. {consent}, {state}, {code}, {refresh}, {session}, {dynamic}, {task} and {request-state}
 * in it stand for what the application itself would have sealed or stored for the browser {cookie},
 * the client "c" and the user of the token "t"; {assertion} is one of the client "k", as is
 * {refresh-k}. */
#include <ctype.h>
#include <sys/eventfd.h>

#include "base/encode.h"
#include "base/url.h"
#include "exec/tasks.h"
#include "input.h"
#include "mcp/stream.h"
#include "oauth/login.h"
#include "oauth/parameters.h"
#include "oauth/refresh.h"
#include "site.h"
#include "standalone.h"
#include "web/subscription.h"

#define BODY_MAX ((size_t)1 << 20) /* MAX_BODY_BYTES as it is shipped */
#define INPUT_MAX (BODY_MAX + 16384)
#define MEMORY_MAX (16 * BODY_MAX) /* of one request: more ends the process */
#define TEXT_MAX (4 * BODY_MAX)
#define PARAMS_MAX 64
#define COOKIE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define VERIFIER "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
#define MARK "<mark" /* in a page it could only come from an input */

/* ---- what the application gave out before ---- */

static struct login a_login(struct arena *a) {
    return (struct login){.client_id = "c",
                          .client_name = "Client",
                          .client_host = "",
                          .redirect_uri = "https://client.example/cb",
                          .state = "s",
                          .code_challenge = pkce_challenge(a, VERIFIER),
                          .scope = "openid mcp-server/tools",
                          .resource = "https://mcp.example/mcp",
                          .idp_parameters = "",
                          .must_authenticate = "",
                          .verifier = VERIFIER,
                          .expires_s = NOW_S + 100};
}

static const char *browser(struct arena *a) {
    uint8_t digest[SHA256_LEN];

    sha256(COOKIE, strlen(COOKIE), digest);
    return base64url_encode(a, digest, sizeof digest);
}

/* A session that waits for the user to come back from the identity provider. */
static const char *stored_session(struct site *site, struct arena *a) {
    const char *id = random_text(a, 24);
    struct login login = a_login(a);
    struct session s = {.id = id,
                        .state = SESSION_PENDING,
                        .browser = browser(a),
                        .login = login_seal(site, a, "session", id, &login),
                        .grant = "",
                        .attempt = "",
                        .ttl = NOW_S + 100};
    struct err e;

    MUST(!session_store_put(site->oauth->sessions, &s, &e));
    return id;
}

static const char *issued_code(struct site *site, struct arena *a) {
    const char *id = stored_session(site, a);
    struct session want = {.id = id, .browser = browser(a), .ttl = NOW_S + 100}, now;
    const char *code = code_make(a, id, COOKIE, "cognito-code", &want.grant);
    struct err e;

    want.attempt = code_attempt(a, id, COOKIE, "code cognito-code");
    MUST(!session_store_authorize(site->oauth->sessions, a, &want, &now, &e));
    return code;
}

static const char *sealed_consent(struct site *site, struct arena *a) {
    struct login login = a_login(a);

    return login_seal(site, a, "consent", browser(a), &login);
}

static const char *refresh_token(struct site *site, struct arena *a) {
    const struct refresh_grant grant = {.token = "cognito-refresh",
                                        .scope = "openid mcp-server/tools",
                                        .resource = "https://mcp.example/mcp",
                                        .must_authenticate = "",
                                        .login_s = NOW_S - 10,
                                        .asked = "",
                                        .family = "f"};

    return refresh_seal(site, a, "c", &grant);
}

static const char *mcp_session(struct site *site, struct arena *a) {
    static const char state[] = "{\"t\":1800000000,\"c\":{\"elicitation\":{}}}";

    return site_seal(a, site, "mcp-session", "user-1", state, strlen(state));
}

static const char *dynamic_client(struct site *site, struct arena *a) {
    static const char client[] =
        "{\"name\":\"n\",\"uris\":[\"https://client.example/cb\"],\"end\":1900000000}";

    return arena_printf(a, "dyn.%s", site_seal(a, site, "client", "", client, strlen(client)));
}

/* RFC 7523, of the client "k". */
static const char *assertion(struct site *site, struct arena *a) {
    (void)site;
    return sign_es256(a, &site_signer, "{\"alg\":\"ES256\",\"kid\":\"e\"}",
                      arena_printf(a,
                                   "{\"iss\":\"k\",\"sub\":\"k\",\"aud\":\"https://mcp.example\","
                                   "\"exp\":%d,\"jti\":\"%s\"}",
                                   NOW_S + 60, random_text(a, 8)));
}

static const char *refresh_of_k(struct site *site, struct arena *a) {
    const struct refresh_grant grant = {.token = "cognito-refresh",
                                        .scope = "openid mcp-server/tools",
                                        .resource = "https://mcp.example/mcp",
                                        .must_authenticate = "yes",
                                        .login_s = NOW_S - 10,
                                        .asked = "",
                                        .family = "f"};

    return refresh_seal(site, a, "k", &grant);
}

/* A task that waits for input, of a tool that is not there any more. */
static const char *stored_task(struct site *site, struct arena *a) {
    static const char record[] =
        "{\"sub\":\"user-1\",\"client\":\"app-1\",\"tool\":\"gone\",\"status\":\"input_required\","
        "\"created\":1800000000,\"createdAt\":\"2027-01-15T08:00:00Z\",\"lastUpdatedAt\":\"2027-01-"
        "15T08:00:00Z\","
        "\"inputRequests\":{\"a\":{\"method\":\"roots/list\"},\"b\":{\"method\":\"roots/list\"}}}";
    struct task t = {.site = site,
                     .arena = a,
                     .id = random_text(a, 16),
                     .ttl = clock_now_s(&site->clock) + TASK_TTL_S};
    struct err e;

    MUST(!json_parse(a, record, strlen(record), &t.record, &e) && !task_save(&t, &e));
    return t.id;
}

/* What the tool "ask" is given back with the client's answers. */
static const char *request_state(struct site *site, struct arena *a) {
    static const char state[] = "{\"t\":1800000000,\"s\":{\"n\":1}}";
    uint8_t digest[SHA256_LEN];

    sha256("{}", 2, digest);
    return site_seal(
        a, site, "mcp-request-state",
        arena_printf(a, "user-1\napp-1\ntools/call ask\n%s", hex_encode(a, digest, sizeof digest)),
        state, strlen(state));
}

static const char *cookie(struct site *site, struct arena *a) {
    (void)site;
    (void)a;
    return COOKIE;
}

static const struct {
    const char *name;
    const char *(*make)(struct site *site, struct arena *a);
} placeholders[] = {
    {"{consent}", sealed_consent}, {"{state}", stored_session},       {"{code}", issued_code},
    {"{refresh}", refresh_token},  {"{session}", mcp_session},        {"{dynamic}", dynamic_client},
    {"{cookie}", cookie},          {"{assertion}", assertion},        {"{refresh-k}", refresh_of_k},
    {"{task}", stored_task},       {"{request-state}", request_state}};
#define PLACEHOLDERS (sizeof placeholders / sizeof *placeholders)

/* One of each kind is enough for a request. */
static struct buf *fill_in(struct site *site, struct arena *a, const uint8_t *data, size_t size) {
    const char *made[PLACEHOLDERS] = {NULL};
    struct buf *b = arena_alloc(a, sizeof *b);

    buf_init(b, a, TEXT_MAX);
    while (size) {
        size_t i = 0, len = 1;

        while (i < PLACEHOLDERS &&
               (size < strlen(placeholders[i].name) ||
                memcmp(data, placeholders[i].name, strlen(placeholders[i].name)) != 0))
            i++;
        if (i < PLACEHOLDERS) {
            if (!made[i])
                made[i] = placeholders[i].make(site, a);
            buf_adds(b, made[i]);
            len = strlen(placeholders[i].name);
        } else {
            buf_addc(b, (char)*data);
        }
        data += len;
        size -= len;
    }
    return b;
}

/* ---- the request, as web/fcgi.c fills it in ---- */

static const char *header_param(struct arena *a, char *line) {
    char *colon = strchr(line, ':');

    if (!colon)
        return NULL;
    *colon++ = 0;
    for (char *p = line; *p; p++)
        *p = (char)(isalnum((unsigned char)*p) ? toupper((unsigned char)*p) : '_');
    return arena_printf(a, "%s%s=%s", strcmp(line, "CONTENT_TYPE") ? "HTTP_" : "", line,
                        colon + strspn(colon, " "));
}

static void read_request(struct arena *a, const uint8_t *data, size_t size, struct request *rq) {
    char *first = take_line_of(a, &data, &size), *uri = strchr(first, ' '), *line;
    const char **params = arena_alloc(a, (PARAMS_MAX + 1) * sizeof *params);
    size_t n = 0, len;

    *rq = (struct request){.arena = a, .id = "id", .method = first, .remote_addr = "192.0.2.1"};
    if (uri)
        *uri++ = 0;
    else
        uri = first + strlen(first);
    len = strcspn(uri, "?");
    rq->query = uri[len] ? uri + len + 1 : "";
    rq->path = url_decode(a, uri, len, false);
    if (!rq->path)
        rq->path = arena_strndup(a, uri, len);
    while (*(line = take_line_of(a, &data, &size)))
        if (n < PARAMS_MAX && (params[n] = header_param(a, line)))
            n++;
    params[n] = NULL;
    rq->params = (char *const *)(uintptr_t)params;
    (void)request_index(rq);
    rq->content_type = request_param(rq, "CONTENT_TYPE");
    if (!rq->content_type)
        rq->content_type = "";
    rq->body = arena_strndup(a, (const char *)data, size);
    rq->body_len = size;
}

/* ---- the reply ---- */

struct sink {
    struct reply_sink base; /* first */
    struct buf out;
    bool ended;
};

static enum rc sink_begin(struct reply_sink *s, const struct reply *rp) {
    MUST(rp->status == 200 && !((struct sink *)s)->out.len);
    return OK;
}

static enum rc sink_write(struct reply_sink *s, const char *p, size_t len) {
    MUST(!((struct sink *)s)->ended);
    buf_add(&((struct sink *)s)->out, p, len);
    return OK;
}

static void sink_end(struct reply_sink *s) {
    ((struct sink *)s)->ended = true;
}

static const char *value_of(const struct reply *rp, const char *name) {
    for (unsigned i = 0; i < rp->header_count; i++)
        if (!strcasecmp(rp->headers[i].name, name))
            return rp->headers[i].value;
    return NULL;
}

static struct json *must_be_json(struct arena *a, const char *text, size_t len) {
    struct json *v;
    struct err e;

    MUST(!json_parse(a, text, len, &v, &e));
    return v;
}

/* JSON-RPC 2.0 §4, §5. */
static void check_message(const struct json *v) {
    const char *version = json_get_str(v, "jsonrpc");

    MUST(version && !strcmp(version, "2.0"));
    MUST(json_has(v, "result") + json_has(v, "error") + json_has(v, "method") == 1);
    if (json_has(v, "error"))
        MUST(json_get_str(json_get(v, "error"), "message") &&
             json_is_number(json_get(json_get(v, "error"), "code")));
}

/* An answer has the id of what it answers (JSON-RPC 2.0 §5), or none. */
static void check_id(struct arena *a, const struct request *rq, const struct json *answer) {
    const struct json *id = json_get(answer, "id");
    struct json *sent;
    struct err e;

    if (json_has(answer, "method") || !id)
        return;
    MUST(!json_parse(a, rq->body, rq->body_len, &sent, &e));
    if (json_is_object(sent))
        MUST(!strcmp(json_text(a, id, NULL), json_text(a, json_get(sent, "id"), NULL)));
}

static void check_rpc(const struct json *v) {
    if (!json_is_array(v))
        check_message(v);
    for (size_t i = 0; i < json_len(v); i++)
        check_message(json_at(v, i));
}

/* Events of one line of data each, and comments. */
static void check_events(struct arena *a, const char *p, size_t len) {
    while (len) {
        const char *end = memmem(p, len, "\n\n", 2), *line = p;

        MUST(end);
        for (const char *next; line < end; line = next + 1) {
            next = memchr(line, '\n', (size_t)(end - line) + 1);
            MUST(next);
            if (!strncmp(line, "data: {", 7))
                check_rpc(must_be_json(a, line + 6, (size_t)(next - line - 6)));
            else
                MUST(!strncmp(line, "id: ", 4) || !strncmp(line, "retry: ", 7) ||
                     !strncmp(line, "data: \n", 7) || *line == ':');
        }
        len -= (size_t)(end + 2 - p);
        p = end + 2;
    }
}

/* A browser is only ever sent to where a client has said that it may be. */
static void check_location(const char *uri) {
    static const char *const known[] = {"https://client.example/cb", "http://127.0.0.1",
                                        "com.example:/cb"};
    bool good = false;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        good = good || !strncmp(uri, known[i], strlen(known[i]));
    MUST(good);
}

static void check_body(struct arena *a, const struct request *rq, const struct reply *rp) {
    const char *type = value_of(rp, "Content-Type");
    struct json *v;

    if (!rp->body_len)
        return;
    MUST(type);
    if (!strncmp(type, "text/html", 9)) {
        MUST(!memmem(rp->body, rp->body_len, MARK, strlen(MARK)));
        MUST(value_of(rp, "Content-Security-Policy") && value_of(rp, "X-Frame-Options"));
        MUST(utf8_valid_length(rp->body, rp->body_len) == rp->body_len);
        return;
    }
    if (!strcmp(type, "text/event-stream")) {
        check_events(a, rp->body, rp->body_len);
        return;
    }
    MUST(!strcmp(type, "application/json"));
    v = must_be_json(a, rp->body, rp->body_len);
    if (!strcmp(rq->path, "/mcp") && !strcmp(rq->method, "POST") && rp->status == 200)
        check_rpc(v);
    if (!strcmp(rq->path, "/mcp"))
        check_id(a, rq, v);
    else if (rp->status >= 400)
        MUST(json_get_str(v, "error"));
}

/* Each is whole, and nothing is behind the last. */
static void check_subscriptions(const struct buf *b) {
    struct text list = {b->p, b->len};
    struct subscription s;

    while (subscription_next(&list, &s))
        MUST(s.argument.len <= b->len && s.text.len <= b->len);
    MUST(!list.len || b->overflow);
}

static void check_reply(struct arena *a, const struct request *rq, const struct reply *rp,
                        const struct sink *sink) {
    const char *type = value_of(rp, "Content-Type");

    MUST(rp->status >= 200 && rp->status < 600);
    MUST(rp->status != 500); /* whatever is asked for, nothing here is broken */
    MUST(rp->status != 401 || value_of(rp, "WWW-Authenticate") || strcmp(rq->path, "/mcp") != 0);
    MUST((rp->status == 302) == (value_of(rp, "Location") != NULL));
    if (rp->status == 302)
        check_location(value_of(rp, "Location"));
    if (rp->subscriptions)
        check_subscriptions(rp->subscriptions);
    if (!rp->streaming) {
        check_body(a, rq, rp);
        return;
    }
    MUST(type && !strcmp(type, "text/event-stream"));
    check_events(a, sink->out.p, sink->out.len);
}

/* Lines of JSON: one for a request, or for each call of a batch. */
static void check_audit(struct arena *a) {
    static int fd = -1;
    static char line[65536];
    ssize_t len;

    if (fd < 0)
        fd = open(fuzz_path(a, "audit.log"), O_RDWR | O_CLOEXEC);
    MUST(fd >= 0);
    len = pread(fd, line, sizeof line, 0);
    MUST(len >= 0);
    if (!len)
        return;
    MUST(line[len - 1] == '\n');
    for (const char *p = line, *end; p < line + len; p = end + 1) {
        end = memchr(p, '\n', (size_t)(line + len - p));
        (void)must_be_json(a, p, (size_t)(end - p));
    }
    MUST(!ftruncate(fd, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int never = -1; /* readable never: the peer stays */
    struct app *app = site_app();
    struct arena *a;
    struct buf *text;
    struct request rq;
    struct reply rp;
    struct sink sink = {
        .base = {.begin = sink_begin, .write = sink_write, .end = sink_end, .fd = -1}};

    if (never < 0)
        MUST((never = eventfd(0, EFD_CLOEXEC)) >= 0);
    if (size > INPUT_MAX)
        return 0;
    a = arena_new(MEMORY_MAX + TEXT_MAX);
    text = fill_in(site_of(app), a, data, size);
    read_request(a, (const uint8_t *)text->p, text->len, &rq);
    reply_init(&rp, a);
    buf_init(&sink.out, a, TEXT_MAX);
    sink.base.fd = never;
    rp.sink = &sink.base;
    app_handle(app, &rq, OK, &rp);
    check_reply(a, &rq, &rp, &sink);
    check_audit(a);
    site_of(app)->clock.fixed_s = NOW_S + 1000;
    session_store_sweep(site_of(app)->oauth->sessions); /* or it would be full one day */
    site_of(app)->clock.fixed_s = NOW_S;
    arena_free(a);
    return 0;
}

/* What other servers answer: header lines, an empty line and the body, as curl gives them to us,
 * read as an answer that may be cached, and as one of Cognito's token endpoint. */
#include <strings.h>

#include "input.h"
#include "standalone.h"

/* For what reads the answers: the rest asks. */
#define IDP_PROVIDERS PROVIDER(cognito)
#include "idp/idp.c"
#include "net/http.c"

#include "net/http_reply.h"

#define INPUT_MAX 65536
#define NOW_S 1800000000

/* Line by line, as curl calls it. The body is what is left. */
static void read_head(struct arena *a, const uint8_t **data, size_t *size, struct http_reply *out) {
    struct receiving r = {.times_sent = 1};

    buf_init(&r.head, a, HTTP_REPLY_HEADERS_MAX);
    out->content_type = "";
    while (*size) {
        const uint8_t *end = memchr(*data, '\n', *size);
        size_t len = end ? (size_t)(end - *data) + 1 : *size;
        char *line = arena_strndup(a, (const char *)*data, len);

        *data += len;
        *size -= len;
        if (*line == '\n')
            break;
        if (receive_header(line, 1, len, &r) != len)
            break; /* curl gives up */
        if (!strncasecmp(line, "HTTP/", 5) && strlen(line) > 12)
            out->status = strtol(line + 9, NULL, 10);
    }
    split_headers(a, &r.head, out);
}

static void check_fields(struct arena *a, const struct http_reply *rp) {
    for (size_t i = 0; i < rp->field_count; i++) {
        const char *name = rp->fields[i].name, *value = rp->fields[i].value;
        const char *first = http_reply_header(rp, name),
                   *joined = http_reply_joined_header(a, rp, name);

        MUST(!strchr(name, ':') && !strpbrk(value, "\n"));
        MUST(first && joined && !strncmp(joined, first, strlen(first)));
        MUST(strlen(joined) >= strlen(value) &&
             (first == value || strstr(joined, arena_printf(a, ", %s", value))));
    }
}

static bool says(struct arena *a, const struct http_reply *rp, const char *directive) {
    const char *control = http_reply_joined_header(a, rp, "cache-control");

    return control && !strcasecmp(control, directive);
}

static void check_caching(struct arena *a, const struct http_reply *rp) {
    struct http_caching c;

    http_caching_read(a, rp, NOW_S, &c);
    MUST(c.fresh_s <= INT64_C(400000000000) && c.fresh_s >= -INT64_C(400000000000));
    MUST(c.has_lifetime || !c.fresh_s);
    MUST(c.stale_if_error_s >= -1 && c.stale_if_error_s <= (INT64_C(1) << 31));
    MUST(!says(a, rp, "no-store") || !c.may_store);
    MUST(!says(a, rp, "PRIVATE") || !c.may_store);
    MUST(!says(a, rp, "must-revalidate") || !c.may_be_stale);
    MUST(!says(a, rp, "max-age=60") || (c.has_lifetime && c.fresh_s <= 60));
}

static void check_tokens(struct arena *a, const struct http_reply *rp) {
    const char *reason = idp_reason(a, rp->body);
    struct call c = {.arena = a, .endpoint = "token", .reply = *rp};
    struct idp_tokens tokens;
    struct err e = {0};

    MUST(is_plain_line(reason, strlen(reason)) && strlen(reason) <= IDP_REASON_MAX + 1);

    if (rp->status != 200) {
        enum rc rc = token_refused(&c, of_login, &e);

        MUST(rc == ERR_REFUSED || rc == ERR_MISCONFIGURED || rc == ERR_UPSTREAM);
        MUST(*e.text && is_plain_line(e.detail, strlen(e.detail)));
    } else if (read_tokens(&c, &tokens, &e)) {
        MUST(e.code == ERR_UPSTREAM && *e.text && *e.detail);
    } else {
        MUST(*tokens.access_token && strlen(tokens.scope) <= SCOPE_MAX);
        MUST(tokens.expires_in_s > 0 && tokens.expires_in_s <= EXPIRES_IN_MAX_S);
        MUST(!tokens.refresh_token ||
             (*tokens.refresh_token && strlen(tokens.refresh_token) <= IDP_REFRESH_TOKEN_MAX));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_reply rp = {.status = 200, .times_sent = 1};
    struct arena *a;

    if (size > INPUT_MAX)
        return 0;
    (void)fuzz_folder(); /* and a quiet log */
    a = arena_new(ARENA_BYTES);
    read_head(a, &data, &size, &rp);
    rp.body = arena_strndup(a, (const char *)data, size);
    rp.body_len = size;
    if (rp.field_count <= 64)
        check_fields(a, &rp);
    check_caching(a, &rp);
    check_tokens(a, &rp);
    arena_free(a);
    return 0;
}

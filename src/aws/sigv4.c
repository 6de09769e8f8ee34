/* "Create a signed AWS API request" in the IAM User Guide. */
#include "aws/sigv4.h"

#include <ctype.h>
#include <strings.h>
#include <time.h>

#include "base/base.h"
#include "base/encode.h"
#include "base/url.h"
#include "crypto/digest.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SCOPE_END "aws4_request"
#define TIME_LEN 16 /* 20150830T123600Z */
#define DATE_LEN 8
/* Texts are as long as what they are made of; what the arena allows is far below. */
#define TEXT_MAX ((size_t)1 << 26)
#define ADDED_MAX 4 /* headers that signing adds */

/* ---- time and body ---- */

/* 20150830T123600Z */
static const char *time_of(struct arena *a, const struct aws_sign_request *rq) {
    char *out = arena_alloc(a, TIME_LEN + 1);
    struct tm tm = {0};

    (void)gmtime_r(&(time_t){rq->time_s}, &tm);
    (void)strftime(out, TIME_LEN + 1, "%Y%m%dT%H%M%SZ", &tm);
    return out;
}

static const char *body_hash(struct arena *a, const struct aws_sign_request *rq) {
    uint8_t digest[SHA256_LEN];

    sha256(rq->body, rq->body_len, digest);
    return hex_encode(a, digest, sizeof digest);
}

/* ---- encoding ---- */

/* Encoded anew, so that %7e, %7E and ~ all become the one canonical form. */
static char *encode_again(struct arena *a, const char *s, size_t len) {
    struct buf b;

    buf_init(&b, a, TEXT_MAX);
    for (size_t i = 0; i < len; i++) {
        int byte = url_escaped_byte(s + i, len - i);

        url_encode_bytes(&b, byte < 0 ? &s[i] : &(char){(char)byte}, 1, 0);
        i += byte < 0 ? 0 : 2;
    }
    return b.p;
}

/* ---- path ---- */

/* Without empty, "." and ".." segments. A slash at the end stays, if anything is before it. */
static const char *normalize(struct arena *a, const char *path) {
    char *out = arena_alloc(a, strlen(path) + 2), *end = out;

    *end++ = '/';
    for (const char *p = path; *p; p++)
        if (*p != '/' || end[-1] != '/')
            *end++ = *p;
    *end = 0;
    url_remove_dots(out);
    end = out + strlen(out);
    if (end > out + 1 && end[-1] == '/' && path[strlen(path) - 1] != '/')
        end[-1] = 0; /* it came in place of dots */
    return *out ? out : "/";
}

static void add_path(struct buf *b, struct arena *a, const struct aws_sign_request *rq) {
    const char *path = rq->path && *rq->path ? rq->path : "/";

    if (rq->flags & SIGV4_NORMALIZE_PATH)
        path = normalize(a, path);
    if (rq->flags & SIGV4_DOUBLE_ENCODE)
        url_encode_bytes(b, path, strlen(path), '/');
    else
        buf_adds(b, path);
}

/* ---- query ---- */

struct parameter {
    const char *name, *value; /* encoded */
};

static int compare_parameters(const void *left, const void *right) {
    const struct parameter *x = left, *y = right;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->value, y->value);
}

static void add_query(struct buf *b, struct arena *a, const char *query) {
    struct parameter *list;
    size_t count = 0, most = 1;

    if (!query)
        return;
    for (const char *p = query; *p; p++)
        most += *p == '&';
    list = arena_alloc(a, most * sizeof *list);
    for (const char *p = query; *p;) {
        size_t len = strcspn(p, "&"), name_len = strcspn(p, "=&");

        if (len) {
            size_t value_at = name_len + (p[name_len] == '=');
            list[count].name = encode_again(a, p, name_len);
            list[count++].value = encode_again(a, p + value_at, len - value_at);
        }
        p += len + (p[len] == '&');
    }
    qsort(list, count, sizeof *list, compare_parameters);
    for (size_t i = 0; i < count; i++) {
        buf_adds(b, i ? "&" : "");
        buf_adds(b, list[i].name);
        buf_addc(b, '=');
        buf_adds(b, list[i].value);
    }
}

/* ---- headers ---- */

static bool is_named(const char *line, const char *const *names) {
    size_t len = strcspn(line, ":");

    for (; *names; names++)
        if (strlen(*names) == len && !strncasecmp(line, *names, len))
            return true;
    return false;
}

/* Does signing make this line by itself? Then a given one is not sent. */
static bool is_own_header(const char *line) {
    static const char *const own[] = {
        "Host", "Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256",
        NULL};

    return is_named(line, own);
}

/* What belongs to one connection, or what the way may change: never signed. */
static bool is_unsigned(const char *line) {
    static const char *const hop_by_hop[] = {"Connection",
                                             "Expect",
                                             "Keep-Alive",
                                             "Proxy-Authorization",
                                             "Sec-WebSocket-Key",
                                             "Sec-WebSocket-Protocol",
                                             "Sec-WebSocket-Version",
                                             "TE",
                                             "Trailer",
                                             "Transfer-Encoding",
                                             "Upgrade",
                                             "User-Agent",
                                             "X-Amzn-Trace-Id",
                                             NULL};

    return is_named(line, hop_by_hop);
}

/* A header to be signed: the name in lower case, the value trimmed and folded. */
struct header {
    const char *name, *value;
    size_t order; /* as it was given, for headers of one name */
};
struct headers {
    struct header *list; /* sorted by name, then as given */
    size_t count;
};

/* White space at the ends goes, and each run within, line folds included, becomes one space. */
static const char *fold(struct arena *a, const char *value) {
    char *out = arena_alloc(a, strlen(value) + 1), *end = out;

    for (const char *p = value; *p; p++) {
        if (!isspace((unsigned char)*p))
            *end++ = *p;
        else if (end > out && end[-1] != ' ')
            *end++ = ' ';
    }
    while (end > out && end[-1] == ' ')
        end--;
    *end = 0;
    return out;
}

static void add_header(struct headers *h, struct arena *a, const char *name, size_t name_len,
                       const char *value) {
    char *lower = arena_strndup(a, name, name_len);

    for (char *p = lower; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    h->list[h->count] = (struct header){lower, fold(a, value), h->count};
    h->count++;
}

static int compare_headers(const void *left, const void *right) {
    const struct header *x = left, *y = right;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

#define NAMED(name) name, sizeof(name) - 1

static void collect_headers(struct arena *a, const struct aws_sign_request *rq,
                            struct headers *out) {
    size_t given = 0;

    while (rq->headers && rq->headers[given])
        given++;
    out->count = 0;
    out->list = arena_alloc(a, (given + ADDED_MAX) * sizeof *out->list);
    for (size_t i = 0; i < given; i++) {
        const char *line = rq->headers[i], *colon = strchr(line, ':');

        if (colon && !is_own_header(line) && !is_unsigned(line))
            add_header(out, a, line, (size_t)(colon - line), colon + 1);
    }
    add_header(out, a, NAMED("host"), rq->host);
    add_header(out, a, NAMED("x-amz-date"), time_of(a, rq));
    if (*rq->credentials->session_token && !(rq->flags & SIGV4_TOKEN_UNSIGNED))
        add_header(out, a, NAMED("x-amz-security-token"), rq->credentials->session_token);
    if (rq->flags & SIGV4_BODY_HEADER)
        add_header(out, a, NAMED("x-amz-content-sha256"), body_hash(a, rq));
    qsort(out->list, out->count, sizeof *out->list, compare_headers);
}

static bool is_repeated(const struct headers *h, size_t i) {
    return i > 0 && !strcmp(h->list[i].name, h->list[i - 1].name);
}

/* "host;x-amz-date" */
static void add_header_names(struct buf *b, const struct headers *h) {
    for (size_t i = 0; i < h->count; i++) {
        if (is_repeated(h, i))
            continue;
        buf_adds(b, i ? ";" : "");
        buf_adds(b, h->list[i].name);
    }
}

/* A line each; the values of one name are joined by commas. */
static void add_headers(struct buf *b, const struct headers *h) {
    for (size_t i = 0; i < h->count; i++) {
        if (is_repeated(h, i)) {
            buf_addc(b, ',');
        } else {
            buf_adds(b, i ? "\n" : "");
            buf_adds(b, h->list[i].name);
            buf_addc(b, ':');
        }
        buf_adds(b, h->list[i].value);
    }
    buf_addc(b, '\n');
}

/* ---- the stages ---- */

const char *sigv4_canonical_request(struct arena *a, const struct aws_sign_request *rq) {
    struct headers headers;
    struct buf b;

    buf_init(&b, a, TEXT_MAX);
    collect_headers(a, rq, &headers);
    buf_adds(&b, rq->method);
    buf_addc(&b, '\n');
    add_path(&b, a, rq);
    buf_addc(&b, '\n');
    add_query(&b, a, rq->query);
    buf_addc(&b, '\n');
    add_headers(&b, &headers);
    buf_addc(&b, '\n');
    add_header_names(&b, &headers);
    buf_addc(&b, '\n');
    buf_adds(&b, body_hash(a, rq));
    return b.p;
}

/* 20150830/us-east-1/service/aws4_request */
static const char *scope(struct arena *a, const struct aws_sign_request *rq) {
    return arena_printf(a, "%.*s/%s/%s/" SCOPE_END, DATE_LEN, time_of(a, rq), rq->region,
                        rq->service);
}

const char *sigv4_string_to_sign(struct arena *a, const struct aws_sign_request *rq,
                                 const char *canonical_request) {
    uint8_t digest[SHA256_LEN];

    sha256(canonical_request, strlen(canonical_request), digest);
    return arena_printf(a, ALGORITHM "\n%s\n%s\n%s", time_of(a, rq), scope(a, rq),
                        hex_encode(a, digest, sizeof digest));
}

/* Each part of the scope is hashed with the key that the one before gave, so that what is used to
 * sign holds for one day, region and service alone. */
static void signing_key(struct arena *a, const struct aws_sign_request *rq,
                        uint8_t key[SHA256_LEN]) {
    const char *secret = arena_printf(a, "AWS4%s", rq->credentials->secret_access_key);

    hmac_sha256(secret, strlen(secret), time_of(a, rq), DATE_LEN, key);
    hmac_sha256(key, SHA256_LEN, rq->region, strlen(rq->region), key);
    hmac_sha256(key, SHA256_LEN, rq->service, strlen(rq->service), key);
    hmac_sha256(key, SHA256_LEN, SCOPE_END, strlen(SCOPE_END), key);
}

const char *sigv4_authorization(struct arena *a, const struct aws_sign_request *rq,
                                const char *string_to_sign) {
    struct headers headers;
    uint8_t key[SHA256_LEN], signature[SHA256_LEN];
    struct buf b;

    buf_init(&b, a, TEXT_MAX);
    collect_headers(a, rq, &headers);
    signing_key(a, rq, key);
    hmac_sha256(key, sizeof key, string_to_sign, strlen(string_to_sign), signature);
    explicit_bzero(key, sizeof key);
    buf_addf(&b, ALGORITHM " Credential=%s/%s, SignedHeaders=", rq->credentials->access_key_id,
             scope(a, rq));
    add_header_names(&b, &headers);
    buf_addf(&b, ", Signature=%s", hex_encode(a, signature, sizeof signature));
    return b.p;
}

const char *const *sigv4_sign(struct arena *a, const struct aws_sign_request *rq) {
    const char *canonical = sigv4_canonical_request(a, rq);
    const char *to_sign = sigv4_string_to_sign(a, rq, canonical);
    const char **lines;
    size_t count = 0, given = 0;

    while (rq->headers && rq->headers[given])
        given++;
    lines = arena_alloc(a, (given + ADDED_MAX + 1) * sizeof *lines);
    for (size_t i = 0; i < given; i++)
        if (!is_own_header(rq->headers[i]))
            lines[count++] = rq->headers[i];
    lines[count++] = arena_printf(a, "X-Amz-Date: %s", time_of(a, rq));
    if (*rq->credentials->session_token)
        lines[count++] =
            arena_printf(a, "X-Amz-Security-Token: %s", rq->credentials->session_token);
    if (rq->flags & SIGV4_BODY_HEADER)
        lines[count++] = arena_printf(a, "X-Amz-Content-Sha256: %s", body_hash(a, rq));
    lines[count++] = arena_printf(a, "Authorization: %s", sigv4_authorization(a, rq, to_sign));
    lines[count] = NULL;
    return (const char *const *)lines;
}

/* "Create a signed AWS API request" in the IAM User Guide, step 1. */
#include "aws/sigv4_canonical.h"

#include <ctype.h>
#include <strings.h>
#include <time.h>

#include "base/base.h"
#include "base/encode.h"
#include "base/url.h"
#include "crypto/digest.h"

/* ---- time and body ---- */

void sigv4_time(char out[SIGV4_TIME_LEN + 1], int64_t time_s) {
    time_t t = (time_t)time_s;
    struct tm tm;

    memset(&tm, 0, sizeof tm);
    (void)gmtime_r(&t, &tm);
    (void)strftime(out, SIGV4_TIME_LEN + 1, "%Y%m%dT%H%M%SZ", &tm);
}

const char *sigv4_body_hash(struct arena *a, const struct aws_sign_request *rq) {
    uint8_t digest[SHA256_LEN];

    sha256(rq->body, rq->body_len, digest);
    return hex_encode(a, digest, sizeof digest);
}

/* ---- encoding ---- */

/* Encoded anew, so that %7e, %7E and ~ all become the one canonical form. */
static char *encode_again(struct arena *a, const char *s, size_t len) {
    struct buf b;

    buf_init(&b, a, SIGV4_TEXT_MAX);
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

bool sigv4_is_own_header(const char *line) {
    static const char *const own[] = {
        "Host", "Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256", NULL,
    };

    return is_named(line, own);
}

/* What belongs to one connection, or what the way may change: never signed. */
static bool is_unsigned(const char *line) {
    static const char *const hop_by_hop[] = {
        "Connection",
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
        NULL,
    };

    return is_named(line, hop_by_hop);
}

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

static void add_header(struct sigv4_headers *h, struct arena *a, const char *name, size_t name_len,
                       const char *value) {
    char *lower = arena_strndup(a, name, name_len);

    for (char *p = lower; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    h->list[h->count] = (struct sigv4_header){lower, fold(a, value), h->count};
    h->count++;
}

static int compare_headers(const void *left, const void *right) {
    const struct sigv4_header *x = left, *y = right;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

#define OWN_HEADERS_MAX 4 /* of those that signing adds */
#define NAMED(name) name, sizeof(name) - 1

void sigv4_collect_headers(struct arena *a, const struct aws_sign_request *rq,
                           struct sigv4_headers *out) {
    char time[SIGV4_TIME_LEN + 1];
    size_t given = 0;

    while (rq->headers && rq->headers[given])
        given++;
    out->count = 0;
    out->list = arena_alloc(a, (given + OWN_HEADERS_MAX) * sizeof *out->list);
    for (size_t i = 0; i < given; i++) {
        const char *line = rq->headers[i], *colon = strchr(line, ':');

        if (colon && !sigv4_is_own_header(line) && !is_unsigned(line))
            add_header(out, a, line, (size_t)(colon - line), colon + 1);
    }
    sigv4_time(time, rq->time_s);
    add_header(out, a, NAMED("host"), rq->host);
    add_header(out, a, NAMED("x-amz-date"), time);
    if (*rq->credentials->session_token && !(rq->flags & SIGV4_TOKEN_UNSIGNED))
        add_header(out, a, NAMED("x-amz-security-token"), rq->credentials->session_token);
    if (rq->flags & SIGV4_BODY_HEADER)
        add_header(out, a, NAMED("x-amz-content-sha256"), sigv4_body_hash(a, rq));
    qsort(out->list, out->count, sizeof *out->list, compare_headers);
}

static bool is_repeated(const struct sigv4_headers *h, size_t i) {
    return i > 0 && !strcmp(h->list[i].name, h->list[i - 1].name);
}

void sigv4_add_header_names(struct buf *b, const struct sigv4_headers *h) {
    for (size_t i = 0; i < h->count; i++) {
        if (is_repeated(h, i))
            continue;
        buf_adds(b, i ? ";" : "");
        buf_adds(b, h->list[i].name);
    }
}

/* A line each; the values of one name are joined by commas. */
static void add_headers(struct buf *b, const struct sigv4_headers *h) {
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

/* ---- all ---- */

const char *sigv4_canonical_request(struct arena *a, const struct aws_sign_request *rq) {
    struct sigv4_headers headers;
    struct buf b;

    buf_init(&b, a, SIGV4_TEXT_MAX);
    sigv4_collect_headers(a, rq, &headers);
    buf_adds(&b, rq->method);
    buf_addc(&b, '\n');
    add_path(&b, a, rq);
    buf_addc(&b, '\n');
    add_query(&b, a, rq->query);
    buf_addc(&b, '\n');
    add_headers(&b, &headers);
    buf_addc(&b, '\n');
    sigv4_add_header_names(&b, &headers);
    buf_addc(&b, '\n');
    buf_adds(&b, sigv4_body_hash(a, rq));
    return b.p;
}

/* "Create a signed AWS API request" in the IAM User Guide. */
#include "aws/sigv4.h"

#include <time.h>

#include "base/base.h"
#include "base/encode.h"
#include "base/text.h"
#include "base/url.h"
#include "crypto/digest.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SCOPE_END "aws4_request"
#define TIME_LEN 16 /* 20150830T123600Z */
#define DATE_LEN 8
/* Texts are as long as what they are made of; what the arena allows is far below. */
#define TEXT_MAX ((size_t)1 << 26)
#define ADDED_MAX 3 /* headers that signing adds */

/* 20150830T123600Z */
static const char *time_of(struct arena *a, const struct aws_sign_request *rq) {
    char *out = arena_alloc(a, TIME_LEN + 1);
    struct tm tm = {0};

    (void)gmtime_r(&(time_t){rq->time_s}, &tm);
    (void)strftime(out, TIME_LEN + 1, "%Y%m%dT%H%M%SZ", &tm);
    return out;
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

/* ---- headers ---- */

/* The name in lower case. */
struct header {
    const char *name, *value;
};
struct headers {
    struct header *list; /* sorted by name */
    size_t count;
};

static int compare_headers(const void *left, const void *right) {
    return strcmp(((const struct header *)left)->name, ((const struct header *)right)->name);
}

static size_t count_lines(const struct aws_sign_request *rq) {
    size_t count = 0;

    while (rq->headers[count])
        count++;
    return count;
}

static struct headers collect_headers(struct arena *a, const struct aws_sign_request *rq) {
    const size_t given = count_lines(rq);
    struct headers h = {arena_alloc(a, (given + ADDED_MAX) * sizeof *h.list), given};

    for (size_t i = 0; i < given; i++) {
        const char *line = rq->headers[i], *value = line + strcspn(line, ":") + 1;

        h.list[i] =
            (struct header){text_lower(a, line, strcspn(line, ":")), value + strspn(value, " ")};
    }
    h.list[h.count++] = (struct header){"host", rq->host};
    h.list[h.count++] = (struct header){"x-amz-date", time_of(a, rq)};
    if (*rq->credentials->session_token)
        h.list[h.count++] = (struct header){"x-amz-security-token", rq->credentials->session_token};
    qsort(h.list, h.count, sizeof *h.list, compare_headers);
    return h;
}

/* "host;x-amz-date" */
static void add_header_names(struct buf *b, const struct headers *h) {
    for (size_t i = 0; i < h->count; i++)
        buf_addf(b, "%s%s", i ? ";" : "", h->list[i].name);
}

/* ---- the stages ---- */

const char *sigv4_canonical_request(struct arena *a, const struct aws_sign_request *rq) {
    const struct headers headers = collect_headers(a, rq);
    const char *path = normalize(a, rq->path);
    uint8_t digest[SHA256_LEN];
    struct buf b;

    buf_init(&b, a, TEXT_MAX);
    buf_addf(&b, "%s\n", rq->method);
    url_encode_bytes(&b, path, strlen(path), '/');
    buf_adds(&b, "\n\n"); /* there is no query */
    for (size_t i = 0; i < headers.count; i++)
        buf_addf(&b, "%s:%s\n", headers.list[i].name, headers.list[i].value);
    buf_addc(&b, '\n');
    add_header_names(&b, &headers);
    sha256(rq->body, rq->body_len, digest);
    buf_addf(&b, "\n%s", hex_encode(a, digest, sizeof digest));
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
    const struct headers headers = collect_headers(a, rq);
    uint8_t key[SHA256_LEN], signature[SHA256_LEN];
    struct buf b;

    buf_init(&b, a, TEXT_MAX);
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
    size_t count = count_lines(rq);
    const char **lines = arena_alloc(a, (count + ADDED_MAX + 1) * sizeof *lines);

    memcpy(lines, rq->headers, count * sizeof *lines);
    lines[count++] = arena_printf(a, "X-Amz-Date: %s", time_of(a, rq));
    if (*rq->credentials->session_token)
        lines[count++] =
            arena_printf(a, "X-Amz-Security-Token: %s", rq->credentials->session_token);
    lines[count++] = arena_printf(a, "Authorization: %s", sigv4_authorization(a, rq, to_sign));
    lines[count] = NULL;
    return (const char *const *)lines;
}

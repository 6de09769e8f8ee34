/* "Create a signed AWS API request" in the IAM User Guide. */
#include "aws/sigv4.h"

#include "base/encode.h"
#include "base/text.h"
#include "base/url.h"
#include "crypto/digest.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SCOPE_END "aws4_request"
#define DATE_LEN 8 /* of 20150830T123600Z */
/* Texts are as long as what they are made of; what the arena allows is far below. */
#define TEXT_MAX ((size_t)1 << 26)
#define ADDED_MAX 3 /* headers that signing adds */

struct signing {
    struct arena *arena;
    const struct aws_sign_request *rq;
    const char *time;  /* 20150830T123600Z */
    const char *scope; /* 20150830/us-east-1/service/aws4_request */
    const char *names; /* of the headers: "host;x-amz-date" */
};

static const char *time_text(struct arena *a, int64_t time_s) {
    char text[sizeof "20150830T123600Z"] = "";
    struct tm tm;

    if (gmtime_r(&(time_t){time_s}, &tm))
        (void)strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &tm);
    return arena_strdup(a, text);
}

/* The name in lower case. */
struct header {
    const char *name, *value;
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

/* Adds all headers, sorted by name, to the canonical request, and sets their names. */
static void add_headers(struct signing *s, struct buf *b) {
    const struct aws_sign_request *rq = s->rq;
    size_t count = count_lines(rq);
    struct header *list = arena_alloc(s->arena, (count + ADDED_MAX) * sizeof *list);
    struct buf names;

    for (size_t i = 0; i < count; i++) {
        const char *line = rq->headers[i], *value = line + strcspn(line, ":") + 1;

        list[i].name = text_lower(s->arena, line, strcspn(line, ":"));
        list[i].value = value + strspn(value, " ");
    }
    list[count++] = (struct header){"host", rq->host};
    list[count++] = (struct header){"x-amz-date", s->time};
    if (*rq->credentials->session_token)
        list[count++] = (struct header){"x-amz-security-token", rq->credentials->session_token};
    qsort(list, count, sizeof *list, compare_headers);
    buf_init(&names, s->arena, TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_addf(b, "%s:%s\n", list[i].name, list[i].value);
        buf_addf(&names, "%s%s", i ? ";" : "", list[i].name);
    }
    s->names = names.p;
}

static const char *hash(struct arena *a, const void *data, size_t len) {
    uint8_t digest[SHA256_LEN];

    sha256(data, len, digest);
    return hex_encode(a, digest, sizeof digest);
}

static const char *make_canonical_request(struct signing *s) {
    const struct aws_sign_request *rq = s->rq;
    struct buf b;

    buf_init(&b, s->arena, TEXT_MAX);
    buf_addf(&b, "%s\n", rq->method);
    url_encode_bytes(&b, rq->path, strlen(rq->path), '/');
    buf_adds(&b, "\n\n"); /* there is no query */
    add_headers(s, &b);
    buf_addf(&b, "\n%s\n%s", s->names, hash(s->arena, rq->body, rq->body_len));
    return b.p;
}

/* Each part of the scope is hashed with the key that the one before gave, so that what is used to
 * sign holds for one day, region and service alone. */
static const char *make_signature(const struct signing *s, const char *string_to_sign) {
    const struct aws_sign_request *rq = s->rq;
    const char *secret = arena_printf(s->arena, "AWS4%s", rq->credentials->secret_access_key);
    uint8_t key[SHA256_LEN];

    hmac_sha256(secret, strlen(secret), s->time, DATE_LEN, key);
    hmac_sha256(key, sizeof key, rq->region, strlen(rq->region), key);
    hmac_sha256(key, sizeof key, rq->service, strlen(rq->service), key);
    hmac_sha256(key, sizeof key, SCOPE_END, strlen(SCOPE_END), key);
    hmac_sha256(key, sizeof key, string_to_sign, strlen(string_to_sign), key);
    return hex_encode(s->arena, key, sizeof key);
}

static const char *const *make_lines(const struct signing *s, const char *signature) {
    const struct aws_credentials *c = s->rq->credentials;
    size_t count = count_lines(s->rq);
    const char **lines = arena_alloc(s->arena, (count + ADDED_MAX + 1) * sizeof *lines);

    memcpy(lines, s->rq->headers, count * sizeof *lines);
    lines[count++] = arena_printf(s->arena, "X-Amz-Date: %s", s->time);
    if (*c->session_token)
        lines[count++] = arena_printf(s->arena, "X-Amz-Security-Token: %s", c->session_token);
    lines[count] = arena_printf(
        s->arena, "Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
        c->access_key_id, s->scope, s->names, signature);
    return (const char *const *)lines;
}

struct sigv4 sigv4_sign(struct arena *a, const struct aws_sign_request *rq) {
    struct signing s = {.arena = a, .rq = rq, .time = time_text(a, rq->time_s)};
    struct sigv4 out;

    s.scope = arena_printf(a, "%.*s/%s/%s/" SCOPE_END, DATE_LEN, s.time, rq->region, rq->service);
    out.canonical_request = make_canonical_request(&s);
    out.string_to_sign =
        arena_printf(a, ALGORITHM "\n%s\n%s\n%s", s.time, s.scope,
                     hash(a, out.canonical_request, strlen(out.canonical_request)));
    out.lines = make_lines(&s, make_signature(&s, out.string_to_sign));
    return out;
}

/* "Create a signed AWS API request" in the IAM User Guide, steps 2 to 5. */
#include "aws/sigv4.h"

#include <string.h>

#include "base/encode.h"
#include "crypto/digest.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SCOPE_END "aws4_request"

/* 20150830/us-east-1/service/aws4_request */
static const char *scope(struct arena *a, const struct aws_sign_request *rq) {
    char time[SIGV4_TIME_LEN + 1];

    sigv4_time(time, rq->time_s);
    return arena_printf(a, "%.*s/%s/%s/" SCOPE_END, SIGV4_DATE_LEN, time, rq->region, rq->service);
}

const char *sigv4_string_to_sign(struct arena *a, const struct aws_sign_request *rq,
                                 const char *canonical_request) {
    char time[SIGV4_TIME_LEN + 1];
    uint8_t digest[SHA256_LEN];

    sigv4_time(time, rq->time_s);
    sha256(canonical_request, strlen(canonical_request), digest);
    return arena_printf(a, ALGORITHM "\n%s\n%s\n%s", time, scope(a, rq),
                        hex_encode(a, digest, sizeof digest));
}

/* Each part of the scope is hashed with the key that the one before gave, so that what is used to
 * sign holds for one day, region and service alone. */
static void signing_key(struct arena *a, const struct aws_sign_request *rq,
                        uint8_t key[SHA256_LEN]) {
    char time[SIGV4_TIME_LEN + 1];
    const char *secret = arena_printf(a, "AWS4%s", rq->credentials->secret_access_key);

    sigv4_time(time, rq->time_s);
    hmac_sha256(secret, strlen(secret), time, SIGV4_DATE_LEN, key);
    hmac_sha256(key, SHA256_LEN, rq->region, strlen(rq->region), key);
    hmac_sha256(key, SHA256_LEN, rq->service, strlen(rq->service), key);
    hmac_sha256(key, SHA256_LEN, SCOPE_END, strlen(SCOPE_END), key);
}

const char *sigv4_authorization(struct arena *a, const struct aws_sign_request *rq,
                                const char *string_to_sign) {
    struct sigv4_headers headers;
    uint8_t key[SHA256_LEN], signature[SHA256_LEN];
    struct buf b;

    buf_init(&b, a, SIGV4_TEXT_MAX);
    sigv4_collect_headers(a, rq, &headers);
    signing_key(a, rq, key);
    hmac_sha256(key, sizeof key, string_to_sign, strlen(string_to_sign), signature);
    explicit_bzero(key, sizeof key);
    buf_addf(&b, ALGORITHM " Credential=%s/%s, SignedHeaders=", rq->credentials->access_key_id,
             scope(a, rq));
    sigv4_add_header_names(&b, &headers);
    buf_addf(&b, ", Signature=%s", hex_encode(a, signature, sizeof signature));
    return b.p;
}

#define LINES_ADDED_MAX 4

const char *const *sigv4_sign(struct arena *a, const struct aws_sign_request *rq) {
    const char *canonical = sigv4_canonical_request(a, rq);
    const char *to_sign = sigv4_string_to_sign(a, rq, canonical);
    char time[SIGV4_TIME_LEN + 1];
    const char **lines;
    size_t count = 0, given = 0;

    while (rq->headers && rq->headers[given])
        given++;
    lines = arena_alloc(a, (given + LINES_ADDED_MAX + 1) * sizeof *lines);
    for (size_t i = 0; i < given; i++)
        if (!sigv4_is_own_header(rq->headers[i]))
            lines[count++] = rq->headers[i];
    sigv4_time(time, rq->time_s);
    lines[count++] = arena_printf(a, "X-Amz-Date: %s", time);
    if (*rq->credentials->session_token)
        lines[count++] =
            arena_printf(a, "X-Amz-Security-Token: %s", rq->credentials->session_token);
    if (rq->flags & SIGV4_BODY_HEADER)
        lines[count++] = arena_printf(a, "X-Amz-Content-Sha256: %s", sigv4_body_hash(a, rq));
    lines[count++] = arena_printf(a, "Authorization: %s", sigv4_authorization(a, rq, to_sign));
    lines[count] = NULL;
    return (const char *const *)lines;
}

/* AWS Signature Version 4 in the Authorization header. Texts are in the arena. */
#pragma once

#include "aws/credentials.h"

enum sigv4_flags {
    /* Resolve ".", ".." and empty segments of the path, and encode it once more than it is sent:
     * every service but S3. */
    SIGV4_NORMALIZE_PATH = 1 << 0,
    SIGV4_DOUBLE_ENCODE = 1 << 1,
    SIGV4_BODY_HEADER = 1 << 2,    /* send and sign X-Amz-Content-Sha256 */
    SIGV4_TOKEN_UNSIGNED = 1 << 3, /* send X-Amz-Security-Token, but do not sign it */
    SIGV4_USUAL = SIGV4_NORMALIZE_PATH | SIGV4_DOUBLE_ENCODE,
};

struct aws_sign_request {
    const char *method;
    const char *host;           /* as the Host header will say it */
    const char *path;           /* as sent; "" is "/" */
    const char *query;          /* as sent, without ?; NULL or "" if there is none */
    const char *const *headers; /* "Name: value", NULL-terminated: all are signed but those that a
                                   proxy may change; NULL for none */
    const void *body;
    size_t body_len;
    const char *region, *service;
    const struct aws_credentials *credentials;
    int64_t time_s;
    unsigned flags; /* enum sigv4_flags */
};

/* The stages of signing. */
const char *sigv4_canonical_request(struct arena *a, const struct aws_sign_request *rq);
const char *sigv4_string_to_sign(struct arena *a, const struct aws_sign_request *rq,
                                 const char *canonical_request);
const char *sigv4_authorization(struct arena *a, const struct aws_sign_request *rq,
                                const char *string_to_sign);

/* All of it: the lines to send, "Name: value", NULL-terminated: the request's own, X-Amz-Date,
 * X-Amz-Security-Token, X-Amz-Content-Sha256, Authorization. Host is not among them: the HTTP
 * client makes it from the URL. */
const char *const *sigv4_sign(struct arena *a, const struct aws_sign_request *rq);

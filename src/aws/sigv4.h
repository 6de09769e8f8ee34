/* AWS Signature Version 4 in the Authorization header, for requests without a query to any service
 * but S3. Texts are in the arena. */
#pragma once

#include "aws/credentials.h"

struct aws_sign_request {
    const char *method;
    const char *host;           /* as the Host header will say it */
    const char *path;           /* as sent, and normalized: it begins with a slash */
    const char *const *headers; /* "Name: value", NULL-terminated, each name once: none that signing
                                   adds, and none that a proxy may change */
    const void *body;
    size_t body_len;
    const char *region, *service;
    const struct aws_credentials *credentials;
    int64_t time_s;
};

struct sigv4 {
    /* The lines to send, "Name: value", NULL-terminated: the request's own, X-Amz-Date,
     * X-Amz-Security-Token, Authorization. The HTTP client adds Host. */
    const char *const *lines;
    const char *canonical_request, *string_to_sign; /* the stages before, for tests */
};
struct sigv4 sigv4_sign(struct arena *a, const struct aws_sign_request *rq);

/* AWS Signature Version 4 in the Authorization header, for requests without a query to any service
 * but S3. Texts are in the arena. */
#pragma once

#include "aws/credentials.h"

struct aws_sign_request {
    const char *method;
    const char *host;           /* as the Host header will say it */
    const char *path;           /* as sent; "" is "/" */
    const char *const *headers; /* "Name: value", NULL-terminated, each name once: none that signing
                                   adds, and none that a proxy may change */
    const void *body;
    size_t body_len;
    const char *region, *service;
    const struct aws_credentials *credentials;
    int64_t time_s;
};

/* The stages of signing. */
const char *sigv4_canonical_request(struct arena *a, const struct aws_sign_request *rq);
const char *sigv4_string_to_sign(struct arena *a, const struct aws_sign_request *rq,
                                 const char *canonical_request);
const char *sigv4_authorization(struct arena *a, const struct aws_sign_request *rq,
                                const char *string_to_sign);

/* All of it: the lines to send, "Name: value", NULL-terminated: the request's own, X-Amz-Date,
 * X-Amz-Security-Token, Authorization. Host is not among them: the HTTP
 * client makes it from the URL. */
const char *const *sigv4_sign(struct arena *a, const struct aws_sign_request *rq);

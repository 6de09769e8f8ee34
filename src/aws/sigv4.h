/* AWS Signature Version 4 in the Authorization header: the second and third stage, and what is sent
 * in the end. Texts are in the arena. */
#pragma once

#include "aws/sigv4_canonical.h"

const char *sigv4_string_to_sign(struct arena *a, const struct aws_sign_request *rq,
                                 const char *canonical_request);
const char *sigv4_authorization(struct arena *a, const struct aws_sign_request *rq,
                                const char *string_to_sign);

/* All of it: the lines to send, "Name: value", NULL-terminated: the request's own, X-Amz-Date,
 * X-Amz-Security-Token, X-Amz-Content-Sha256, Authorization. Host is not among them: the HTTP
 * client makes it from the URL. */
const char *const *sigv4_sign(struct arena *a, const struct aws_sign_request *rq);

/* private_key_jwt: a client proves who it is with a JWT that it signed (RFC 7523 §2.2, §3). */
#pragma once

#include "crypto/jws.h"
#include "site/site.h"
#include "web/request.h"
#include <stdbool.h>

struct assertion {
    struct jws jws;
    const struct json *claims;
};
/* Reads a client_assertion without verifying it. ERR_INVALID_CLIENT with the reason. */
enum rc assertion_read(struct arena *a, const char *text, struct assertion *out,
                       struct err *e) MUST_USE;

/* A client that sends an assertion must
 * pass, one that has to send one must have. */
enum rc client_authenticate(struct site *site, struct arena *a, const struct form *f,
                            bool must_authenticate, struct err *e) MUST_USE;

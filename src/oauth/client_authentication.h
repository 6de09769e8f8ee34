/* How a client says who it is at /token and /revoke: by its client_id, and with private_key_jwt by
 * a JWT that it signed (RFC 7523 §2.2, §3). */
#pragma once

#include "base/base.h"
#include "site/exchange.h"
#include "web/request.h"

/* Reads the form of /token or /revoke, with the client_id in it, whose client is admitted
 * (client_admit). */
enum rc client_form_read(struct exchange *x, struct form *f, struct err *e) MUST_USE;

/* A client that sends an assertion must pass, one that has to send one must have. */
enum rc client_authenticate(struct site *site, struct arena *a, const struct form *f,
                            bool must_authenticate, struct err *e) MUST_USE;

/* Private part of http.h and http_streams.h, in http.c: the certificates of servers are verified by
 * trust.h. The handles are libcurl's. */
#pragma once

#include "net/trust.h"

/* After a reset: libcurl verifies host names, and no certificate. */
void http_tls_set(void *curl);
/* In the handle's CURLOPT_PREREQFUNCTION, so before the first byte of a request: may it be sent on
 * this connection? */
bool http_tls_is_verified(void *curl, struct trust *trust, char why[TRUST_WHY_MAX]) MUST_USE;

/* Private part of http.h and http_streams.h, in http.c: what all requests have. The certificates of
 * servers are verified by trust.h. The handles are libcurl's. */
#pragma once

#include "net/trust.h"

/* After a reset: no proxy, no redirects, http and https; libcurl verifies host names, and no
 * certificate. error_text has CURL_ERROR_SIZE bytes. */
void http_handle_set(void *curl, const char *url, long timeout_ms, char *error_text);
/* In the handle's CURLOPT_PREREQFUNCTION, so before the first byte of a request: may it be sent on
 * this connection? */
bool http_tls_is_verified(void *curl, struct trust *trust, char why[TRUST_WHY_MAX]) MUST_USE;

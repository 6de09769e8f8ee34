/* Checks the certificates that a server sends, as a client on another host would. */
#pragma once

#include "base/base.h"

#define CERTIFICATES_MAX 16 /* in one chain */

enum certificate_fault {
    CERTIFICATE_UNTRUSTED = 1 << 0, /* no trusted authority signed it, or an intermediate
                                       certificate is missing */
    CERTIFICATE_NAME_MISMATCH = 1 << 1,
    CERTIFICATE_EXPIRED = 1 << 2,
    CERTIFICATE_NOT_YET_VALID = 1 << 3,
    CERTIFICATE_UNSUITABLE = 1 << 4, /* revoked, weak, or not for a server */
};
struct certificate {
    unsigned faults;   /* enum certificate_fault; 0: it is valid */
    int64_t expires_s; /* when the server's own expires, in seconds since 1970 */
    const char *names; /* DNS names that it is for, separated by spaces */
};
/* What the server at `host` sent, as PEM, its own certificate first. */
struct certificate_chain {
    const char *pem;
    size_t len;
    const char *host;
};
/* ca_file: authorities that are trusted besides the system's, or "". ERR_INVALID_REQUEST if these
 * are no certificates. */
enum rc certificate_check(struct arena *a, const struct certificate_chain *sent,
                          const char *ca_file, struct certificate *out, struct err *e) MUST_USE;

/* Would a client that is not on this host take the certificates that a server shows? */
#pragma once

#include "base/base.h"

#define CERTIFICATES_MOST 16 /* in one chain */

enum certificate_fault {
    CERTIFICATE_UNTRUSTED = 1 << 0, /* no authority that is trusted here signed it, or not all of
                                       the certificates between them were shown */
    CERTIFICATE_OTHER_NAME = 1 << 1,
    CERTIFICATE_EXPIRED = 1 << 2,
    CERTIFICATE_NOT_YET = 1 << 3,
    CERTIFICATE_UNFIT = 1 << 4, /* revoked, weak, or not for a server */
};
struct certificate {
    unsigned faults;   /* enum certificate_fault; 0: it is good */
    int64_t until_s;   /* when the server's own ends, in seconds since 1970 */
    const char *names; /* DNS names that it is for, separated by spaces */
};
/* What a server at `host` showed, as PEM, its own certificate first. */
struct certificate_chain {
    const char *pem;
    size_t len;
    const char *host;
};
/* ca_file: authorities that are trusted besides the system's, or "". ERR_INVALID_REQUEST if these
 * are no certificates. */
enum rc certificate_check(struct arena *a, const struct certificate_chain *shown,
                          const char *ca_file, struct certificate *out, struct err *e) MUST_USE;

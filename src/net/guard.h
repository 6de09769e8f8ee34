/* Which addresses a stranger may make us connect to. The address that is really connected to is
 * checked, after name resolution, so that a name that changes its answer gains nothing. */
#ifndef NET_GUARD_H
#define NET_GUARD_H

#include "base/err.h"
#include <stdbool.h>
#include <sys/socket.h>

#define GUARD_NETS_MAX 32

struct guard {
    struct guard_net {
        unsigned char addr[16]; /* IPv4 as ::ffff:a.b.c.d */
        unsigned bits;
    } allowed[GUARD_NETS_MAX];
    unsigned count;
};

/* Parses space-separated CIDR ranges that are allowed besides the public ones. */
enum rc guard_init(struct guard *g, const char *allow_nets, struct err *e) MUST_USE;
/* True if sa is globally reachable unicast, or allowed. Addresses that embed an IPv4 address
 * (mapped, NAT64, 6to4, Teredo, ISATAP) are judged by that address too. */
bool guard_allows(const struct guard *g, const struct sockaddr *sa);

#endif

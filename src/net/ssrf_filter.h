/* Which addresses may be connected to for a URL that a client chose (server-side request forgery).
 * The address of the connection itself is checked, after name resolution, so that a name that later
 * resolves to another address gains nothing. */
#pragma once

#include <sys/socket.h>

#include "base/base.h"

#define SSRF_FILTER_NETS_MAX 32

struct ssrf_filter {
    struct ssrf_network {
        unsigned char addr[16]; /* IPv4 as ::ffff:a.b.c.d */
        unsigned bits;
    } allowed[SSRF_FILTER_NETS_MAX];
    unsigned count;
};

/* Parses space-separated CIDR ranges that are allowed besides the public ones. */
enum rc ssrf_filter_init(struct ssrf_filter *f, const char *allow_nets, struct err *e) MUST_USE;
/* True if sa is globally reachable unicast, or allowed. Addresses that embed an IPv4 address
 * (mapped, NAT64, 6to4, Teredo, ISATAP) are judged by that address too. */
bool ssrf_filter_allows(const struct ssrf_filter *f, const struct sockaddr *sa);

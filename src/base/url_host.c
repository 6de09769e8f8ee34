/* Private part of url.h: the host. Browsers, curl and the C library read some texts as addresses
 * that others take for names (127.1, 0x7f.1, 169.254.169.254.), so an address is accepted in one
 * way of writing only, and what all readers take for a name is a name. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/url.h"

/* WHATWG URL, "ends-in-a-number checker": such a host is an IPv4 address, or none at all. */
static bool ends_in_a_number(const char *host) {
    size_t end = strlen(host), start;

    if (end && host[end - 1] == '.')
        end--;
    for (start = end; start && host[start - 1] != '.'; start--)
        ;
    if (start == end)
        return false;
    host += start;
    end -= start;
    if (strspn(host, "0123456789") >= end)
        return true;
    return end >= 2 && !strncasecmp(host, "0x", 2) &&
           strspn(host + 2, "0123456789abcdefABCDEF") >= end - 2;
}

/* RFC 3986 §3.2.2. A zone (RFC 6874) means something on one computer only. */
static bool is_ipv6_literal(const char *host, unsigned char address[16]) {
    char text[INET6_ADDRSTRLEN + 1];
    size_t len = strlen(host) - 2; /* between the brackets */

    if (len >= sizeof text || host[len + 1] != ']')
        return false;
    memcpy(text, host + 1, len);
    text[len] = 0;
    return inet_pton(AF_INET6, text, address) == 1;
}

bool url_host_is_valid(const char *scheme, const char *host) {
    unsigned char address[16];

    if (*host == '[')
        return is_ipv6_literal(host, address);
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        return true;
    return !ends_in_a_number(host) || inet_pton(AF_INET, host, address) == 1;
}

bool url_host_address(const char *host, struct sockaddr_storage *out) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;

    memset(out, 0, sizeof *out);
    if (*host == '[') {
        v6->sin6_family = AF_INET6;
        return is_ipv6_literal(host, v6->sin6_addr.s6_addr);
    }
    v4->sin_family = AF_INET;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

bool url_is_loopback(const struct url *u) {
    struct in_addr v4;

    return u->host &&
           (!strcasecmp(u->host, "localhost") || !strcmp(u->host, "[::1]") ||
            (inet_pton(AF_INET, u->host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET));
}

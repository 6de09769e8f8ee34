#include "net/ssrf_filter.h"

#include <arpa/inet.h>
#include <netinet/in.h>

struct range {
    const char *addr;
    unsigned bits;
};

/* IANA IPv4 Special-Purpose Address Registry: what is not globally reachable, and multicast. */
static const struct range special4[] = {
    {"0.0.0.0", 8},       {"10.0.0.0", 8},      {"100.64.0.0", 10},   {"127.0.0.0", 8},
    {"169.254.0.0", 16},  {"172.16.0.0", 12},   {"192.0.0.0", 24},    {"192.0.2.0", 24},
    {"192.31.196.0", 24}, {"192.52.193.0", 24}, {"192.88.99.0", 24},  {"192.168.0.0", 16},
    {"192.175.48.0", 24}, {"198.18.0.0", 15},   {"198.51.100.0", 24}, {"203.0.113.0", 24},
    {"224.0.0.0", 4},     {"240.0.0.0", 4},
};

/* The same for IPv6, inside 2000::/3 (all else is refused anyway). */
static const struct range special6[] = {
    {"2001::", 23},         /* IETF protocol assignments, Teredo and ORCHID among them */
    {"2001:db8::", 32},     /* documentation */
    {"2002::", 16},         /* 6to4: may contain a private IPv4 address */
    {"2620:4f:8000::", 48}, /* AS112 */
    {"3fff::", 20},         /* documentation */
};

static bool in_range(const unsigned char *addr, const unsigned char *net, unsigned bits) {
    unsigned bytes = bits / 8, rest = bits % 8;

    if (memcmp(addr, net, bytes) != 0)
        return false;
    return !rest || (addr[bytes] ^ net[bytes]) >> (8 - rest) == 0;
}

static bool in_any(int family, const unsigned char *addr, const struct range *ranges,
                   size_t count) {
    unsigned char net[16];

    for (size_t i = 0; i < count; i++)
        if (inet_pton(family, ranges[i].addr, net) == 1 && in_range(addr, net, ranges[i].bits))
            return true;
    return false;
}

static bool is_public4(const unsigned char addr[4]) {
    return !in_any(AF_INET, addr, special4, sizeof special4 / sizeof *special4);
}

static bool is_public6(const unsigned char addr[16]) {
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};    /* RFC 6052 §2.1 */
    static const unsigned char isatap[4] = {0x00, 0x00, 0x5e, 0xfe}; /* RFC 5214 §6.1 */
    static const unsigned char isatap_u[4] = {0x02, 0x00, 0x5e, 0xfe};

    if (!memcmp(addr, nat64, sizeof nat64))
        return is_public4(addr + 12);
    if (addr[0] >> 5 != 1 || /* RFC 4291 §2.4: global unicast is 2000::/3 */
        in_any(AF_INET6, addr, special6, sizeof special6 / sizeof *special6))
        return false;
    if (!memcmp(addr + 8, isatap, 4) || !memcmp(addr + 8, isatap_u, 4))
        return is_public4(addr + 12);
    return true;
}

/* IPv4 becomes ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), so that both kinds are compared in one way. */
static bool to_16_bytes(const struct sockaddr *sa, unsigned char out[16]) {
    memset(out, 0, 16);
    if (sa->sa_family == AF_INET) {
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        return true;
    }
    if (sa->sa_family != AF_INET6)
        return false;
    memcpy(out, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
    return true;
}

/* False: it is no address. *bits: how many it has. */
static bool parse_address(const char *text, struct ssrf_network *out, unsigned *bits) {
    if (strchr(text, ':')) {
        *bits = 128;
        return inet_pton(AF_INET6, text, out->addr) == 1;
    }
    *bits = 32;
    out->addr[10] = out->addr[11] = 0xff;
    return inet_pton(AF_INET, text, out->addr + 12) == 1;
}

/* ADDRESS/BITS; changes the text. */
static enum rc add_network(struct ssrf_filter *f, char *text, struct err *e) {
    char *slash = strchr(text, '/'), *end;
    struct ssrf_network n = {.bits = 0};
    unsigned max_bits = 0;
    unsigned long bits;

    if (f->count == SSRF_FILTER_NETS_MAX)
        return misconfigured(e, "more than %d address ranges", SSRF_FILTER_NETS_MAX);
    if (!slash || slash[1] < '0' || slash[1] > '9')
        return misconfigured(e, "%s is not a range such as 10.1.0.0/16", text);
    *slash = 0;
    bits = strtoul(slash + 1, &end, 10);
    if (!parse_address(text, &n, &max_bits) || *end || bits > max_bits)
        return misconfigured(e, "%s/%s is not a range such as 10.1.0.0/16", text, slash + 1);
    n.bits = (unsigned)bits + 128 - max_bits;
    f->allowed[f->count++] = n;
    return OK;
}

enum rc ssrf_filter_init(struct ssrf_filter *f, const char *allow_nets, struct err *e) {
    char copy[1024], *save = NULL;

    memset(f, 0, sizeof *f);
    if (strlen(allow_nets) >= sizeof copy)
        return misconfigured(e, "the list of address ranges is too long");
    memcpy(copy, allow_nets, strlen(allow_nets) + 1);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        if (add_network(f, w, e))
            return e->code;
    return OK;
}

bool ssrf_filter_allows(const struct ssrf_filter *f, const struct sockaddr *sa) {
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    unsigned char addr[16];

    if (!to_16_bytes(sa, addr))
        return false;
    for (unsigned i = 0; i < f->count; i++)
        if (in_range(addr, f->allowed[i].addr, f->allowed[i].bits))
            return true;
    return memcmp(addr, mapped, sizeof mapped) ? is_public6(addr) : is_public4(addr + 12);
}

#include "base/url.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "base/encode.h"
#include "base/text.h"

/* ---- the host ----
 * Browsers, curl and the C library read some texts as addresses that others take for names (127.1,
 * 0x7f.1, 169.254.169.254.), so an address is accepted in one way of writing only, and what all
 * readers take for a name is a name. */

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

bool url_host_address(const char *host, struct sockaddr_storage *out) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    char text[INET6_ADDRSTRLEN + 1] = "";
    size_t len = strlen(host);

    memset(out, 0, sizeof *out);
    /* RFC 3986 §3.2.2; a zone (RFC 6874) means something on one computer only. */
    if (*host == '[') {
        v6->sin6_family = AF_INET6;
        if (len - 2 < sizeof text && host[len - 1] == ']')
            memcpy(text, host + 1, len - 2);
        return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
    }
    v4->sin_family = AF_INET;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

bool url_socket_address(const char *text, struct sockaddr_storage *out) {
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t len = colon ? (size_t)(colon - text) : 0;
    unsigned long port =
        colon && !colon[1 + strspn(colon + 1, "0123456789")] ? strtoul(colon + 1, NULL, 10) : 0;

    if (port < 1 || port > UINT16_MAX || len >= sizeof host)
        return false;
    memcpy(host, text, len);
    host[len] = 0;
    if (!url_host_address(host, out))
        return false;
    if (*host == '[')
        ((struct sockaddr_in6 *)(void *)out)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)(void *)out)->sin_port = htons((uint16_t)port);
    return true;
}

bool url_is_loopback(const struct url *u) {
    struct in_addr v4;

    return u->host &&
           (!strcasecmp(u->host, "localhost") || !strcmp(u->host, "[::1]") ||
            (inet_pton(AF_INET, u->host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET));
}

static bool is_unreserved(char c) {
    return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* RFC 3986 §3.1: a letter, then letters, digits, + - and dots. */
static size_t scheme_length(const char *s) {
    size_t n = 0;

    while (isalnum((unsigned char)s[n]) || s[n] == '+' || s[n] == '-' || s[n] == '.')
        n++;
    return isalpha((unsigned char)*s) && s[n] == ':' ? n : 0;
}

static bool is_port(const char *s) {
    size_t len = strlen(s);

    return len <= 5 && strspn(s, "0123456789") == len && strtol(s, NULL, 10) <= 65535;
}

/* The end of the host at s, at its port or at `end`; NULL: it is not one. */
static const char *host_end(const char *s, const char *end) {
    const char *p = s;

    if (*s == '[') {
        p = memchr(s, ']', (size_t)(end - s));
        return p && (p + 1 == end || p[1] == ':') ? p + 1 : NULL;
    }
    while (p < end && is_unreserved(*p))
        p++;
    return p == end || *p == ':' ? p : NULL;
}

/* RFC 3986 §3.2: [userinfo@]host[:port] */
static enum rc parse_authority(struct arena *a, struct text s, struct url *out, struct err *e) {
    const char *end = s.p + s.len, *at = memrchr(s.p, '@', s.len), *host = at ? at + 1 : s.p,
               *colon;

    if (at)
        out->userinfo = arena_strndup(a, s.p, (size_t)(at - s.p));
    colon = host_end(host, end);
    if (!colon)
        return invalid_request(e, "the host in the URL is not valid");
    out->host = arena_strndup(a, host, (size_t)(colon - host));
    if (colon < end)
        out->port = arena_strndup(a, colon + 1, (size_t)(end - colon - 1));
    if (out->port && !is_port(out->port))
        return invalid_request(e, "the port in the URL is not one");
    return OK;
}

/* Which characters there may be, and a scheme at the beginning: its length in *scheme. */
static enum rc check_text(const char *text, size_t *scheme, struct err *e) {
    const char *end = text + strcspn(text, "\"<>\\^`{|}"), *p = text;

    if (strlen(text) > URL_LEN_MAX)
        return invalid_request(e, "the URL is longer than %d bytes", URL_LEN_MAX);
    while (*p > ' ' && *p <= '~')
        p++;
    if (*end || *p)
        return invalid_request(e, "the URL has a character that must be percent-encoded");
    *scheme = scheme_length(text);
    return *scheme ? OK : invalid_request(e, "the URL has no scheme");
}

static enum rc check_host(const struct url *u, struct err *e) {
    bool is_http = !strcmp(u->scheme, "http") || !strcmp(u->scheme, "https");
    struct sockaddr_storage address;

    if (is_http && (!u->host || !*u->host))
        return invalid_request(e, "the URL has no host");
    if (u->host && (*u->host == '[' || (is_http && ends_in_a_number(u->host))) &&
        !url_host_address(u->host, &address))
        return invalid_request(
            e, "the host in the URL is not valid; an IPv4 address is written as four "
               "decimal numbers, without a dot at the end");
    return OK;
}

enum rc url_parse(struct arena *a, const char *text, struct url *out, struct err *e) {
    size_t scheme = 0, n;
    const char *p;

    memset(out, 0, sizeof *out);
    out->path = "";
    if (check_text(text, &scheme, e))
        return e->code;
    out->scheme = text_lower(a, text, scheme);
    p = text + scheme + 1;
    if (!strncmp(p, "//", 2)) {
        p += 2;
        n = strcspn(p, "/?#");
        if (parse_authority(a, (struct text){p, n}, out, e))
            return e->code;
        p += n;
    }
    if (check_host(out, e))
        return e->code;
    n = strcspn(p, "?#");
    out->path = arena_strndup(a, p, n);
    p += n;
    if (*p == '?') {
        n = strcspn(++p, "#");
        out->query = arena_strndup(a, p, n);
        p += n;
    }
    if (*p == '#')
        out->fragment = arena_strdup(a, p + 1);
    return OK;
}

const char *url_shown_host(struct arena *a, const struct url *u) {
    return u->host ? text_lower(a, u->host, strlen(u->host)) : "";
}

const char *url_origin(struct arena *a, const struct url *u) {
    const char *host = url_shown_host(a, u);
    const char *usual = !strcmp(u->scheme, "https") ? "443" : "80";

    if (!u->port || !*u->port || !strcmp(u->port, usual))
        return arena_printf(a, "%s://%s", u->scheme, host);
    return arena_printf(a, "%s://%s:%s", u->scheme, host, u->port);
}

void url_encode_bytes(struct buf *b, const char *s, size_t len, char keep) {
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0, plain = 0; i < len; i++, plain = i) {
        while (i < len && (is_unreserved(s[i]) || (keep && s[i] == keep)))
            i++;
        buf_add(b, s + plain, i - plain);
        if (i < len)
            buf_add(b, (char[]){'%', digits[(unsigned char)s[i] >> 4], digits[s[i] & 15]}, 3);
    }
}

/* The byte that %XX at s stands for; -1: there is no escape. `left`: bytes from s on. */
static int escaped_byte(const char *s, size_t left) {
    int high = left > 2 && *s == '%' ? hex_value(s[1]) : -1;
    int low = high < 0 ? -1 : hex_value(s[2]);

    return low < 0 ? -1 : high << 4 | low;
}

/* RFC 3986 §6.2.2.1, §6.2.2.2 */
static char *normal_escapes(struct arena *a, const char *s) {
    struct buf b;

    buf_init(&b, a, 3 * strlen(s));
    for (; *s; s++) {
        int byte = escaped_byte(s, strlen(s));

        if (byte < 0) { /* a % that begins nothing is one that should have been encoded */
            buf_adds(&b, *s == '%' ? "%25" : (char[]){*s, 0});
            continue;
        }
        url_encode_bytes(&b, &(char){(char)byte}, 1, 0);
        s += 2;
    }
    return b.p;
}

void url_remove_dots(char *path) {
    char *out = path;

    for (const char *p = path; *p;) { /* at a slash, but for the first segment */
        size_t n = (*p == '/') + strcspn(p + (*p == '/'), "/");
        bool up = n == 3 && !memcmp(p, "/..", 3), here = n == 2 && !memcmp(p, "/.", 2);

        if (up) {
            char *slash = memrchr(path, '/', (size_t)(out - path));

            out = slash ? slash : path;
        }
        if (!up && !here) {
            memmove(out, p, n);
            out += n;
        } else if (!p[n]) {
            *out++ = '/';
        }
        p += n;
    }
    *out = 0;
}

const char *url_normal_path(struct arena *a, const struct url *u) {
    char *path = normal_escapes(a, u->path);

    if (*path != '/')
        return "/";
    url_remove_dots(path);
    return path;
}

char *url_decode(struct arena *a, const char *s, size_t len, bool plus) {
    char *out = arena_alloc(a, len + 1), *p = out;

    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)s[i];

        if (byte == '%') {
            byte = escaped_byte(s + i, len - i);
            i += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        if (byte <= 0)
            return NULL;
        *p++ = (char)byte;
    }
    return out;
}

#define SLASHES_MAX 3 /* behind a colon: file:/// */

char *url_plain(struct arena *a, const char *uri) {
    char *out = NULL, *to;
    size_t keep = 1;

    for (const char *p = uri; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '\\')
            return NULL;
    to = out = url_decode(a, uri, strlen(uri), false);
    for (const char *p = out; p && *p; p++) {
        if (*p != '/')
            keep = *p == ':' ? SLASHES_MAX : 1;
        else if (!keep)
            continue;
        else
            keep--;
        *to++ = *p;
    }
    if (to)
        *to = 0;
    return out;
}

static void add_pair(struct buf *b, const char *name, const char *value) {
    url_encode(b, name);
    buf_addc(b, '=');
    url_encode(b, value);
}

void url_add_field(struct buf *b, const char *name, const char *value) {
    if (b->len)
        buf_addc(b, '&');
    add_pair(b, name, value);
}

void url_add_param(struct buf *b, const char *name, const char *value) {
    const char *mark = strchr(b->p, '?');

    if (value && !mark)
        buf_addc(b, '?');
    else if (value && mark[1] && b->p[b->len - 1] != '&')
        buf_addc(b, '&');
    if (value)
        add_pair(b, name, value);
}

/* Is an entry the host, or the end of it after a dot? */
static bool covers(struct text entry, struct text host) {
    const char *end;

    if (!entry.len || entry.len > host.len)
        return false;
    end = host.p + host.len - entry.len;
    return !strncasecmp(end, entry.p, entry.len) && (end == host.p || end[-1] == '.');
}

bool url_host_is_among(const char *list, const char *host) {
    size_t host_len = strlen(host);

    if (host_len && host[host_len - 1] == '.')
        host_len--;
    for (list += strspn(list, " "); *list; list += strspn(list, " ")) {
        const size_t len = strcspn(list, " "), dot = *list == '.';

        if (covers((struct text){list + dot, len - dot}, (struct text){host, host_len}))
            return true;
        list += len;
    }
    return false;
}

#include "base/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_unreserved(char c) {
    return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static char *lower(struct arena *a, const char *s, size_t len) {
    char *p = arena_strndup(a, s, len);

    for (size_t i = 0; i < len; i++)
        p[i] = (char)tolower((unsigned char)p[i]);
    return p;
}

/* RFC 3986 §3.1: a letter, then letters, digits, + - and dots. */
static size_t scheme_length(const char *s) {
    size_t n = 0;

    if (!isalpha((unsigned char)*s))
        return 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '+' || s[n] == '-' || s[n] == '.')
        n++;
    return s[n] == ':' ? n : 0;
}

/* RFC 3986 §3.2: [userinfo@]host[:port] */
static enum rc parse_authority(struct arena *a, const char *s, size_t len, struct url *out,
                               struct err *e) {
    const char *end = s + len, *at = memrchr(s, '@', len), *host = at ? at + 1 : s, *colon;

    if (at)
        out->userinfo = arena_strndup(a, s, (size_t)(at - s));
    if (*host == '[') {
        const char *close = memchr(host, ']', (size_t)(end - host));

        if (!close)
            return err_set(e, ERR_INVALID_REQUEST, "the IPv6 address in the URL has no ]");
        colon = close + 1;
        if (colon < end && *colon != ':')
            return err_set(e, ERR_INVALID_REQUEST, "the host in the URL is not valid");
    } else {
        colon = memchr(host, ':', (size_t)(end - host));
        if (!colon)
            colon = end;
    }
    out->host = arena_strndup(a, host, (size_t)(colon - host));
    if (colon < end) {
        out->port = arena_strndup(a, colon + 1, (size_t)(end - colon - 1));
        if (strlen(out->port) > 5 || strspn(out->port, "0123456789") != strlen(out->port) ||
            strtol(out->port, NULL, 10) > 65535)
            return err_set(e, ERR_INVALID_REQUEST, "the port in the URL is not one");
    }
    if (out->host[0] != '[')
        for (const char *p = out->host; *p; p++)
            if (!is_unreserved(*p))
                return err_set(e, ERR_INVALID_REQUEST, "the host in the URL is not valid");
    return OK;
}

enum rc url_parse(struct arena *a, const char *text, struct url *out, struct err *e) {
    size_t len = strlen(text), scheme = scheme_length(text), n;
    const char *p;

    memset(out, 0, sizeof *out);
    out->path = "";
    if (len > URL_LEN_MAX)
        return err_set(e, ERR_INVALID_REQUEST, "the URL is longer than %d bytes", URL_LEN_MAX);
    for (p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}", *p))
            return err_set(e, ERR_INVALID_REQUEST,
                           "the URL has a character that must be percent-encoded");
    if (!scheme)
        return err_set(e, ERR_INVALID_REQUEST, "the URL has no scheme");
    out->scheme = lower(a, text, scheme);
    p = text + scheme + 1;
    if (!strncmp(p, "//", 2)) {
        p += 2;
        n = strcspn(p, "/?#");
        if (parse_authority(a, p, n, out, e))
            return e->code;
        p += n;
    }
    if ((!strcmp(out->scheme, "http") || !strcmp(out->scheme, "https")) &&
        (!out->host || !*out->host))
        return err_set(e, ERR_INVALID_REQUEST, "the URL has no host");
    if (out->host && !url_host_is_valid(out->scheme, out->host))
        return err_set(e, ERR_INVALID_REQUEST,
                       "the host in the URL is not valid; an IPv4 address is written as four "
                       "decimal numbers, without a dot at the end");
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

const char *url_origin(struct arena *a, const struct url *u) {
    const char *host = lower(a, u->host ? u->host : "", u->host ? strlen(u->host) : 0);
    const char *usual = !strcmp(u->scheme, "https") ? "443" : "80";

    if (!u->port || !*u->port || !strcmp(u->port, usual))
        return arena_printf(a, "%s://%s", u->scheme, host);
    return arena_printf(a, "%s://%s:%s", u->scheme, host, u->port);
}

void url_encode(struct buf *b, const char *s) {
    for (; *s; s++) {
        if (is_unreserved(*s))
            buf_addc(b, *s);
        else
            buf_addf(b, "%%%02X", (unsigned char)*s);
    }
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3986 §6.2.2.1, §6.2.2.2 */
static char *normal_escapes(struct arena *a, const char *s) {
    struct buf b;

    buf_init(&b, a, 3 * strlen(s));
    for (; *s; s++) {
        int hi = *s == '%' ? hex_value(s[1]) : -1, lo = hi < 0 ? -1 : hex_value(s[2]);

        if (lo < 0) { /* a % that begins nothing is one that should have been encoded */
            buf_adds(&b, *s == '%' ? "%25" : (char[]){*s, 0});
            continue;
        }
        if (is_unreserved((char)(hi << 4 | lo)))
            buf_addc(&b, (char)(hi << 4 | lo));
        else
            buf_addf(&b, "%%%02X", hi << 4 | lo);
        s += 2;
    }
    return b.p;
}

/* RFC 3986 §5.2.4, of a path that begins with a slash. */
const char *url_normal_path(struct arena *a, const struct url *u) {
    char *path = normal_escapes(a, u->path), *out = path;

    if (*path != '/')
        return "/";
    for (const char *p = path; *p;) { /* at a slash */
        size_t n = 1 + strcspn(p + 1, "/");
        bool up = n == 3 && !strncmp(p, "/..", 3), here = n == 2 && p[1] == '.';

        if (up)
            while (out > path && *--out != '/')
                ;
        if (!up && !here) {
            memmove(out, p, n);
            out += n;
        } else if (!p[n]) {
            *out++ = '/';
        }
        p += n;
    }
    *out = 0;
    return path;
}

char *url_decode(struct arena *a, const char *s, size_t len, bool plus) {
    char *out = arena_alloc(a, len + 1), *p = out;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '%') {
            int hi = len - i > 2 ? hex_value(s[i + 1]) : -1;
            int lo = hi < 0 ? -1 : hex_value(s[i + 2]);

            if (lo < 0 || (hi == 0 && lo == 0))
                return NULL;
            *p++ = (char)(hi << 4 | lo);
            i += 2;
        } else if (s[i] == '+' && plus) {
            *p++ = ' ';
        } else if (!s[i]) {
            return NULL;
        } else {
            *p++ = s[i];
        }
    }
    return out;
}

void url_add_param(struct buf *b, const char *name, const char *value) {
    const char *mark;

    if (!value)
        return;
    mark = strchr(b->p, '?');
    if (!mark)
        buf_addc(b, '?');
    else if (mark[1] && b->p[b->len - 1] != '&')
        buf_addc(b, '&');
    url_encode(b, name);
    buf_addc(b, '=');
    url_encode(b, value);
}

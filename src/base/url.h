/* URLs (RFC 3986). Nothing is normalized unasked: what a check must compare byte for byte stays
 * byte for byte. */
#pragma once

#include <sys/socket.h>

#include "base/base.h"

#define URL_LEN_MAX 2048 /* bytes of any URL that we accept */

/* Parts of an absolute URL as they were written; absent ones are NULL. */
struct url {
    const char *scheme;   /* lower case */
    const char *userinfo; /* between // and @ */
    const char *host;     /* as written; an IPv6 literal with its brackets */
    const char *port;     /* digits as written */
    const char *path;     /* never NULL; "" if there is none */
    const char *query;    /* without ? */
    const char *fragment; /* without # */
};

/* Splits an absolute URL. Only visible ASCII is accepted, and a host is required for http and
 * https; one that browsers take for an IPv4 address must be written as four decimal numbers, so
 * that nobody takes it for a name. ERR_INVALID_REQUEST with the reason otherwise. */
enum rc url_parse(struct arena *a, const char *text, struct url *out, struct err *e) MUST_USE;

/* The host is 127.0.0.0/8, [::1] or localhost. */
bool url_is_loopback(const struct url *u);
/* The IP address that the host of a URL is; false: the host is a name. */
bool url_host_address(const char *host, struct sockaddr_storage *out);
/* IP:PORT, such as 127.0.0.1:9000 or [::1]:9000, to listen on. */
bool url_socket_address(const char *text, struct sockaddr_storage *out);
/* Is the host of a URL, in any letter case, in a list of hosts and domains, or below one of them?
 * The list is separated by spaces; a dot before an entry, and one after the host, mean nothing, as
 * in the variable no_proxy of other programs. An IPv6 address is in brackets in both. */
bool url_host_is_among(const char *list, const char *host);
/* The host as a person is shown it: in lower case, as browsers do, since in many fonts cIaude.ai
 * looks like another name. "" if there is none. */
const char *url_shown_host(struct arena *a, const struct url *u);
/* scheme://host[:port], scheme and host in lower case, a default port left out (RFC 6454 §6.2). */
const char *url_origin(struct arena *a, const struct url *u);

/* The path as RFC 3986 §6.2.2.2, §6.2.2.3 and §6.2.3 compare it: unreserved characters are decoded,
 * other escapes are in upper case, . and .. are gone, and nothing is "/". */
const char *url_normal_path(struct arena *a, const struct url *u);
/* RFC 3986 §5.2.4: takes the segments "." and ".." out of a path, in place. */
void url_remove_dots(char *path);

/* Percent-encodes all bytes but RFC 3986 §2.3 unreserved characters and, unless it is 0, `keep`. */
void url_encode_bytes(struct buf *b, const char *s, size_t len, char keep);
static inline void url_encode(struct buf *b, const char *s) {
    url_encode_bytes(b, s, strlen(s), 0);
}
/* Decodes %XX (and + to a space, if plus). NULL for a bad escape or an encoded NUL. */
char *url_decode(struct arena *a, const char *s, size_t len, bool plus);
/* To compare URIs for a prohibition: decoded, and several slashes are one, but for those behind a
 * colon, since who reads a path may take them so. NULL: it cannot be decoded, or has a byte that
 * RFC 3986 §2 does not allow and other readers of URIs drop or take for a slash: blanks, control
 * characters, backslashes. */
char *url_plain(struct arena *a, const char *uri);
/* Appends a field of a query or a form body: name=value, after a & unless b is empty. */
void url_add_field(struct buf *b, const char *name, const char *value);
/* Appends name=value with the right separator to the URL in b. A NULL value appends nothing. */
void url_add_param(struct buf *b, const char *name, const char *value);

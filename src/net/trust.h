/* The certificate authorities that a server's certificate must come from. Parsing all of a system's
 * some 150 costs tens of milliseconds of CPU and 4 MB, which libcurl would spend on each new
 * connection. So libcurl gets none and verifies no certificate; it is done here, before the first
 * byte of a request is sent, with the authorities of those names alone that the server's
 * certificates have. */
#pragma once

#include "base/file.h"

#define TRUST_FILE_MAX ((size_t)8 << 20) /* bytes of a file of authorities */
#define TRUST_WHY_MAX 256

/* A PEM file, and where in it which authority is. */
struct trust_file {
    const char *path;
    struct file_version version; /* of what was read */
    struct trust_place *places;
    size_t count, most; /* most: after so many none is looked for; 0: all are */
};

struct trust {
    struct trust_file files[2];
    size_t count;
};

/* file: PEM file of authorities in place of the system's; added: PEM file of those that are trusted
 * besides if there is no `file`; "" for none. Borrowed. Nothing is read yet; a file that changes is
 * read again with the next connection. */
void trust_open(struct trust *t, const char *file, const char *added);
void trust_close(struct trust *t);
/* Has the file an authority? False: *why says why it cannot be read, or stays as it is. */
bool trust_file_is_good(const char *path, const char **why) MUST_USE;

/* Has the server of this connection shown a certificate for TLS servers that an authority signed?
 * Says yes at once for a connection that it has said yes for. The certificate's host name is
 * libcurl's to check. tls: the gnutls_session_t of it, after the handshake; NULL is refused. */
bool trust_verify(struct trust *t, void *tls, char why[TRUST_WHY_MAX]) MUST_USE;

/* The subject of a certificate in DER, a part of it with tag and length (RFC 5280 §4.1). False: it
 * has none. */
bool trust_subject(struct text certificate, struct text *subject) MUST_USE;

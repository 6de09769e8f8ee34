/* What is signed (AWS Signature Version 4), and the first stage of signing: the canonical request.
 */
#pragma once

#include "aws/credentials.h"
#include "base/buf.h"

enum sigv4_flags {
    /* Resolve ".", ".." and empty segments of the path, and encode it once more than it is sent:
     * every service but S3. */
    SIGV4_NORMALIZE_PATH = 1 << 0,
    SIGV4_DOUBLE_ENCODE = 1 << 1,
    SIGV4_BODY_HEADER = 1 << 2,    /* send and sign X-Amz-Content-Sha256 */
    SIGV4_TOKEN_UNSIGNED = 1 << 3, /* send X-Amz-Security-Token, but do not sign it */
    SIGV4_USUAL = SIGV4_NORMALIZE_PATH | SIGV4_DOUBLE_ENCODE,
};

struct aws_sign_request {
    const char *method;
    const char *host;           /* as the Host header will say it */
    const char *path;           /* as sent; "" is "/" */
    const char *query;          /* as sent, without ?; NULL or "" if there is none */
    const char *const *headers; /* "Name: value", NULL-terminated: all are signed but those that a
                                   proxy may change; NULL for none */
    const void *body;
    size_t body_len;
    const char *region, *service;
    const struct aws_credentials *credentials;
    int64_t time_s;
    unsigned flags; /* enum sigv4_flags */
};

#define SIGV4_TIME_LEN 16 /* 20150830T123600Z */
#define SIGV4_DATE_LEN 8
/* Texts are as long as what they are made of; what the arena allows is far below. */
#define SIGV4_TEXT_MAX ((size_t)1 << 26)

/* A header to be signed: the name in lower case, the value trimmed and folded. */
struct sigv4_header {
    const char *name, *value;
    size_t order; /* as it was given, for headers of one name */
};
struct sigv4_headers {
    struct sigv4_header *list; /* sorted by name, then as given */
    size_t count;
};

void sigv4_time(char out[SIGV4_TIME_LEN + 1], int64_t time_s);
const char *sigv4_body_hash(struct arena *a, const struct aws_sign_request *rq);
/* Does signing make this line by itself (Authorization, X-Amz-Date, …)? Then a given one is not
 * sent. */
bool sigv4_is_own_header(const char *line);
void sigv4_collect_headers(struct arena *a, const struct aws_sign_request *rq,
                           struct sigv4_headers *out);
/* "host;x-amz-date" */
void sigv4_add_header_names(struct buf *b, const struct sigv4_headers *h);

/* The text in the arena. */
const char *sigv4_canonical_request(struct arena *a, const struct aws_sign_request *rq);

/* Within the room: what the stages of Signature Version 4 share. */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include "aws/aws.h"
#include "base/buf.h"

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

#endif

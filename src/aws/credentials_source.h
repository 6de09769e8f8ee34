/* The sources of credentials: each is one struct aws_source, and keeps nothing between two calls.
 * And what they share: asking a server, and reading its answer strictly. The text of a failure may
 * go to a client, so it is always the same; the reason goes to the detail. */
#pragma once

#include "aws/profile.h"
#include "net/http.h"

#define AWS_ANSWER_MAX ((size_t)65536) /* bytes that a source may answer */

struct aws_credentials {
    const char *access_key_id, *secret_access_key;
    const char *session_token; /* "" if there is none */
    int64_t expires_s;         /* seconds since 1970; 0: never */
};

/* What a fetch has at hand. All of arena is wiped after it. */
struct aws_fetch {
    struct arena *arena;
    const struct aws_env *env;
    const char *region;
    struct http_client *http;
    int64_t deadline_ms; /* of clock_monotonic_ms */
    int64_t now_s;
    bool may_have_ended; /* credentials that have expired are better than none */
};

struct aws_source {
    const char *name;
    /* Is it configured? ERR_MISCONFIGURED if only half: the text says what to do. */
    enum rc (*is_configured)(const struct aws_profile *profile, bool *out, struct err *e);
    enum rc (*fetch)(const struct aws_fetch *f, struct aws_credentials *out, struct err *e);
    bool is_file;  /* asks no server, and is read again now and then */
    bool outlives; /* what it gave is used on while it gives nothing newer, also after its end */
};
extern const struct aws_source aws_source_environment, aws_source_profile, aws_source_web_identity,
    aws_source_container, aws_source_imds;

/* ERR_UPSTREAM: it may pass; ERR_MISCONFIGURED: an admin must act. */
enum rc aws_source_error(struct err *e, enum rc code, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define aws_source_failed(e, ...) aws_source_error(e, ERR_UPSTREAM, __VA_ARGS__)
#define aws_source_wrong(e, ...) aws_source_error(e, ERR_MISCONFIGURED, __VA_ARGS__)
/* Sends method, URL, headers and body (a string) of rq; limits and times are set here. Errors as of
 * aws_source_failed. */
enum rc aws_source_ask(const struct aws_fetch *f, const struct http_request *rq,
                       struct http_reply *reply, struct err *e) MUST_USE;
/* A status that is not 200: failed, or wrong for one that asking again will not change. */
enum rc aws_source_refused(const char *what, long status, const char *why, struct err *e);
/* Asks for {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}. `what` is asked, for
 * people. */
enum rc aws_ask_json(const struct aws_fetch *f, const char *what, const struct http_request *rq,
                     struct aws_credentials *out, struct err *e) MUST_USE;
/* Reads the answer. One of status 200 may have a "Code" that says that it is a failure. */
enum rc aws_read_json(const struct aws_fetch *f, const char *what, const struct http_reply *reply,
                      struct aws_credentials *out, struct err *e) MUST_USE;
/* Credentials as texts; NULL: absent. */
struct aws_credential_texts {
    const char *id, *secret;
    const char *token, *expiration; /* may be absent */
};
/* Takes them over if they are complete, fit for a header, and have not expired. */
enum rc aws_take_credentials(const struct aws_fetch *f, const struct aws_credential_texts *texts,
                             struct aws_credentials *out, struct err *e) MUST_USE;
/* Visible ASCII and not empty. */
bool aws_is_token(const char *s);
/* The first line of a file with a token; ERR_MISCONFIGURED as of aws_source_wrong. */
enum rc aws_read_token_file(const struct aws_fetch *f, const char *path, const char **out,
                            struct err *e) MUST_USE;

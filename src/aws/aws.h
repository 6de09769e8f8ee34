/* The AWS room's table of contents: where credentials, region and endpoint come from, and Signature
 * Version 4. What the environment and the shared files say keeps the meaning that AWS's own SDKs
 * give it. */
#ifndef AWS_AWS_H
#define AWS_AWS_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/http.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- settings: env.c, profile.c ---- */

/* The variables that AWS's SDKs read: "NAME=value" texts, NULL-terminated, such as `environ`.
 * Borrowed: they outlive whatever was made with them. */
struct aws_env {
    const char *const *vars;
};
/* NULL if the variable is not there or empty. */
const char *aws_env_get(const struct aws_env *env, const char *name);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's region, or `fallback` (may be NULL).
 * ERR_MISCONFIGURED if there is none, if it cannot be part of a host name, or if the shared files
 * cannot be read. */
enum rc aws_region(struct arena *a, const struct aws_env *env, const char *fallback,
                   const char **out, struct err *e) MUST_USE;

/* ---- endpoint.c ---- */

struct aws_endpoint {
    const char *url;  /* to ask: scheme://host[:port]path */
    const char *host; /* as the Host header says it: with the port unless it is the scheme's own */
    const char *path; /* as sent: "/", or what a configured endpoint brings along */
};
/* The first of: AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL, the profile's services section, its
 * endpoint_url (none of them with AWS_IGNORE_CONFIGURED_ENDPOINT_URLS), and the address that the
 * region's partition, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT give.
 * ERR_MISCONFIGURED, with what to do. */
enum rc aws_endpoint_dynamodb(struct arena *a, const struct aws_env *env, const char *region,
                              struct aws_endpoint *out, struct err *e) MUST_USE;
/* The same for the Security Token Service: always regional. */
enum rc aws_endpoint_sts(struct arena *a, const struct aws_env *env, const char *region,
                         struct aws_endpoint *out, struct err *e) MUST_USE;

/* ---- credentials*.c ---- */

struct aws_credentials {
    const char *access_key_id, *secret_access_key;
    const char *session_token; /* "" if there is none */
    int64_t expires_s;         /* seconds since 1970; 0: never */
};

/* The longest that one aws_credentials_get takes, whatever the deadline. */
#define AWS_CREDENTIALS_WAIT_MS 2500

struct aws_credentials_source;
/* Chooses the first source that is configured: environment, shared files (AWS_PROFILE), web
 * identity token, container endpoint, EC2 instance metadata. Reads files but asks nobody, and logs
 * which one it is. `http` must be one without the guard; it, env and clock are borrowed. `region`
 * is STS's. ERR_MISCONFIGURED, with what to do. */
enum rc aws_credentials_new(const struct aws_env *env, const char *region, struct http_client *http,
                            const struct clock *clock, struct aws_credentials_source **out,
                            struct err *e) MUST_USE;
void aws_credentials_free(struct aws_credentials_source *s); /* wipes; NULL is accepted */

/* Credentials that have not expired, copied into a. Asks the source if there are none yet or they
 * end soon, at most until deadline_ms (of clock_monotonic_ms) and AWS_CREDENTIALS_WAIT_MS. A source
 * that fails leaves the ones that are there in use until they end, and is not asked again for some
 * seconds.
 *   ERR_UPSTREAM       the source gave no answer, or a useless one (e->detail says more)
 *   ERR_MISCONFIGURED  an admin must act: a file that is gone, a role that may not be assumed */
enum rc aws_credentials_get(struct aws_credentials_source *s, struct arena *a, int64_t deadline_ms,
                            struct aws_credentials *out, struct err *e) MUST_USE;
/* AWS refused the credentials as expired or unknown: the next aws_credentials_get asks the source,
 * though not more often than it may. */
void aws_credentials_refused(struct aws_credentials_source *s);
/* For the log and for people: "environment", "profile", "web identity token", "container endpoint",
 * "EC2 instance metadata". */
const char *aws_credentials_source_name(const struct aws_credentials_source *s);

/* ---- sigv4.c, sigv4_canonical.c: AWS Signature Version 4 in the Authorization header ---- */

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

/* The three stages, in order; texts in the arena. `headers` are those to be signed, the request's
 * own and those that signing adds: the first stage finds the list by itself. */
const char *sigv4_canonical_request(struct arena *a, const struct aws_sign_request *rq);
const char *sigv4_string_to_sign(struct arena *a, const struct aws_sign_request *rq,
                                 const char *canonical_request);
const char *sigv4_authorization(struct arena *a, const struct aws_sign_request *rq,
                                const char *string_to_sign);

/* All of it: the lines to send, "Name: value", NULL-terminated: the request's own, X-Amz-Date,
 * X-Amz-Security-Token, X-Amz-Content-Sha256, Authorization. Host is not among them: the HTTP
 * client makes it from the URL. */
const char *const *sigv4_sign(struct arena *a, const struct aws_sign_request *rq);

#endif

/* Credentials for AWS, from the source that is configured. */
#pragma once

#include "aws/credentials_source.h"
#include "net/http.h"

/* The longest that one aws_credentials_get takes, whatever the deadline. */
#define AWS_CREDENTIALS_WAIT_MS 2500

struct aws_credentials_source;
/* All is borrowed. */
struct aws_credentials_options {
    const struct aws_env *env;
    const char *region;       /* STS is asked in it */
    struct http_client *http; /* to any address: sources have private ones */
    const struct clock *clock;
};
/* Chooses the first source that is configured: environment, shared files (AWS_PROFILE), web
 * identity token, container endpoint, EC2 instance metadata. Reads files, asks no server, and logs
 * which source it is. ERR_MISCONFIGURED, with what to do. */
enum rc aws_credentials_new(const struct aws_credentials_options *options,
                            struct aws_credentials_source **out, struct err *e) MUST_USE;
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

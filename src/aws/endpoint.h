/* Region and service addresses, in an arena that is wiped soon: the shared files with their secrets
 * are read into it, so it must allow AWS_SCRATCH_MAX. What the environment and the shared files say
 * means what it means to AWS's own SDKs. */
#pragma once

#include "aws/profile.h"
#include "net/http.h"

/* How AWS, and an identity provider of its, is asked: at any address, through a proxy if there is
 * one (net/http.h says what proxy and no_proxy mean), trusting the file that the variable
 * AWS_CA_BUNDLE names if it is set. The texts are borrowed. */
struct http_options aws_http_options(const char *proxy, const char *no_proxy);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's region, or `fallback` (may be NULL).
 * ERR_MISCONFIGURED if there is none, if it cannot be part of a host name, or if the shared files
 * cannot be read. */
enum rc aws_region(struct arena *a, const struct aws_env *env, const char *fallback,
                   const char **out, struct err *e) MUST_USE;

struct aws_endpoint {
    const char *url;  /* to ask: scheme://host[:port]path */
    const char *host; /* as the Host header says it: with the port unless it is the scheme's own */
    const char *path; /* as sent, and signed: "/", or that of a configured endpoint, normalized */
};
struct aws_lookup {
    const struct aws_env *env;
    const char *region;
    const char *service; /* as host names say it: "dynamodb" or "sts" */
};
/* The first of: AWS_ENDPOINT_URL_DYNAMODB (or …_STS), AWS_ENDPOINT_URL, the profile's services
 * section, its endpoint_url (none of them with AWS_IGNORE_CONFIGURED_ENDPOINT_URLS), and the
 * regional address that the region's partition, AWS_USE_FIPS_ENDPOINT and
 * AWS_USE_DUALSTACK_ENDPOINT give. ERR_MISCONFIGURED, with what to do. */
enum rc aws_endpoint(struct arena *a, const struct aws_lookup *l, struct aws_endpoint *out,
                     struct err *e) MUST_USE;

/* "Service-specific endpoints" and "Dual-stack and FIPS endpoints" in the AWS SDKs and Tools
 * Reference Guide; the partitions are those of AWS's partitions.json. */
#include "aws/endpoint.h"

#include "base/url.h"

#define REGION_MAX 63 /* it becomes a label of a host name: RFC 1035 §2.3.4 */

struct partition {
    const char *name, *region_prefix, *suffix, *dual_stack_suffix;
};

/* The first whose prefix fits; the last fits every region, so that one that AWS opens after this
 * was written works too. */
static const struct partition partitions[] = {
    {"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"},
    {"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
    {"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
    {"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"aws", "", "amazonaws.com", "api.aws"},
};

static const struct partition *find_partition(const char *region) {
    const struct partition *p = partitions;

    while (strncmp(region, p->region_prefix, strlen(p->region_prefix)) != 0)
        p++;
    return p;
}

struct http_options aws_http_options(const char *proxy, const char *no_proxy) {
    return (struct http_options){
        .ca_bundle = getenv("AWS_CA_BUNDLE"), .proxy = proxy, .no_proxy = no_proxy};
}

/* ---- region ---- */

static bool is_region(const char *s) {
    size_t len = strlen(s);

    return len && len <= REGION_MAX && *s != '-' && s[len - 1] != '-' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

enum rc aws_region(struct arena *a, const struct aws_env *env, const char *fallback,
                   const char **out, struct err *e) {
    struct aws_profile profile;
    const char *region = aws_env_get(env, "AWS_REGION");

    if (!region)
        region = aws_env_get(env, "AWS_DEFAULT_REGION");
    if (!region && aws_profile_load(a, env, &profile, e))
        return e->code;
    if (!region)
        region = aws_profile_get(&profile, "region");
    if (!region)
        region = fallback;
    if (!region || !*region)
        return misconfigured(e, "no AWS region: set AWS_REGION");
    if (!is_region(region))
        return misconfigured(
            e, "%.64s is no AWS region: set AWS_REGION to one such as eu-central-1", region);
    *out = region;
    return OK;
}

/* ---- endpoint ---- */

/* Signature Version 4 is of a path without empty segments. */
static const char *normal_path(struct arena *a, const struct url *u) {
    struct buf b;

    buf_init(&b, a, 3 * URL_LEN_MAX);
    for (const char *p = arena_printf(a, "%s/", url_normal_path(a, u)); *p; p++)
        if (*p != '/' || p[1] != '/')
            buf_addc(&b, *p);
    return b.p;
}

/* From a URL that an admin gave. What comes after the path has no place in it. */
static enum rc use_configured(struct arena *a, const char *text, const char *from,
                              struct aws_endpoint *out, struct err *e) {
    const char *origin;
    struct url u;

    if (url_parse(a, text, &u, e) || (strcmp(u.scheme, "http") && strcmp(u.scheme, "https")) ||
        u.userinfo || u.query || u.fragment)
        return misconfigured(
            e, "%s must be like https://host[:port][/path], without user, query or fragment", from);
    origin = url_origin(a, &u);
    out->path = normal_path(a, &u);
    out->url = arena_printf(a, "%s%s", origin, out->path);
    out->host = strstr(origin, "://") + strlen("://");
    return OK;
}

/* What was configured, and where, for the error text; NULL: nothing. */
static const char *find_configured(const struct aws_lookup *l, const struct aws_profile *profile,
                                   const char **from) {
    const char *url;

    *from = strcmp(l->service, "sts") ? "AWS_ENDPOINT_URL_DYNAMODB" : "AWS_ENDPOINT_URL_STS";
    if ((url = aws_env_get(l->env, *from)))
        return url;
    *from = "AWS_ENDPOINT_URL";
    if ((url = aws_env_get(l->env, *from)))
        return url;
    *from = "endpoint_url of the shared config file";
    url = aws_profile_get_service(profile, l->service, "endpoint_url");
    return url ? url : aws_profile_get(profile, "endpoint_url");
}

/* The region's own. In aws-us-gov the usual addresses are the FIPS ones. */
static void use_regional(struct arena *a, const struct aws_lookup *l, bool fips, bool dual_stack,
                         struct aws_endpoint *out) {
    const struct partition *p = find_partition(l->region);
    bool is_fips_anyway = !strcmp(p->name, "aws-us-gov") && !dual_stack;

    out->path = "/";
    out->host = arena_printf(a, "%s%s.%s.%s", l->service, fips && !is_fips_anyway ? "-fips" : "",
                             l->region, dual_stack ? p->dual_stack_suffix : p->suffix);
    out->url = arena_printf(a, "https://%s/", out->host);
}

enum rc aws_endpoint(struct arena *a, const struct aws_lookup *l, struct aws_endpoint *out,
                     struct err *e) {
    struct aws_profile profile;
    bool ignore, fips, dual_stack;
    const char *url, *from;

    if (aws_profile_load(a, l->env, &profile, e) ||
        aws_setting_flag(&profile, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                         "ignore_configured_endpoint_urls", &ignore, e) ||
        aws_setting_flag(&profile, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", &fips, e) ||
        aws_setting_flag(&profile, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint",
                         &dual_stack, e))
        return e->code;
    if (!ignore && (url = find_configured(l, &profile, &from)))
        return use_configured(a, url, from, out, e);
    use_regional(a, l, fips, dual_stack, out);
    return OK;
}

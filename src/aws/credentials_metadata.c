/* Private part of credentials_source.h: credentials that a server beside this host gives: the
 * endpoint of a container, and the instance metadata service. */
#include "aws/credentials_source.h"

#include <netdb.h>
#include <netinet/in.h>

#include "base/text.h"
#include "base/url.h"

/* ---- Amazon ECS and EKS Pod Identity ("Container credential provider" in the AWS SDKs and Tools
 * Reference Guide) ---- */

#define ECS_HOST "http://169.254.170.2"

/* Over plain HTTP only to this host itself and to the addresses of ECS and EKS. */
static bool is_allowed_host(const struct url *u) {
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN];

    if (url_is_loopback(u))
        return true;
    return url_host_address(u->host, &address) &&
           !getnameinfo((struct sockaddr *)&address, sizeof address, text, sizeof text, NULL, 0,
                        NI_NUMERICHOST) &&
           list_has("169.254.170.2 169.254.170.23 fd00:ec2::23", text);
}

/* Of HTTPS, or of HTTP to an allowed host. */
static bool is_safe(const struct url *u) {
    return !strcmp(u->scheme, "https") || (!strcmp(u->scheme, "http") && is_allowed_host(u));
}

/* The address to ask; NULL if none is configured. The relative one goes first. */
static enum rc find_url(struct arena *a, const struct aws_env *env, const char **out,
                        struct err *e) {
    static const char relative_uri[] = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    static const char full_uri[] = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    const char *relative = aws_env_get(env, relative_uri);
    struct url u;

    *out = relative ? arena_printf(a, ECS_HOST "%s", relative) : aws_env_get(env, full_uri);
    if (!*out)
        return OK;
    if (relative && *relative != '/')
        return misconfigured(e, "%s must be a path that begins with /", relative_uri);
    if (url_parse(a, *out, &u, e) || u.userinfo || u.fragment)
        return misconfigured(e, "%s must be %s without user and fragment",
                             relative ? relative_uri : full_uri, relative ? "a path" : "a URL");
    return is_safe(&u)
               ? OK
               : misconfigured(e,
                               "%s must be https, or http to this host or to the address of ECS "
                               "or EKS",
                               full_uri);
}

static enum rc container_is_configured(const struct aws_profile *profile, bool *out,
                                       struct err *e) {
    const char *url;
    enum rc rc = find_url(profile->arena, profile->env, &url, e);

    *out = url != NULL;
    return rc;
}

/* The Authorization header; NULL if none is asked for. The file is read each time: it changes. */
static enum rc find_authorization(const struct aws_fetch *f, const char **out, struct err *e) {
    const char *file = aws_env_get(f->env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = aws_env_get(f->env, "AWS_CONTAINER_AUTHORIZATION_TOKEN");

    if (file && aws_read_token_file(f, file, &token, e))
        return e->code;
    if (token && strpbrk(token, "\r\n"))
        return aws_source_wrong(e, "the container authorization token has a line break");
    *out = token ? arena_printf(f->arena, "Authorization: %s", token) : NULL;
    return OK;
}

static enum rc container_fetch(const struct aws_fetch *f, struct aws_credentials *out,
                               struct err *e) {
    const char *headers[] = {"Accept: application/json", NULL, NULL};
    struct http_request rq = {.method = "GET", .headers = headers, .is_local = true};
    struct err why = {0};

    if (find_url(f->arena, f->env, &rq.url, &why))
        return aws_source_wrong(e, "%s", why.text);
    if (find_authorization(f, &headers[1], e))
        return e->code;
    return aws_ask_json(f, "the container endpoint", &rq, out, e);
}

const struct aws_source aws_source_container = {"container endpoint", container_is_configured,
                                                container_fetch, false, false};

/* ---- Amazon EC2, version 2: a token first; version 1, which has none, is never used ("IMDS
 * credential provider" in the same guide) ---- */

#define IMDS "the instance metadata service"
#define TOKEN_TTL_S "300" /* for the three calls of one fetch */
#define ROLE_MAX 128      /* bytes of a role's name: 64 in IAM's limits */
#define PATH "latest/meta-data/iam/security-credentials/"

static enum rc imds_is_configured(const struct aws_profile *profile, bool *out, struct err *e) {
    const char *disabled = aws_env_get(profile->env, "AWS_EC2_METADATA_DISABLED");

    (void)e;
    *out = !disabled || strcasecmp(disabled, "true") != 0;
    return OK;
}

/* The address of a mode, which may be NULL; NULL if there is no such mode. */
static const char *base_of_mode(const char *mode) {
    if (!mode || !strcasecmp(mode, "IPv4"))
        return "http://169.254.169.254";
    return !strcasecmp(mode, "IPv6") ? "http://[fd00:ec2::254]" : NULL;
}

static bool is_http(struct arena *a, const char *text) {
    struct url u;

    return !url_parse(a, text, &u, ERR_IGNORED) && !u.query && !u.fragment &&
           (!strcmp(u.scheme, "http") || !strcmp(u.scheme, "https"));
}

/* Ends in a slash. */
static enum rc find_base(const struct aws_fetch *f, const char **out, struct err *e) {
    struct aws_profile profile;
    struct err why = {0};
    const char *base;

    if (aws_profile_load(f->arena, f->env, &profile, &why))
        return aws_source_wrong(e, "%s", why.text);
    base =
        aws_setting(&profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    if (!base)
        base = base_of_mode(aws_setting(&profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                        "ec2_metadata_service_endpoint_mode"));
    if (!base)
        return aws_source_wrong(e, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE must be IPv4 or IPv6");
    if (!is_http(f->arena, base))
        return aws_source_wrong(e, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL of http or https");
    *out = base[strlen(base) - 1] == '/' ? base : arena_printf(f->arena, "%s/", base);
    return OK;
}

/* Asks for a text of one line. */
static enum rc ask_line(const struct aws_fetch *f, const struct http_request *rq, char **out,
                        struct err *e) {
    struct http_reply reply;

    if (aws_source_ask(f, rq, &reply, e))
        return e->code;
    if (reply.status == 404)
        return aws_source_wrong(e, "the EC2 instance has no role, or this is no EC2 instance");
    if (reply.status != 200)
        return aws_source_refused(IMDS, reply.status, "", e);
    *out = arena_strdup(f->arena, reply.body);
    (*out)[strcspn(*out, "\r\n")] = 0;
    if (!aws_is_token(*out))
        return aws_source_failed(e, IMDS " gave an empty answer");
    return OK;
}

static enum rc imds_fetch(const struct aws_fetch *f, struct aws_credentials *out, struct err *e) {
    static const char *const ttl[] = {"X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_TTL_S, NULL};
    const char *headers[] = {NULL, NULL}, *base = NULL;
    struct http_request rq = {.method = "PUT", .headers = ttl, .is_local = true};
    char *token = NULL, *role = NULL;

    if (find_base(f, &base, e))
        return e->code;
    rq.url = arena_printf(f->arena, "%slatest/api/token", base);
    if (ask_line(f, &rq, &token, e))
        return e->code;
    headers[0] = arena_printf(f->arena, "X-aws-ec2-metadata-token: %s", token);
    rq = (struct http_request){.method = "GET",
                               .url = arena_printf(f->arena, "%s" PATH, base),
                               .headers = headers,
                               .is_local = true};
    if (ask_line(f, &rq, &role, e))
        return e->code;
    if (strlen(role) > ROLE_MAX || strpbrk(role, "/?#%"))
        return aws_source_failed(e, IMDS " gave no name of a role");
    rq.url = arena_printf(f->arena, "%s" PATH "%s", base, role);
    return aws_ask_json(f, IMDS, &rq, out, e);
}

/* EC2 accepts credentials for a while beyond their end when it could not give newer ones in time,
 * and AWS's SDKs use them on ("static stability"): an outage of the service does no harm. */
const struct aws_source aws_source_imds = {"EC2 instance metadata", imds_is_configured, imds_fetch,
                                           false, true};

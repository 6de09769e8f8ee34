/* Private part of credentials_source.h: The endpoint that a container has beside it: Amazon ECS,
 * and EKS Pod Identity. "Container credential provider" in the AWS SDKs and Tools Reference Guide.
 */
#include "aws/credentials_source.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/url.h"

#define ECS_HOST "http://169.254.170.2"

/* Over plain HTTP only to this host itself and to the addresses of ECS and EKS. */
static bool is_allowed_host(const struct url *u) {
    static const char *const allowed[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
    unsigned char want[sizeof(struct in6_addr)], have[sizeof(struct in6_addr)];
    char host[INET6_ADDRSTRLEN] = "";
    size_t len = strlen(u->host);

    if (url_is_loopback(u))
        return true;
    if (len < sizeof host)
        memcpy(host, u->host + (*u->host == '['), len - (*u->host == '[' ? 2 : 0));
    for (unsigned i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        int family = strchr(allowed[i], ':') ? AF_INET6 : AF_INET;

        if (inet_pton(family, host, have) == 1 && inet_pton(family, allowed[i], want) == 1 &&
            !memcmp(have, want, family == AF_INET ? sizeof(struct in_addr) : sizeof want))
            return true;
    }
    return false;
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
        return err_set(e, ERR_MISCONFIGURED, "%s must be a path that begins with /", relative_uri);
    if (url_parse(a, *out, &u, e) || u.userinfo || u.fragment)
        return err_set(e, ERR_MISCONFIGURED, "%s must be %s without user and fragment",
                       relative ? relative_uri : full_uri, relative ? "a path" : "a URL");
    return is_safe(&u) ? OK
                       : err_set(e, ERR_MISCONFIGURED,
                                 "%s must be https, or http to this host or to the address of ECS "
                                 "or EKS",
                                 full_uri);
}

static enum rc is_configured(const struct aws_env *env, const struct aws_profile *profile,
                             bool *out, struct err *e) {
    struct arena *a = arena_new(AWS_SCRATCH_MAX);
    const char *url;
    enum rc rc = find_url(a, env, &url, e);

    (void)profile;
    *out = url != NULL;
    arena_free(a);
    return rc;
}

/* The Authorization header; "" if none is asked for. The file is read each time: it changes. */
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

static enum rc fetch(const struct aws_fetch *f, struct aws_credentials *out, struct err *e) {
    const char *headers[] = {"Accept: application/json", NULL, NULL}, *url;
    struct http_reply reply;
    struct err why = {0};

    if (find_url(f->arena, f->env, &url, &why))
        return aws_source_wrong(e, "%s", why.text);
    if (find_authorization(f, &headers[1], e) ||
        aws_source_ask(f, &(struct http_request){.method = "GET", .url = url, .headers = headers},
                       &reply, e))
        return e->code;
    if (reply.status != 200)
        return aws_source_refused("the container endpoint", reply.status, "", e);
    return aws_read_json(f, &reply, out, e);
}

const struct aws_source aws_source_container = {"container endpoint", is_configured, fetch, false,
                                                false};

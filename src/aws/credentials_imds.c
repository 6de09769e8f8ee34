/* The instance metadata service of Amazon EC2, version 2 (a token first; version 1, which has none,
 * is never used). "IMDS credential provider" in the AWS SDKs and Tools Reference Guide. */
#include "aws/credentials.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/url.h"

#define TOKEN_TTL_S "300" /* for the three calls of one fetch */
#define ROLE_MAX 128      /* bytes of a role's name: 64 in IAM's limits */
#define PATH "latest/meta-data/iam/security-credentials/"

static enum rc is_configured(const struct aws_env *env, const struct aws_profile *profile,
                             bool *out, struct err *e) {
    const char *disabled = aws_env_get(env, "AWS_EC2_METADATA_DISABLED");

    (void)profile;
    (void)e;
    *out = !disabled || strcasecmp(disabled, "true") != 0;
    return OK;
}

/* Ends in a slash. */
static enum rc find_base(const struct aws_fetch *f, const char **out, struct err *e) {
    struct aws_profile profile;
    struct url u;
    struct err why = {0};
    const char *base = aws_env_get(f->env, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = aws_env_get(f->env, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

    if (aws_profile_load(f->arena, f->env, &profile, &why))
        return aws_source_wrong(e, "%s", why.text);
    if (!base)
        base = aws_profile_get(&profile, "ec2_metadata_service_endpoint");
    if (!mode)
        mode = aws_profile_get(&profile, "ec2_metadata_service_endpoint_mode");
    if (!base && mode && strcasecmp(mode, "IPv4") != 0 && strcasecmp(mode, "IPv6") != 0)
        return aws_source_wrong(e, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE must be IPv4 or IPv6");
    if (!base)
        base =
            mode && !strcasecmp(mode, "IPv6") ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    if (url_parse(f->arena, base, &u, &why) || u.query || u.fragment ||
        (strcmp(u.scheme, "http") && strcmp(u.scheme, "https")))
        return aws_source_wrong(e, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL of http or https");
    *out = base[strlen(base) - 1] == '/' ? base : arena_printf(f->arena, "%s/", base);
    return OK;
}

/* Asks for a text of one line. */
static enum rc ask_line(const struct aws_fetch *f, const char *method, const char *url,
                        const char *header, char **out, struct err *e) {
    const char *const headers[] = {header, NULL};
    struct http_reply reply;

    if (aws_source_ask(f, method, url, headers, NULL, &reply, e))
        return e->code;
    if (reply.status == 404)
        return aws_source_wrong(e, "the EC2 instance has no role, or this is no EC2 instance");
    if (reply.status != 200)
        return aws_source_refused("the instance metadata service", reply.status, "", e);
    *out = arena_strdup(f->arena, reply.body);
    (*out)[strcspn(*out, "\r\n")] = 0;
    if (!aws_is_token(*out))
        return aws_source_failed(e, "the instance metadata service gave an empty answer");
    return OK;
}

/* An answer may have status 200 and say that it is a failure. */
static enum rc check_code(const struct aws_fetch *f, const struct http_reply *reply,
                          struct err *e) {
    struct json *v;
    struct err why = {0};
    const char *code;

    if (json_parse(f->arena, reply->body, reply->body_len, &v, &why))
        return aws_source_failed(e, "the answer is no JSON object");
    code = json_get_str(v, "Code");
    if (code && strcmp(code, "Success") != 0)
        return aws_source_failed(e, "the instance metadata service says %.64s", code);
    return OK;
}

static enum rc fetch(const struct aws_fetch *f, struct aws_credentials *out, struct err *e) {
    const char *base = NULL, *header;
    char *token = NULL, *role = NULL;
    struct http_reply reply;

    if (find_base(f, &base, e) ||
        ask_line(f, "PUT", arena_printf(f->arena, "%slatest/api/token", base),
                 "X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_TTL_S, &token, e))
        return e->code;
    header = arena_printf(f->arena, "X-aws-ec2-metadata-token: %s", token);
    if (ask_line(f, "GET", arena_printf(f->arena, "%s" PATH, base), header, &role, e))
        return e->code;
    if (strlen(role) > ROLE_MAX || strpbrk(role, "/?#%"))
        return aws_source_failed(e, "the instance metadata service gave no name of a role");
    const char *const headers[] = {header, NULL};
    if (aws_source_ask(f, "GET", arena_printf(f->arena, "%s" PATH "%s", base, role), headers, NULL,
                       &reply, e))
        return e->code;
    if (reply.status != 200)
        return aws_source_refused("the instance metadata service", reply.status, "", e);
    if (check_code(f, &reply, e))
        return e->code;
    return aws_read_json(f, &reply, out, e);
}

/* EC2 accepts credentials for a while beyond their end when it could not give newer ones in time,
 * and AWS's SDKs use them on ("static stability"): an outage of the metadata service stops nothing.
 */
const struct aws_source aws_source_imds = {"EC2 instance metadata", is_configured, fetch, false,
                                           true};

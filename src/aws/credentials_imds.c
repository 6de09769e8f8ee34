/* Private part of credentials_source.h: The instance metadata service of Amazon EC2, version 2 (a
 * token first; version 1, which has none, is never used). "IMDS credential provider" in the AWS
 * SDKs and Tools Reference Guide. */
#include "aws/credentials_source.h"

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

/* A setting: the variable, or else the profile's key; NULL if neither is there. */
static const char *setting(const struct aws_profile *p, const char *variable, const char *key) {
    const char *value = aws_env_get(p->env, variable);

    return value ? value : aws_profile_get(p, key);
}

/* The address of a mode, which may be NULL; NULL if there is no such mode. */
static const char *base_of_mode(const char *mode) {
    if (!mode || !strcasecmp(mode, "IPv4"))
        return "http://169.254.169.254";
    return !strcasecmp(mode, "IPv6") ? "http://[fd00:ec2::254]" : NULL;
}

static bool is_http(struct arena *a, const char *text) {
    struct err ignored;
    struct url u;

    return !url_parse(a, text, &u, &ignored) && !u.query && !u.fragment &&
           (!strcmp(u.scheme, "http") || !strcmp(u.scheme, "https"));
}

/* Ends in a slash. */
static enum rc find_base(const struct aws_fetch *f, const char **out, struct err *e) {
    struct aws_profile profile;
    struct err why = {0};
    const char *base;

    if (aws_profile_load(f->arena, f->env, &profile, &why))
        return aws_source_wrong(e, "%s", why.text);
    base = setting(&profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    if (!base)
        base = base_of_mode(setting(&profile, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
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
    static const char *const ttl[] = {"X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_TTL_S, NULL};
    const char *headers[] = {NULL, NULL}, *base = NULL;
    struct http_request rq = {.method = "PUT", .headers = ttl};
    char *token = NULL, *role = NULL;
    struct http_reply reply;

    if (find_base(f, &base, e))
        return e->code;
    rq.url = arena_printf(f->arena, "%slatest/api/token", base);
    if (ask_line(f, &rq, &token, e))
        return e->code;
    headers[0] = arena_printf(f->arena, "X-aws-ec2-metadata-token: %s", token);
    rq = (struct http_request){
        .method = "GET", .url = arena_printf(f->arena, "%s" PATH, base), .headers = headers};
    if (ask_line(f, &rq, &role, e))
        return e->code;
    if (strlen(role) > ROLE_MAX || strpbrk(role, "/?#%"))
        return aws_source_failed(e, "the instance metadata service gave no name of a role");
    rq.url = arena_printf(f->arena, "%s" PATH "%s", base, role);
    if (aws_source_ask(f, &rq, &reply, e))
        return e->code;
    if (reply.status != 200)
        return aws_source_refused("the instance metadata service", reply.status, "", e);
    return check_code(f, &reply, e) ? e->code : aws_read_json(f, &reply, out, e);
}

/* EC2 accepts credentials for a while beyond their end when it could not give newer ones in time,
 * and AWS's SDKs use them on ("static stability"): an outage of the metadata service stops nothing.
 */
const struct aws_source aws_source_imds = {"EC2 instance metadata", is_configured, fetch, false,
                                           true};

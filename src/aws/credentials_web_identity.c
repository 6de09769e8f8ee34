/* Private part of credentials_source.h: A token in a file, such as Kubernetes gives each pod (IAM
 * roles for service accounts), changed for credentials of a role: STS AssumeRoleWithWebIdentity.
 * The call is not signed: the token is proof. */
#include "aws/credentials_source.h"

#include <string.h>

#include "aws/endpoint.h"
#include "aws/xml.h"
#include "base/buf.h"
#include "base/url.h"

#define SESSION_NAME "mcp-authd" /* in AWS's audit log, unless AWS_ROLE_SESSION_NAME is set */
#define BODY_MAX (AWS_FILE_MAX * 3 + 4096) /* the token, if each of its bytes is encoded */
#define RESULT "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/"

struct identity {
    const char *token_file, *role_arn, *session_name;
};

/* From the profile, where it is one of its keys, or else from the environment. */
static struct identity find_identity(const struct aws_env *env, const struct aws_profile *profile) {
    struct identity id = {
        .token_file = aws_profile_get(profile, "web_identity_token_file"),
        .role_arn = aws_profile_get(profile, "role_arn"),
        .session_name = aws_profile_get(profile, "role_session_name"),
    };

    if (!id.token_file)
        id = (struct identity){
            .token_file = aws_env_get(env, "AWS_WEB_IDENTITY_TOKEN_FILE"),
            .role_arn = aws_env_get(env, "AWS_ROLE_ARN"),
            .session_name = aws_env_get(env, "AWS_ROLE_SESSION_NAME"),
        };
    if (!id.session_name)
        id.session_name = SESSION_NAME;
    return id;
}

static enum rc is_configured(const struct aws_env *env, const struct aws_profile *profile,
                             bool *out, struct err *e) {
    struct identity id = find_identity(env, profile);

    *out = id.token_file != NULL;
    if (id.token_file && !id.role_arn)
        return err_set(e, ERR_MISCONFIGURED,
                       "a web identity token file is given, but no role: set AWS_ROLE_ARN");
    return OK;
}

/* The service names what is wrong: <ErrorResponse><Error><Code>. Only these pass by themselves. */
static enum rc refused(const struct aws_fetch *f, const struct http_reply *reply, struct err *e) {
    const char *code =
        aws_xml_text(f->arena, reply->body, reply->body_len, "ErrorResponse/Error/Code");
    bool may_pass = code && (!strcmp(code, "IDPCommunicationError") || !strcmp(code, "Throttling"));

    if (may_pass)
        return aws_source_failed(e, "STS answered %s", code);
    return aws_source_refused("STS", reply->status, code && aws_is_token(code) ? code : "", e);
}

static enum rc read_answer(const struct aws_fetch *f, const struct http_reply *reply,
                           struct aws_credentials *out, struct err *e) {
    static const char *const paths[] = {RESULT "AccessKeyId", RESULT "SecretAccessKey",
                                        RESULT "SessionToken", RESULT "Expiration"};
    const char *texts[4];

    for (unsigned i = 0; i < 4; i++)
        if (!(texts[i] = aws_xml_text(f->arena, reply->body, reply->body_len, paths[i])))
            return aws_source_failed(e, "STS's answer cannot be read");
    return aws_take_credentials(
        f, &(struct aws_credential_texts){texts[0], texts[1], texts[2], texts[3]}, out, e);
}

static enum rc fetch(const struct aws_fetch *f, struct aws_credentials *out, struct err *e) {
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct aws_profile profile;
    struct aws_endpoint endpoint;
    struct identity id;
    struct http_reply reply;
    struct err why = {0};
    struct buf body;
    const char *token;

    if (aws_profile_load(f->arena, f->env, &profile, &why) ||
        aws_endpoint_sts(f->arena, f->env, f->region, &endpoint, &why))
        return aws_source_wrong(e, "%s", why.text);
    id = find_identity(f->env, &profile);
    if (!id.token_file || !id.role_arn)
        return aws_source_wrong(e, "the web identity is no longer in the profile");
    if (aws_read_token_file(f, id.token_file, &token, e))
        return e->code;
    buf_init(&body, f->arena, BODY_MAX);
    url_add_field(&body, "Action", "AssumeRoleWithWebIdentity");
    url_add_field(&body, "Version", "2011-06-15");
    url_add_field(&body, "RoleArn", id.role_arn);
    url_add_field(&body, "RoleSessionName", id.session_name);
    url_add_field(&body, "WebIdentityToken", token);
    if (aws_source_ask(
            f,
            &(struct http_request){
                .method = "POST", .url = endpoint.url, .headers = headers, .body = body.p},
            &reply, e))
        return e->code;
    return reply.status == 200 ? read_answer(f, &reply, out, e) : refused(f, &reply, e);
}

const struct aws_source aws_source_web_identity = {"web identity token", is_configured, fetch,
                                                   false, false};

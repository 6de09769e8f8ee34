/* Private part of credentials_source.h: credentials that settings name: keys in the environment or
 * in a profile of the shared files, or a token that is exchanged for them. */
#include "aws/credentials_source.h"

#include "aws/endpoint.h"
#include "aws/xml.h"
#include "base/url.h"

/* ---- environment ---- */

static enum rc env_is_configured(const struct aws_profile *profile, bool *out, struct err *e) {
    const char *id = aws_env_get(profile->env, "AWS_ACCESS_KEY_ID");
    const char *secret = aws_env_get(profile->env, "AWS_SECRET_ACCESS_KEY");

    *out = id && secret;
    if (!id != !secret)
        return misconfigured(e, "%s is set, but %s is not: set both or none",
                             id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                             id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    return OK;
}

/* What is written down wrong will not get better by waiting. */
static enum rc take_static(const struct aws_fetch *f, const struct aws_credential_texts *texts,
                           struct aws_credentials *out, struct err *e) {
    if (aws_take_credentials(f, texts, out, e))
        return aws_source_wrong(e, "a key or token is missing or has characters that none has");
    return OK;
}

static enum rc env_fetch(const struct aws_fetch *f, struct aws_credentials *out, struct err *e) {
    const struct aws_credential_texts texts = {aws_env_get(f->env, "AWS_ACCESS_KEY_ID"),
                                               aws_env_get(f->env, "AWS_SECRET_ACCESS_KEY"),
                                               aws_env_get(f->env, "AWS_SESSION_TOKEN"), NULL};

    return take_static(f, &texts, out, e);
}

const struct aws_source aws_source_environment = {"environment", env_is_configured, env_fetch, true,
                                                  false};

/* ---- profile ---- */

#define KEYS_BEFORE_STATIC 2

/* Ways to credentials that SDKs know and this program does not. With keys beside them in the
 * profile, SDKs still assume the role (the first two), but let keys go before the others. */
static enum rc refuse_unsupported(const struct aws_profile *profile, bool has_keys, struct err *e) {
    static const char *const keys[] = {"source_profile", "credential_source", "credential_process",
                                       "sso_session",    "sso_start_url",     "login_session"};

    size_t count = has_keys ? KEYS_BEFORE_STATIC : sizeof keys / sizeof *keys;

    for (size_t i = 0; i < count; i++)
        if (aws_profile_get(profile, keys[i]))
            return misconfigured(
                e,
                "the AWS profile %.64s uses %s, which is not supported here: give it keys "
                "or a web identity token file, or choose another with AWS_PROFILE",
                profile->name, keys[i]);
    return OK;
}

static enum rc profile_is_configured(const struct aws_profile *profile, bool *out, struct err *e) {
    const char *id = aws_profile_get(profile, "aws_access_key_id");
    const char *secret = aws_profile_get(profile, "aws_secret_access_key");

    *out = id && secret;
    if (!id != !secret)
        return misconfigured(e, "the AWS profile %.64s has %s but not %s", profile->name,
                             id ? "aws_access_key_id" : "aws_secret_access_key",
                             id ? "aws_secret_access_key" : "aws_access_key_id");
    return refuse_unsupported(profile, *out, e);
}

static enum rc profile_fetch(const struct aws_fetch *f, struct aws_credentials *out,
                             struct err *e) {
    struct aws_profile p;
    struct err why = {0};

    if (aws_profile_load(f->arena, f->env, &p, &why))
        return aws_source_wrong(e, "%s", why.text);
    return take_static(f,
                       &(struct aws_credential_texts){aws_profile_get(&p, "aws_access_key_id"),
                                                      aws_profile_get(&p, "aws_secret_access_key"),
                                                      aws_profile_get(&p, "aws_session_token"),
                                                      NULL},
                       out, e);
}

const struct aws_source aws_source_profile = {"profile", profile_is_configured, profile_fetch, true,
                                              false};

/* ---- a token in a file, such as Kubernetes gives each pod (IAM roles for service accounts),
 * exchanged for credentials of a role: STS AssumeRoleWithWebIdentity. The call is not signed: the
 * token is proof. ---- */

#define SESSION_NAME "mcp-authd" /* in AWS's audit log, unless AWS_ROLE_SESSION_NAME is set */
#define BODY_MAX (AWS_FILE_MAX * 3 + 4096) /* the token, if each of its bytes is encoded */
#define RESULT "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/"

struct identity {
    const char *token_file, *role_arn, *session_name;
};

/* From the profile, where it is one of its keys, or else from the environment. */
static struct identity find_identity(const struct aws_profile *profile) {
    struct identity id = {
        .token_file = aws_profile_get(profile, "web_identity_token_file"),
        .role_arn = aws_profile_get(profile, "role_arn"),
        .session_name = aws_profile_get(profile, "role_session_name"),
    };

    if (!id.token_file)
        id = (struct identity){
            .token_file = aws_env_get(profile->env, "AWS_WEB_IDENTITY_TOKEN_FILE"),
            .role_arn = aws_env_get(profile->env, "AWS_ROLE_ARN"),
            .session_name = aws_env_get(profile->env, "AWS_ROLE_SESSION_NAME"),
        };
    if (!id.session_name)
        id.session_name = SESSION_NAME;
    return id;
}

static enum rc identity_is_configured(const struct aws_profile *profile, bool *out, struct err *e) {
    struct identity id = find_identity(profile);

    *out = id.token_file != NULL;
    if (id.token_file && !id.role_arn)
        return misconfigured(e,
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

static enum rc identity_fetch(const struct aws_fetch *f, struct aws_credentials *out,
                              struct err *e) {
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct http_request rq = {.method = "POST", .headers = headers};
    struct aws_profile profile;
    struct aws_endpoint endpoint;
    struct identity id;
    struct http_reply reply;
    struct err why = {0};
    struct buf body;
    const char *token;

    if (aws_profile_load(f->arena, f->env, &profile, &why) ||
        aws_endpoint(f->arena, &(struct aws_lookup){f->env, f->region, "sts"}, &endpoint, &why))
        return aws_source_wrong(e, "%s", why.text);
    id = find_identity(&profile);
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
    rq.url = endpoint.url;
    rq.body = body.p;
    if (aws_source_ask(f, &rq, &reply, e))
        return e->code;
    return reply.status == 200 ? read_answer(f, &reply, out, e) : refused(f, &reply, e);
}

const struct aws_source aws_source_web_identity = {"web identity token", identity_is_configured,
                                                   identity_fetch, false, false};

/* Private part of credentials_source.h: Credentials that are written down: in the environment, or
 * in a profile of the shared files. */
#include "aws/credentials_source.h"

#include <string.h>

/* ---- environment ---- */

static enum rc env_is_configured(const struct aws_env *env, const struct aws_profile *profile,
                                 bool *out, struct err *e) {
    const char *id = aws_env_get(env, "AWS_ACCESS_KEY_ID");
    const char *secret = aws_env_get(env, "AWS_SECRET_ACCESS_KEY");

    (void)profile;
    *out = id && secret;
    if (!id != !secret)
        return err_set(e, ERR_MISCONFIGURED, "%s is set, but %s is not: set both or none",
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
    const struct aws_credential_texts texts = {.id = aws_env_get(f->env, "AWS_ACCESS_KEY_ID"),
                                               .secret =
                                                   aws_env_get(f->env, "AWS_SECRET_ACCESS_KEY"),
                                               .token = aws_env_get(f->env, "AWS_SESSION_TOKEN")};

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
            return err_set(
                e, ERR_MISCONFIGURED,
                "the AWS profile %.64s uses %s, which is not supported here: give it keys "
                "or a web identity token file, or choose another with AWS_PROFILE",
                profile->name, keys[i]);
    return OK;
}

static enum rc profile_is_configured(const struct aws_env *env, const struct aws_profile *profile,
                                     bool *out, struct err *e) {
    const char *id = aws_profile_get(profile, "aws_access_key_id");
    const char *secret = aws_profile_get(profile, "aws_secret_access_key");

    (void)env;
    *out = id && secret;
    if (!id != !secret)
        return err_set(e, ERR_MISCONFIGURED, "the AWS profile %.64s has %s but not %s",
                       profile->name, id ? "aws_access_key_id" : "aws_secret_access_key",
                       id ? "aws_secret_access_key" : "aws_access_key_id");
    return refuse_unsupported(profile, *out, e);
}

static enum rc profile_fetch(const struct aws_fetch *f, struct aws_credentials *out,
                             struct err *e) {
    struct aws_credential_texts texts = {NULL};
    struct aws_profile profile;
    struct err why = {0};

    if (aws_profile_load(f->arena, f->env, &profile, &why))
        return aws_source_wrong(e, "%s", why.text);
    texts.id = aws_profile_get(&profile, "aws_access_key_id");
    texts.secret = aws_profile_get(&profile, "aws_secret_access_key");
    texts.token = aws_profile_get(&profile, "aws_session_token");
    return take_static(f, &texts, out, e);
}

const struct aws_source aws_source_profile = {"profile", profile_is_configured, profile_fetch, true,
                                              false};

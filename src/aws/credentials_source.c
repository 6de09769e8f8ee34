#include "aws/credentials_source.h"

#include <stdarg.h>

#include "base/json.h"
#include "base/text.h"
#include "metrics/metrics.h"

#define CONNECT_TIMEOUT_MS 1000 /* these endpoints are near, or not there at all */

enum rc aws_source_error(struct err *e, enum rc code, const char *fmt, ...) {
    char why[sizeof e->detail];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    (void)err_set(e, code,
                  code == ERR_UPSTREAM
                      ? "a service that is needed cannot be reached; try again later"
                      : "the server has no access to a service that is needed");
    return err_detail(e, "AWS credentials: %s", why);
}

enum rc aws_source_ask(const struct aws_fetch *f, const struct http_request *rq,
                       struct http_reply *reply, struct err *e) {
    struct http_request full = *rq;
    struct err why = {0};

    full.body_len = rq->body ? strlen(rq->body) : 0;
    full.max_reply_bytes = AWS_ANSWER_MAX;
    full.timeout_ms = (long)(f->deadline_ms - clock_monotonic_ms());
    full.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    full.counted_as = 1 + UPSTREAM_CREDENTIALS;
    if (full.timeout_ms <= 0)
        return aws_source_failed(e, "no time was left to ask");
    if (http_fetch(f->http, f->arena, &full, reply, &why))
        return aws_source_failed(e, "%s", *why.detail ? why.detail : why.text);
    return OK;
}

enum rc aws_source_refused(const char *what, long status, const char *why, struct err *e) {
    bool may_pass = status == 408 || status == 429 || status >= 500 || status < 400;

    return aws_source_error(e, may_pass ? ERR_UPSTREAM : ERR_MISCONFIGURED,
                            "%s %s with status %ld%s%.120s", what,
                            may_pass ? "answered" : "refused", status, *why ? ": " : "", why);
}

/* ---- reading ---- */

bool aws_is_token(const char *s) {
    if (!s || !*s)
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s > '~')
            return false;
    return true;
}

enum rc aws_take_credentials(const struct aws_fetch *f, const struct aws_credential_texts *texts,
                             struct aws_credentials *out, struct err *e) {
    *out = (struct aws_credentials){.access_key_id = texts->id,
                                    .secret_access_key = texts->secret,
                                    .session_token = texts->token ? texts->token : ""};
    if (!aws_is_token(texts->id) || !aws_is_token(texts->secret) ||
        (texts->token && !aws_is_token(texts->token)))
        return aws_source_failed(e, "a key or token is missing or has characters that none has");
    if (!texts->expiration)
        return OK;
    if (!text_parse_rfc3339(texts->expiration, &out->expires_s))
        return aws_source_failed(e, "their time of expiry cannot be read");
    if (out->expires_s <= f->now_s && !f->may_have_ended)
        return aws_source_failed(e, "those that were given have expired; is the clock right?");
    return OK;
}

enum rc aws_read_json(const struct aws_fetch *f, const char *what, const struct http_reply *reply,
                      struct aws_credentials *out, struct err *e) {
    struct aws_credential_texts texts;
    struct json *v;
    const char *code;

    if (json_parse(f->arena, reply->body, reply->body_len, &v, ERR_IGNORED) || !json_is_object(v))
        return aws_source_failed(e, "the answer is no JSON object");
    code = json_get_str(v, "Code");
    if (code && strcmp(code, "Success") != 0)
        return aws_source_failed(e, "%s says %.64s", what, code);
    texts = (struct aws_credential_texts){.id = json_get_str(v, "AccessKeyId"),
                                          .secret = json_get_str(v, "SecretAccessKey"),
                                          .token = json_get_str(v, "Token"),
                                          .expiration = json_get_str(v, "Expiration")};
    if (!texts.expiration && json_get(v, "Expiration"))
        return aws_source_failed(e, "their time of expiry cannot be read");
    return aws_take_credentials(f, &texts, out, e);
}

enum rc aws_ask_json(const struct aws_fetch *f, const char *what, const struct http_request *rq,
                     struct aws_credentials *out, struct err *e) {
    struct http_reply reply;

    if (aws_source_ask(f, rq, &reply, e))
        return e->code;
    if (reply.status != 200)
        return aws_source_refused(what, reply.status, "", e);
    return aws_read_json(f, what, &reply, out, e);
}

enum rc aws_read_token_file(const struct aws_fetch *f, const char *path, const char **out,
                            struct err *e) {
    struct err why = {0};
    char *text;

    if (aws_file_read(f->arena, path, &text, &why))
        return aws_source_wrong(e, "%s", why.text);
    text[strcspn(text, "\r\n")] = 0;
    if (!aws_is_token(text))
        return aws_source_wrong(e, "%s holds no token in its first line", path);
    *out = text;
    return OK;
}

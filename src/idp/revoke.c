/* Cognito's revocation endpoint (RFC 7009). */
#include "idp/idp.h"

#include <string.h>

#include "base/buf.h"
#include "base/url.h"
#include "metrics/metrics.h"

#define TIMEOUT_MS 5000
#define FORM_BYTES_MAX (64 * 1024)
#define REPLY_BYTES_MAX 65536

/* RFC 9110 §15.5: asking again changes nothing, but after a timeout or too many requests. */
static bool is_for_good(long status) {
    return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

static enum rc refused(struct arena *a, const struct http_reply *reply, struct err *e) {
    const char *error = cognito_refusal(a, "revocation", reply);

    if (reply->status == 400 && !strcmp(error, "invalid_grant"))
        return OK; /* it has ended already: RFC 7009 §2.2 */
    if (is_for_good(reply->status))
        (void)err_set(e, ERR_MISCONFIGURED,
                      "the identity provider does not let this server revoke tokens");
    else
        (void)err_set(e, ERR_UPSTREAM, "the identity provider is not available; try again later");
    err_detail(e, "revocation endpoint: status=%ld", reply->status);
    return e->code;
}

enum rc cognito_revoke(struct http_client *http, const struct config *config, struct arena *a,
                       const char *refresh_token, struct err *e) {
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json", NULL};
    struct http_request rq = {.method = "POST",
                              .url = config->cognito_revoke_url,
                              .headers = headers,
                              .max_reply_bytes = REPLY_BYTES_MAX,
                              .timeout_ms = TIMEOUT_MS,
                              .counted_as = 1 + UPSTREAM_REVOKE};
    struct http_reply reply;
    struct err why = {0};
    struct buf form;

    buf_init(&form, a, FORM_BYTES_MAX);
    buf_adds(&form, "token=");
    url_encode(&form, refresh_token);
    buf_adds(&form, "&client_id=");
    url_encode(&form, config->cognito_client_id);
    rq.body = form.p;
    rq.body_len = form.len;
    if (http_fetch(http, a, &rq, &reply, &why)) {
        (void)err_set(e, ERR_UPSTREAM, "the identity provider did not answer; try again later");
        err_detail(e, "revocation endpoint: %s", *why.detail ? why.detail : why.text);
        return e->code;
    }
    return reply.status == 200 ? OK : refused(a, &reply, e);
}

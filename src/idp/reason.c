#include "idp/idp.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"

#define WORD_MAX 32 /* a code of Cognito's has 36 bytes, its tokens have more */

const char *cognito_reason(struct arena *a, const char *text) {
    struct buf b;

    if (!text)
        return "";
    buf_init(&b, a, COGNITO_REASON_MAX + 1);
    while (*text && b.len < COGNITO_REASON_MAX) {
        size_t word = strcspn(text, " ");

        if (word > WORD_MAX)
            buf_adds(&b, "...");
        for (size_t i = 0; word <= WORD_MAX && i < word; i++)
            buf_addc(&b, text[i] > ' ' && text[i] <= '~' ? text[i] : '?');
        text += word;
        if (*text) {
            buf_addc(&b, ' ');
            text++;
        }
    }
    return b.p;
}

const char *cognito_refusal(struct arena *a, const char *endpoint, const struct http_reply *reply) {
    const char *error, *why;
    struct err ignored = {0};
    struct json *body;

    if (json_parse(a, reply->body, reply->body_len, &body, &ignored))
        return "";
    error = json_get_str(body, "error");
    why = json_get_str(body, "error_description");
    log_info("refused_by_cognito", kv("endpoint", endpoint), kvn("status", reply->status),
             kv("error", cognito_reason(a, error)),
             kv("detail", cognito_reason(a, why ? why : json_get_str(body, "message"))));
    return error ? error : "";
}

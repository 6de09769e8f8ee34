#include "oauth/refresh_token.h"

#include <string.h>

#include "base/json.h"
#include "crypto/seal.h"

#define REFRESH_TOKEN_MAX 16384 /* bytes: the longest that refresh_seal makes of the provider's */

const char *refresh_seal(struct site *site, struct arena *a, const char *client_id,
                         const struct refresh_grant *grant) {
    struct json *o = json_new_object(a);
    const char *text;
    size_t len;

    json_put_str(o, "token", grant->token);
    json_put_str(o, "resource", grant->resource);
    json_put_str(o, "scope", grant->scope);
    if (*grant->asked)
        json_put_str(o, "asked", grant->asked);
    json_put_int(o, "login", grant->login_s);
    json_put_str(o, "family", grant->family);
    json_put_int(o, "generation", grant->generation);
    if (*grant->authenticates)
        json_put_str(o, "authenticates", grant->authenticates);
    text = json_text(a, o, &len);
    return seal(
        a,
        &(struct seal_binding){.keys = site->seal, .purpose = "refresh", .associated = client_id},
        text, len);
}

enum rc refresh_open(struct site *site, struct arena *a, struct refresh_token *t, struct err *e) {
    const struct seal_binding binding = {
        .keys = site->seal, .purpose = "refresh", .associated = t->client_id};
    struct refresh_grant *out = &t->grant;
    struct plaintext text;
    struct json *o;

    if (strlen(t->sealed) > REFRESH_TOKEN_MAX || seal_open(a, &binding, t->sealed, &text, e) ||
        json_parse(a, text.data, text.len, &o, e) || !(out->token = json_get_str(o, "token")) ||
        !(out->scope = json_get_str(o, "scope")) || !(out->resource = json_get_str(o, "resource")))
        return err_set(e, ERR_INVALID_GRANT,
                       "the refresh token is not one of this server's, or another client's");
    out->login_s = out->generation = 0; /* these are not in those of earlier versions */
    (void)json_get_int(o, "login", &out->login_s);
    (void)json_get_int(o, "generation", &out->generation);
    out->family = json_get_str(o, "family") ? json_get_str(o, "family") : "";
    out->asked = json_get_str(o, "asked") ? json_get_str(o, "asked") : "";
    out->authenticates = json_get_str(o, "authenticates") ? "yes" : "";
    return OK;
}

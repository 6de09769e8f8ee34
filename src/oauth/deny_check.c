#include "oauth/deny_check.h"

#include "access/deny_list.h"
#include "idp/idp.h"

enum rc deny_check_client(const struct site *site, const char *client_id, struct err *e) {
    return deny_has_client(site->deny, client_id)
               ? err_set(e, ERR_INVALID_CLIENT, "this client is no longer allowed here")
               : OK;
}

enum rc deny_check_grant(const struct site *site, const char *client_id, int64_t login_s,
                         struct err *e) {
    if (deny_has_client(site->deny, client_id))
        return err_set(e, ERR_INVALID_GRANT, "this client is no longer allowed here");
    if (deny_has_issued(site->deny, login_s))
        return err_set(e, ERR_INVALID_GRANT, "this login was ended; log in again");
    return OK;
}

enum rc deny_check_user(struct exchange *x, const char *access_token, struct err *e) {
    const char *username;

    x->rp->audit.subject = access_token_unverified(x->rp->arena, access_token, "sub");
    username = access_token_unverified(x->rp->arena, access_token, "username");
    if (deny_has_subject(x->site->deny, x->rp->audit.subject) ||
        deny_has_subject(x->site->deny, username))
        return err_set(e, ERR_INVALID_GRANT, "this user is no longer allowed here");
    return OK;
}

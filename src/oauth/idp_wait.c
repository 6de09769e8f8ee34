/* Waiting for Cognito: never with all workers of the host. */
#include "oauth/site.h"
#include "oauth/tokens.h"
#include "shared/shared.h"

enum rc cognito_wait_begin(struct site *site, struct err *e) {
    return host_gate_enter_share(site->oauth->idp_gate, site->config->workers_max)
               ? err_set(e, ERR_UPSTREAM, "the identity provider does not answer; try again later")
               : OK;
}

void cognito_wait_end(struct site *site) {
    host_gate_leave(site->oauth->idp_gate);
}

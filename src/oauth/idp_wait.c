/* Waiting for Cognito: never with all workers of the host. */
#include "oauth/tokens.h"
#include "shared/shared.h"

enum rc cognito_wait_begin(struct context *cx, struct err *e) {
    return host_gate_enter_share(cx->idp_gate, cx->config->workers_max)
               ? err_set(e, ERR_UPSTREAM, "the identity provider does not answer; try again later")
               : OK;
}

void cognito_wait_end(struct context *cx) {
    host_gate_leave(cx->idp_gate);
}

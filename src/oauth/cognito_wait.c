/* Waiting for Cognito: never with all workers of the host. */
#include "host/host.h"
#include "oauth/tokens.h"

enum rc cognito_wait_begin(struct context *cx, struct err *e) {
    return host_gate_enter_share(cx->cognito_gate, cx->config->workers_max)
               ? err_set(e, ERR_UPSTREAM, "the identity provider does not answer; try again later")
               : OK;
}

void cognito_wait_end(struct context *cx) {
    host_gate_leave(cx->cognito_gate);
}

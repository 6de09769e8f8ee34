/* What a parked call (web/parked.h) keeps of struct mcp_call: caller, stream and deadline. The
 * rest is read again from its request when it goes on: message, method, session, and the manifest
 * as it is then. */
#pragma once

#include "mcp/call.h"
#include "web/parked.h"

/* Parks the call, with what the method needs in `state`, an object that this changes. Of *p the
 * method sets the socket of answers, until_ms, again and asleep. True: another process has the
 * call, and this worker only unwinds, with c->x->rp->parked set. False: nobody takes it. */
bool mcp_call_park(struct mcp_call *c, struct json *state, struct parked *p);
/* Parks a resumed call again as it was, for a moment, since as many calls run as may (CALLS_MAX).
 * False: nobody takes it, or its deadline has passed. */
bool mcp_call_sleep(struct mcp_call *c);
/* Fills the call from its request's `resumed`; c->resumed is the state that mcp_call_park was
 * given. ERR_INTERNAL: it is malformed, which only we could have caused. */
enum rc mcp_call_restore(struct mcp_call *c, struct err *e) MUST_USE;

/* What a parked call (web/parked.h) keeps of struct mcp_call: caller, stream and deadline. The
 * rest is read again from its request when it goes on: message, method, session, and the manifest
 * as it is then. */
#pragma once

#include "mcp/call.h"
#include "web/parked.h"

/* Gives the call away, with what the method needs in `state`, an object that it changes. Of *p the
 * method sets the socket of answers, until_ms, again and asleep. True: another process has the
 * call, and this worker only unwinds, with c->x->rp->parked set. False: nobody takes it. */
bool mcp_call_park(struct mcp_call *c, struct json *state, struct parked *p);
/* Gives a resumed call away as it was, for a short time, since no worker may continue it now.
 * False: nobody takes it, or its deadline has passed. */
bool mcp_call_sleep(struct mcp_call *c);
/* Fills the call from its request's `resumed`. *state is what mcp_call_park was given.
 * ERR_INTERNAL: it is malformed, which only we could have caused. */
enum rc mcp_call_restore(struct mcp_call *c, struct json **state, struct err *e) MUST_USE;

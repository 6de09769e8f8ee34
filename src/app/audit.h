/* The audit log: a line of JSON for each request to an OAuth endpoint and each call (AUDIT_EVENTS),
 * written at once, so that lines of several workers do not mix. Never a token, code, state or
 * verifier, and no argument or result of a call. docs/operating.md */
#pragma once

#include "app/routes.h"
#include "base/output.h"
#include "mcp/call.h"

struct audit {
    const char *path; /* "": among the lines of the log */
    struct output out;
    bool failed; /* the last line was lost, and this is logged */
};

/* Does a service of these endpoints write any? */
bool audit_is_written(const struct config *c);
/* `path` must outlive it. ERR_MISCONFIGURED if it will not get better by itself; a FIFO that nobody
 * reads at the moment, or a full device, is logged and tried again with each line. */
enum rc audit_open(const char *path, struct audit *out, struct err *e) MUST_USE;
/* Who is told how calls end; write is NULL if they are not audited. */
struct mcp_audit audit_of_calls(struct audit *audit, const struct config *c);

/* `e` says why, if its code is set. */
void audit_write(struct audit *audit, const struct route *route, const struct exchange *x,
                 const struct err *e);

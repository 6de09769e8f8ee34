/* The audit log: a line of JSON for each request to an OAuth endpoint, written at once, so that
 * lines of several workers do not mix. Never a token, code, state or verifier. docs/operating.md */
#ifndef APP_AUDIT_H
#define APP_AUDIT_H

#include "app/routes.h"

/* *fd is stderr for an empty path. ERR_MISCONFIGURED. */
enum rc audit_open(const char *path, int *fd, struct err *e) MUST_USE;
void audit_close(int fd);

/* `e` says why, if its code is set. */
void audit_write(int fd, const struct route *route, const struct request *rq,
                 const struct reply *rp, const struct err *e);

#endif

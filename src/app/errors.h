/* Turns an error that a handler returned into a reply: HTTP's status, and OAuth's code, JSON-RPC's
 * number or a page. */
#ifndef APP_ERRORS_H
#define APP_ERRORS_H

#include "app/routes.h"

struct page_set;

/* Gives METRIC_DENIALS the names of the codes. */
void errors_name_metrics(void);

/* Fills the reply; headers that the handler set are kept. */
void error_reply(const struct page_set *pages, struct reply *rp, const struct request *rq,
                 enum error_style style, const struct err *e);

#endif

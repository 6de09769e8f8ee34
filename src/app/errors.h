/* Turns an error that a handler returned into a reply: HTTP's status, and OAuth's code, JSON-RPC's
 * number or a page. */
#pragma once

#include "app/routes.h"

/* Gives METRIC_DENIALS the names of the codes; once, at the start. */
void errors_name_metrics(void);

/* Fills the reply; headers that the handler set are kept. */
void error_reply(struct exchange *x, enum error_style style, const struct err *e);

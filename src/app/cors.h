/* Cross-origin requests (the Fetch standard, "CORS protocol"): what a client in a browser needs. */
#ifndef APP_CORS_H
#define APP_CORS_H

#include "app/routes.h"

/* Adds what lets the page that asked read the answer. */
void cors_add(const struct config *config, enum cors cors, const struct request *rq,
              struct reply *rp);
/* Answers OPTIONS, before anybody is asked who they are: a browser asks without credentials. */
void cors_options(const struct config *config, enum cors cors, const char *allow,
                  const struct request *rq, struct reply *rp);

#endif

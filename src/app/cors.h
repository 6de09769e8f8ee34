/* Cross-origin requests (the Fetch standard, "CORS protocol"): what a client in a browser needs. */
#pragma once

#include "app/routes.h"

/* Adds what lets the page that asked read the answer. */
void cors_add(struct exchange *x, enum cors cors);
/* Answers OPTIONS, before anybody is asked who they are: a browser asks without credentials. */
void cors_options(struct exchange *x, enum cors cors, const char *allow);

/* Pinned clients: those whose documents the operator put into CLIENTS_DIR. */
#pragma once

#include "config/config.h"
#include "oauth/client_document.h"
#include <stdio.h>

struct client_set;

/* A bad document is left out and reported to `problems`, a line each; *bad counts them. Never NULL.
 */
struct client_set *client_set_load(const struct config *config, FILE *problems, unsigned *bad);
void client_set_free(struct client_set *s);

/* NULL: it has none of this id, or there is no set. */
const struct client *client_set_find(const struct client_set *s, const char *client_id);

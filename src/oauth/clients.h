/* Which client is meant by a client_id, and may it be used here? */
#pragma once

#include "oauth/client_metadata.h"
#include "site/exchange.h"
#include "web/request.h"

/* ---- pinned clients: those whose documents the operator put into CLIENTS_DIR ---- */

struct client_set;
/* Never NULL. A bad document is left out, with a line to `problems`; *bad counts them. */
struct client_set *client_set_load(const struct config *config, FILE *problems, unsigned *bad);
void client_set_free(struct client_set *s);
bool client_is_pinned(const struct site *site, const char *client_id);

/* ---- clients that registered themselves (RFC 7591, client_registration.c): nothing is stored, the
 * client_id is what was registered, sealed, with its end ---- */

#define DYNAMIC_CLIENT_ID_LEN_MAX 2048
#define DYNAMIC_CLIENT_TTL_S (90 * 86400)
bool client_is_dynamic(const char *client_id);
enum rc client_dynamic_open(struct site *site, struct arena *a, const char *client_id,
                            struct client *out, struct err *e) MUST_USE;

/* ---- all clients ---- */

/* Pinned first, then what the id itself says if it is a registered one, then the document at the
 * URL that it is. ERR_INVALID_CLIENT with the reason, also for one that CLIENTS_ALLOW or
 * CLIENTS_DENY keeps out; ERR_UPSTREAM if the document's host did not answer. */
enum rc client_find(struct site *site, struct arena *a, const char *client_id, struct client *out,
                    struct err *e) MUST_USE;
/* The operator vouches for it: it is pinned, or CLIENTS_ALLOW names it. */
bool client_is_trusted(const struct site *site, struct arena *a, const char *client_id);
/* The part of client_find that needs no document: CLIENTS_ALLOW, CLIENTS_DENY, the end of a
 * registration. */
enum rc client_admit(struct site *site, struct arena *a, const char *client_id,
                     struct err *e) MUST_USE;

/* CLIENTS_ALLOW and CLIENTS_DENY: hosts, *.domains, documents, and addresses that end in a slash,
 * which match all that begin so. Anything else is compared with the whole client_id. */
bool client_list_has(struct arena *a, const char *list, const char *client_id);

/* ---- how a client says who it is at /token and /revoke (client_authentication.c): by its
 * client_id, and with private_key_jwt by a JWT that it signed (RFC 7523 §2.2, §3) ---- */

struct idp_machine;
/* The client_id of an Authorization header of the scheme Basic (RFC 6749 §2.3.1); NULL: there is
 * none, or it is malformed. */
const char *machine_id(const struct request *rq);
/* Is the form a request of client credentials (RFC 6749 §4.4) to a site that has such clients? */
bool machine_form_read(struct exchange *x, struct form *f);
/* Its client and secret, by client_secret_basic or client_secret_post (§2.3.1). ERR_INVALID_CLIENT:
 * there is none, or not one of COGNITO_MACHINE_CLIENT_IDS. ERR_INVALID_REQUEST: by both. */
enum rc machine_read(struct exchange *x, const struct form *f, struct idp_machine *out,
                     struct err *e) MUST_USE;
/* Reads the form of /token or /revoke, with the client_id in it, whose client is admitted
 * (client_admit). */
enum rc client_form_read(struct exchange *x, struct form *f, struct err *e) MUST_USE;
/* A client that sends an assertion must pass, one that has to send one must have. */
enum rc client_authenticate(struct site *site, struct arena *a, const struct form *f,
                            bool must_authenticate, struct err *e) MUST_USE;

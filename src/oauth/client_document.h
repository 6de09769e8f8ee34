/* Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document): the rules for the
 * URL and for what is found there. */
#pragma once

#include "base/url.h"
#include "config/config.h"
#include "oauth/client.h"
#include "oauth/codes.h"

struct json;

#define CLIENT_DOCUMENT_BYTES_MAX 5120 /* §6.6 */

/* ERR_INVALID_CLIENT if it cannot be the URL of a client's document; else its parts. */
enum rc client_id_check(struct arena *a, const char *client_id, struct url *u,
                        struct err *e) MUST_USE;
struct client_document {
    const char *client_id; /* the URL that it was found at; of a pinned one: what it says itself */
    const struct json *json;
};
/* ERR_INVALID_CLIENT with the reason if it is not one that this server takes. */
enum rc client_document_read(const struct config *c, struct arena *a,
                             const struct client_document *document, struct client *out,
                             struct err *e) MUST_USE;

/* What a client says of itself: in a Client ID Metadata Document
 * (draft-ietf-oauth-client-id-metadata-document), in CLIENTS_DIR, or to register (RFC 7591). */
#pragma once

#include "base/url.h"
#include "config/config.h"
#include "oauth/site.h"

/* URLs too; of a client that registered itself: DYNAMIC_CLIENT_ID_LEN_MAX of clients.h */
#define CLIENT_ID_LEN_MAX 512
#define CLIENT_NAME_LEN_MAX 200
#define REDIRECT_URIS_MAX 32
#define CLIENT_DOCUMENT_BYTES_MAX 5120 /* §6.6 */

struct json;

/* An OAuth client: who asks for a login or a token. */
struct client {
    const char *id, *name;
    const char *host; /* of the client id URL; "" for a pinned client whose id is no URL */
    const char *redirect_uris[REDIRECT_URIS_MAX];
    unsigned redirect_uri_count;
    /* private_key_jwt (RFC 7523): the keys or where they are; neither: a public client. */
    const struct json *jwks;
    const char *jwks_uri;
    bool must_authenticate; /* it does not list `none` */
};

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

/* Does the member `key` of client metadata, if it is there, list the value? */
bool client_metadata_lists(const struct json *metadata, const char *key, const char *value);
/* Takes those of redirect_uris that this server accepts, the first REDIRECT_URIS_MAX at most;
 * others are never matched. false: one is no text. */
bool client_metadata_redirect_uris(const struct config *c, struct arena *a, const struct json *uris,
                                   struct client *out);

/* Could any client have it? */
bool redirect_uri_is_acceptable(const struct config *c, struct arena *a, const char *uri);
/* May this client be sent there? Exact, but for the port on loopback (RFC 8252 §7.3). */
bool redirect_uri_is_registered(const struct config *c, struct arena *a,
                                const struct client *client, const char *uri);

/* An OAuth client: who asks for a login or a token. */
#pragma once

#include <stdbool.h>

#define CLIENT_ID_LEN_MAX                                                                          \
    512 /* URLs too; of a client that registered itself see client_dynamic.h */
#define CLIENT_NAME_LEN_MAX 200
#define REDIRECT_URIS_MAX 32

struct json;

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

/* Private part of app.h: `mcp-authd try-client`: what /authorize would make of a client, without a
 * login. */
#include "app/app.h"

#include "net/http.h"
#include "oauth/client.h"
#include "oauth/client_fetch.h"
#include "oauth/client_find.h"
#include "oauth/client_set.h"
#include "oauth/site.h"
#include "pages/display_name.h"

#define TRY_ARENA_MAX (1 << 20)

static void print_client(struct arena *a, const struct client *c, FILE *out) {
    (void)fprintf(out, "The client may log users in.\n");
    (void)fprintf(out, "  name      %s\n", display_name(a, c->name));
    (void)fprintf(out, "  from      %s\n", *c->host ? c->host : "a document in CLIENTS_DIR");
    for (unsigned i = 0; i < c->redirect_uri_count; i++)
        (void)fprintf(out, "  %s  %s\n", i ? "        " : "redirect", c->redirect_uris[i]);
}

static void print_refusal(const struct err *e, FILE *out) {
    (void)fprintf(out, "The client would be refused: %s.\n", e->text);
    if (*e->detail)
        (void)fprintf(out, "  %s\n", e->detail);
    (void)fprintf(out, "  A client can be pinned: put its document into CLIENTS_DIR and reload.\n");
}

bool app_try_client(const struct config *config, const char *client_id, FILE *out) {
    const struct http_options guarded = document_http_options(config);
    struct arena *a = arena_new(TRY_ARENA_MAX);
    struct oauth_site oauth = {.clients = NULL};
    struct site site = {.config = config, .oauth = &oauth};
    struct client_set *pinned;
    struct client client;
    struct err e = {.code = OK};
    unsigned bad;

    oauth.clients = pinned = client_set_load(config, out, &bad);
    if (!http_client_new(&guarded, &oauth.guarded, &e) &&
        !client_find(&site, a, client_id, &client, &e))
        print_client(a, &client, out);
    else
        print_refusal(&e, out);
    http_client_free(oauth.guarded);
    client_set_free(pinned);
    arena_free(a);
    return e.code == OK;
}

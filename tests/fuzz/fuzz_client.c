/* What a client publishes or registers. By its first byte an input is a metadata document (d), a
 * registration (r), or (u) a registered redirect URI, a line, and the one that is asked for. */
#include <arpa/inet.h>
#include <curl/curl.h>

#include "base/text.h"
#include "input.h"
#include "oauth/client_metadata.h"
#include "oauth/clients.h"
#include "oauth/endpoints.h"
#include "oauth/site.h"
#include "site.h"
#include "standalone.h"

static bool is_acceptable(const struct config *c, struct arena *a, const char *uri) {
    struct url u;
    struct err e;

    if (!redirect_uri_is_acceptable(c, a, uri))
        return false;
    MUST(!url_parse(a, uri, &u, &e) && !u.fragment && !u.userinfo);
    if (!strcmp(u.scheme, "http"))
        MUST(url_is_loopback(&u));
    else
        MUST(!strcmp(u.scheme, "https") || strchr(u.scheme, '.') ||
             list_has(c->private_use_schemes, u.scheme));
    MUST(is_plain_line(uri, strlen(uri)));
    return true;
}

static void check_client(const struct config *c, struct arena *a, const struct client *client) {
    MUST(client->redirect_uri_count <= REDIRECT_URIS_MAX);
    for (unsigned i = 0; i < client->redirect_uri_count; i++) {
        MUST(is_acceptable(c, a, client->redirect_uris[i]));
        MUST(redirect_uri_is_registered(c, a, client, client->redirect_uris[i]));
    }
    MUST(!redirect_uri_is_registered(c, a, client, "https://evil.example/not-in-the-document"));
    MUST(client->name && strlen(client->name) <= CLIENT_NAME_LEN_MAX && is_utf8_text(client->name));
}

static bool same_number(const char *a, const char *b) {
    return a && *a ? b && strtol(a, NULL, 10) == strtol(b, NULL, 10) : !b;
}

/* What is asked for is what was judged: curl takes the address apart as we do. It writes IP
 * addresses in its own way. */
static void must_be_the_same_for_curl(const char *id, const struct url *u) {
    CURLU *c = curl_url();
    char *host = NULL, *port = NULL, *path = NULL, *user = NULL;
    unsigned char address[16];

    MUST(c);
    if (!curl_url_set(c, CURLUPART_URL, id, 0)) {
        MUST(!curl_url_get(c, CURLUPART_HOST, &host, 0));
        MUST(!strcasecmp(host, u->host) || *u->host == '[' ||
             inet_pton(AF_INET, host, address) == 1);
        MUST(!curl_url_get(c, CURLUPART_PATH, &path, 0) && !strcmp(path, u->path));
        (void)curl_url_get(c, CURLUPART_PORT, &port, 0);
        MUST(same_number(u->port, port));
        MUST(curl_url_get(c, CURLUPART_USER, &user, 0) == CURLUE_NO_USER);
    }
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(user);
    curl_url_cleanup(c);
}

static void try_document(struct site *site, struct arena *a, const uint8_t *data, size_t size) {
    struct client client;
    struct json *v;
    struct err e = {0};
    struct url u;
    const char *id;

    if (json_parse(a, (const char *)data, size, &v, &e))
        return;
    id = json_get_str(v, "client_id");
    if (id && !client_id_check(a, id, &u, &e)) {
        MUST(!strcmp(u.scheme, "https") && *u.path == '/' && u.path[1] && !u.userinfo);
        must_be_the_same_for_curl(id, &u);
        MUST(!strstr(u.path, "/../") && !strstr(u.path, "/./") && strlen(id) <= CLIENT_ID_LEN_MAX);
    }
    if (client_document_read(site->config, a, &(struct client_document){id ? id : "x", v}, &client,
                             &e)) {
        MUST(e.code == ERR_INVALID_CLIENT && *e.text && is_plain_line(e.text, strlen(e.text)));
        return;
    }
    MUST(!strcmp(client.id, id) && client.redirect_uri_count);
    MUST(!json_has(v, "client_secret"));
    MUST(!client.must_authenticate || client.jwks || client.jwks_uri);
    if (client.jwks_uri) { /* of its own origin */
        struct url at;

        MUST(!url_parse(a, id, &u, &e) && !url_parse(a, client.jwks_uri, &at, &e));
        MUST(!strcmp(url_origin(a, &u), url_origin(a, &at)));
    }
    check_client(site->config, a, &client);
}

/* What was registered is known by its id, and is what was registered. */
static void try_registration(struct site *site, struct arena *a, const uint8_t *data, size_t size) {
    const struct request rq = {.arena = a,
                               .content_type = "application/json",
                               .body = arena_strndup(a, (const char *)data, size),
                               .body_len = size};
    const struct json *uris;
    struct client client;
    struct reply rp;
    struct exchange x = {site, &rq, &rp};
    struct json *v;
    struct err e = {0};
    const char *id;

    reply_init(&rp, a);
    if (oauth_register(&x, &e)) {
        MUST(e.code == ERR_INVALID_CLIENT_METADATA || e.code == ERR_INVALID_REDIRECT_URI);
        MUST(*e.text);
        return;
    }
    MUST(rp.status == 201 && !json_parse(a, rp.body, rp.body_len, &v, &e));
    id = json_get_str(v, "client_id");
    uris = json_get(v, "redirect_uris");
    MUST(id && client_is_dynamic(id) && strlen(id) <= DYNAMIC_CLIENT_ID_LEN_MAX);
    MUST(!client_dynamic_open(site, a, id, &client, &e));
    MUST(client.redirect_uri_count == json_len(uris) && !client.must_authenticate);
    for (unsigned i = 0; i < client.redirect_uri_count; i++)
        MUST(!strcmp(client.redirect_uris[i], json_str(json_at(uris, i))));
    MUST(!strcmp(client.name, json_get_str(v, "client_name")));
    check_client(site->config, a, &client);
}

/* RFC 8252 §7.3: only the port of a loopback address may be another one. */
static void try_redirect(struct site *site, struct arena *a, const char *registered,
                         const char *asked) {
    struct client client = {.redirect_uris = {registered}, .redirect_uri_count = 1};
    struct url r, u;
    struct err e;

    if (!redirect_uri_is_registered(site->config, a, &client, asked))
        return;
    MUST(is_acceptable(site->config, a, asked));
    if (!strcmp(registered, asked))
        return;
    MUST(!url_parse(a, registered, &r, &e) && !url_parse(a, asked, &u, &e));
    MUST(!strcmp(u.scheme, "http") && !strcmp(r.scheme, "http") && url_is_loopback(&u));
    MUST(!strcmp(r.host, u.host) && !strcmp(r.path, u.path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct site *site = site_of(site_app());
    struct arena *a;
    const char *registered;

    if (!size || size > 20000)
        return 0;
    a = arena_new(ARENA_BYTES);
    if (*data == 'd') {
        try_document(site, a, data + 1, size - 1);
    } else if (*data == 'r') {
        try_registration(site, a, data + 1, size - 1);
    } else if (*data == 'u') {
        data++;
        size--;
        registered = take_line_of(a, &data, &size);
        try_redirect(site, a, registered, take_line_of(a, &data, &size));
    }
    arena_free(a);
    return 0;
}

#include "oauth/clients.h"

#include <dirent.h>
#include <errno.h>

#include "oauth/client_fetch.h"

#define CLIENT_FILES_MAX 1024
#define CLIENT_SET_BYTES_MAX (64 << 20)

struct client_set {
    struct arena *arena;
    struct client clients[CLIENT_FILES_MAX];
    size_t count;
};

static const struct client *find_pinned(const struct client_set *s, const char *id) {
    for (size_t i = 0; s && i < s->count; i++)
        if (!strcmp(s->clients[i].id, id))
            return &s->clients[i];
    return NULL;
}

static int is_json(const struct dirent *d) {
    return d->d_name[0] != '.' && text_ends_with(d->d_name, ".json");
}

static enum rc load_one(const struct config *c, struct client_set *s, const char *path,
                        struct err *e) {
    struct json *document;
    const char *id;

    if (json_parse_file(s->arena, path, CLIENT_DOCUMENT_BYTES_MAX, &document, e))
        return e->code;
    id = json_get_str(document, "client_id");
    if (!id || !*id || strlen(id) > CLIENT_ID_LEN_MAX)
        return invalid_client(e, "client_id is missing or too long");
    if (find_pinned(s, id))
        return invalid_client(e, "client_id stands in another file too");
    if (client_document_read(c, s->arena, &(struct client_document){id, document},
                             &s->clients[s->count], e))
        return e->code;
    s->count++;
    return OK;
}

struct client_set *client_set_load(const struct config *config, FILE *problems, unsigned *bad) {
    struct client_set *s = xcalloc(1, sizeof *s);
    struct dirent **names;
    int n = scandir(config->clients_dir, &names, is_json, alphasort);

    *bad = 0;
    s->arena = arena_new(CLIENT_SET_BYTES_MAX);
    if (n < 0 && errno != ENOENT) {
        (void)fprintf(problems, "%s: %s\n", config->clients_dir, strerror(errno));
        ++*bad;
    }
    for (int i = 0; i < n; i++) {
        const char *path = arena_printf(s->arena, "%s/%s", config->clients_dir, names[i]->d_name);
        struct err e;

        if (s->count == CLIENT_FILES_MAX)
            (void)err_set(&e, ERR_INVALID_CLIENT, "there are more than %d files", CLIENT_FILES_MAX);
        else if (!load_one(config, s, path, &e))
            e.text[0] = 0;
        if (e.text[0]) {
            err_print(problems, path, &e);
            ++*bad;
        }
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return s;
}

void client_set_free(struct client_set *s) {
    if (!s)
        return;
    arena_free(s->arena);
    free(s);
}

/* An IPv6 address can be written in many ways (RFC 5952 §2.1). */
static bool is_same_address(const char *item, const char *host) {
    struct sockaddr_storage a, b;

    return url_host_address(item, &a) && url_host_address(host, &b) && !memcmp(&a, &b, sizeof a);
}

/* example.com or *.example.com; a name that ends in a dot is the same name (RFC 1034 §3.1). */
static bool host_matches(const char *item, const char *host) {
    size_t len = strlen(host), n;

    if (is_same_address(item, host))
        return true;
    if (len && host[len - 1] == '.')
        len--;
    if (strncmp(item, "*.", 2) != 0)
        return strlen(item) == len && !strncasecmp(item, host, len);
    n = strlen(++item); /* with its dot */
    return len > n && !strncasecmp(host + len - n, item, n);
}

static bool url_matches(const char *item, const char *client_id) {
    size_t n = strlen(item);

    return !strcmp(item, client_id) || (n && item[n - 1] == '/' && !strncmp(item, client_id, n));
}

bool client_list_has(struct arena *a, const char *list, const char *client_id) {
    struct url u;
    bool is_url = !url_parse(a, client_id, &u, ERR_IGNORED) && u.host && !strcmp(u.scheme, "https");

    for (const char *w; (w = list_next(a, &list));)
        if (url_matches(w, client_id) || (is_url && host_matches(w, u.host)))
            return true;
    return false;
}

static const char *plain_path(struct arena *a, const struct url *u) {
    return url_plain(a, text_concat(a, u->path, u->query ? "?" : "", u->query ? u->query : ""));
}

/* Is it the address that is denied, or below it? Many ways to write an address lead to the same
 * document, and whoever is denied can choose; as for a host, so on every port. */
static bool is_at(struct arena *a, const struct url *denied, const struct url *u) {
    const char *item = plain_path(a, denied), *path = plain_path(a, u);

    return host_matches(denied->host, u->host) && (!item || !path || url_matches(item, path));
}

static bool is_denied(struct arena *a, const char *list, const char *client_id) {
    struct url u, denied;

    if (client_list_has(a, list, client_id))
        return true;
    if (url_parse(a, client_id, &u, ERR_IGNORED) || !u.host)
        return false;
    for (const char *w; (w = list_next(a, &list));)
        if (!url_parse(a, w, &denied, ERR_IGNORED) && denied.host && is_at(a, &denied, &u))
            return true;
    return false;
}

bool client_is_pinned(const struct site *site, const char *client_id) {
    return find_pinned(site->oauth->clients, client_id);
}

bool client_is_trusted(const struct site *site, struct arena *a, const char *client_id) {
    return client_is_pinned(site, client_id) ||
           client_list_has(a, site->config->clients_allow, client_id);
}

static enum rc check_document(const struct config *c, struct arena *a, const struct json *v,
                              const char *url, struct err *e) {
    struct client ignored;

    return client_document_read(c, a, &(struct client_document){url, v}, &ignored, e);
}

static const struct document_kind client_documents = {"the client's document", "doc",
                                                      CLIENT_DOCUMENT_BYTES_MAX, check_document};

enum rc client_admit(struct site *site, struct arena *a, const char *client_id, struct err *e) {
    const struct config *c = site->config;
    struct client ignored;

    if (is_denied(a, c->clients_deny, client_id))
        return invalid_client(e, "this client is not allowed here");
    if (client_is_pinned(site, client_id))
        return OK;
    if (client_is_dynamic(client_id))
        return client_dynamic_open(site, a, client_id, &ignored, e);
    if (*c->clients_allow && !client_list_has(a, c->clients_allow, client_id))
        return invalid_client(e, "this client is not among those allowed here");
    return OK;
}

enum rc client_find(struct site *site, struct arena *a, const char *client_id, struct client *out,
                    struct err *e) {
    const struct client *pinned = find_pinned(site->oauth->clients, client_id);
    const struct document_request rq = {.kind = &client_documents, .url = client_id};
    struct json *document;
    struct url u;

    if (client_admit(site, a, client_id, e))
        return e->code;
    if (pinned) {
        *out = *pinned;
        return OK;
    }
    if (client_is_dynamic(client_id))
        return client_dynamic_open(site, a, client_id, out, e);
    if (client_id_check(a, client_id, &u, e) || document_get(site, a, &rq, &document, e))
        return e->code;
    return client_document_read(site->config, a, &(struct client_document){client_id, document},
                                out, e);
}

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "net/http.h"
#include "oauth/oauth.h"

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

bool client_is_pinned(const struct context *cx, const char *client_id) {
    return find_pinned(cx->clients, client_id) != NULL;
}

static bool is_json_type(const char *type) {
    size_t n = strcspn(type, "; \t");

    return (n == 16 && !strncasecmp(type, "application/json", n)) ||
           (n > 17 && !strncasecmp(type, "application/", 12) &&
            !strncasecmp(type + n - 5, "+json", 5));
}

/* §3 of the draft: only 200 counts, and no redirect is followed. The answer to a request that did
 * not arrive is "try again"; to a wrong document it is final. */
static enum rc fetch_document(struct context *cx, struct arena *a, const char *url,
                              struct json **out, struct err *e) {
    static const char *const headers[] = {"Accept: application/json", NULL};
    const struct http_request rq = {.method = "GET",
                                    .url = url,
                                    .headers = headers,
                                    .max_reply_bytes = CLIENT_DOCUMENT_BYTES_MAX,
                                    .timeout_ms = CLIENT_DOCUMENT_TIMEOUT_MS};
    struct http_reply rp;

    switch (http_fetch(cx->guarded, a, &rq, &rp, e)) {
    case OK:
        break;
    case ERR_ACCESS_DENIED:
        return err_set(e, ERR_INVALID_CLIENT,
                       "the client's document is not on a public address, and may not be fetched");
    case ERR_TOO_LARGE:
        return err_set(e, ERR_INVALID_CLIENT, "the client's document is longer than %d bytes",
                       CLIENT_DOCUMENT_BYTES_MAX);
    default:
        (void)snprintf(e->text, sizeof e->text,
                       "the server of the client's document did not answer");
        return e->code;
    }
    if (rp.status != 200)
        return err_set(e, ERR_INVALID_CLIENT,
                       "the server of the client's document answered with status %ld", rp.status);
    if (!is_json_type(rp.content_type))
        return err_set(e, ERR_INVALID_CLIENT,
                       "the client's document is not of type "
                       "application/json");
    if (json_parse(a, rp.body, rp.body_len, out, e))
        return err_set(e, ERR_INVALID_CLIENT, "the client's document is not valid JSON");
    return OK;
}

enum rc client_find(struct context *cx, struct arena *a, const char *client_id, struct client *out,
                    struct err *e) {
    const struct client *pinned = find_pinned(cx->clients, client_id);
    struct json *document;
    struct url u;

    if (pinned) {
        *out = *pinned;
        return OK;
    }
    if (client_id_check(a, client_id, &u, e) || fetch_document(cx, a, client_id, &document, e))
        return e->code;
    return client_document_read(a, document, client_id, out, e);
}

static int is_manifest(const struct dirent *d) {
    size_t n = strlen(d->d_name);

    return d->d_name[0] != '.' && n > 5 && !strcmp(d->d_name + n - 5, ".json");
}

static enum rc load_one(struct client_set *s, const char *path, struct err *e) {
    struct json *document;
    const char *id;

    if (json_parse_file(s->arena, path, CLIENT_DOCUMENT_BYTES_MAX, &document, e))
        return e->code;
    id = json_get_str(document, "client_id");
    if (!id || !*id || strlen(id) > CLIENT_ID_LEN_MAX)
        return err_set(e, ERR_INVALID_CLIENT, "client_id is missing or too long");
    if (find_pinned(s, id))
        return err_set(e, ERR_INVALID_CLIENT, "client_id stands in another file too");
    if (client_document_read(s->arena, document, id, &s->clients[s->count], e))
        return e->code;
    s->count++;
    return OK;
}

struct client_set *client_set_load(const struct config *config, FILE *problems, unsigned *bad) {
    struct client_set *s = xcalloc(1, sizeof *s);
    struct dirent **names;
    int n = scandir(config->clients_dir, &names, is_manifest, alphasort);

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
        else if (!load_one(s, path, &e))
            e.text[0] = 0;
        if (e.text[0]) {
            (void)fprintf(problems, "%s: %s\n", path, e.text);
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

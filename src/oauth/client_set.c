#include "oauth/client_set.h"

#include <dirent.h>
#include <errno.h>

#include "base/base.h"
#include "base/json.h"
#include "base/text.h"
#include "oauth/client_document.h"
#include "oauth/codes.h"

#define CLIENT_FILES_MAX 1024
#define CLIENT_SET_BYTES_MAX (64 << 20)

struct client_set {
    struct arena *arena;
    struct client clients[CLIENT_FILES_MAX];
    size_t count;
};

const struct client *client_set_find(const struct client_set *s, const char *id) {
    for (size_t i = 0; s && i < s->count; i++)
        if (!strcmp(s->clients[i].id, id))
            return &s->clients[i];
    return NULL;
}

static int is_manifest(const struct dirent *d) {
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
        return err_set(e, ERR_INVALID_CLIENT, "client_id is missing or too long");
    if (client_set_find(s, id))
        return err_set(e, ERR_INVALID_CLIENT, "client_id stands in another file too");
    if (client_document_read(c, s->arena, &(struct client_document){id, document},
                             &s->clients[s->count], e))
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

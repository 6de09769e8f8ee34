#include "exec/program_instance.h"

#include <sys/stat.h>

#include "crypto/digest.h"
#include "mcp/call.h"

#define KEY_TEXT_MAX ((size_t)1 << 20) /* more than a program's texts and paths in all */

_Static_assert(INSTANCE_ID_LEN == SHA256_LEN, "keys are digests");
_Static_assert(INSTANCE_NAME_MAX > MANIFEST_NAME_MAX + sizeof "resource ", "a name fits");

/* With its NUL, so that no two lists give the same text. */
static void add(struct buf *b, const char *s) {
    buf_add(b, s, strlen(s) + 1);
}

static void add_list(struct buf *b, const char *const *list) {
    for (; list && *list; list++)
        add(b, *list);
    add(b, "");
}

/* A file that is replaced or changed is another one. */
static void add_file(struct buf *b, const char *path) {
    struct stat st;

    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return;
    buf_add(b, &st.st_dev, sizeof st.st_dev);
    buf_add(b, &st.st_ino, sizeof st.st_ino);
    buf_add(b, &st.st_size, sizeof st.st_size);
    buf_add(b, &st.st_mtim, sizeof st.st_mtim);
}

/* The program, and arguments that are files, such as an interpreter's script. */
static void add_command(struct buf *b, struct arena *a, const struct program *p) {
    for (const char **word = p->argv; *word; word++) {
        add(b, *word);
        add_file(b, **word == '/' ? *word : arena_printf(a, "%s/%s", p->dir, *word));
    }
    add(b, "");
}

/* Everything that it is started with, except what is different for each call. */
static void make_revision(struct arena *a, const struct program *p, uint8_t out[SHA256_LEN]) {
    struct buf b;

    buf_init(&b, a, KEY_TEXT_MAX);
    add(&b, p->dir);
    add_command(&b, a, p);
    add_list(&b, p->env);
    add_list(&b, p->read);
    add_list(&b, p->write);
    for (size_t i = 0; i < p->secret_count; i++) {
        add(&b, p->secrets[i].name);
        add(&b, p->secrets[i].path);
        add_file(&b, p->secrets[i].path);
    }
    buf_add(&b, &p->limits, sizeof p->limits);
    buf_addc(&b, p->home ? '1' : '0');
    sha256(b.p, b.len, out);
}

/* Sites that share a directory of manifests share no instance. `user`: whose it is, or NULL. */
static void make_id(struct mcp_call *c, const struct invocation *i, const char *user,
                    uint8_t out[SHA256_LEN]) {
    const struct program *p = i->source->spec;
    struct buf b;

    buf_init(&b, c->arena, KEY_TEXT_MAX);
    add(&b, c->x->site->config->state_dir);
    add(&b, p->dir);
    add(&b, i->kind);
    add(&b, i->name);
    if (user)
        add(&b, user);
    sha256(b.p, b.len, out);
}

void program_instance_key(struct mcp_call *c, const struct invocation *i,
                          struct instance_key *out) {
    const struct program *p = i->source->spec;

    *out = (struct instance_key){.idle_s = (uint32_t)p->idle_s};
    (void)snprintf(out->name, sizeof out->name, "%s %s", i->kind, i->name);
    make_id(c, i, NULL, out->group);
    memcpy(out->id, out->group, sizeof out->id);
    if (p->lifetime == PERSISTENT_PER_USER)
        make_id(c, i, c->client.claims->sub, out->id);
    make_revision(c->arena, p, out->revision);
}

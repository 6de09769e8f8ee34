#include "config/sites.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/text.h"
#include "config/loading.h"

/* ---- one site's configuration as one block of memory: there may be thousands ---- */

/* The members that are strings but no keys. */
static const size_t derived[] = {
    offsetof(struct config, site),
    offsetof(struct config, idp.logout_url),
    offsetof(struct config, mcp_path),
    offsetof(struct config, mcp_origin),
    offsetof(struct config, auth_path),
    offsetof(struct config, callback_uri),
    offsetof(struct config, prm_uri),
    offsetof(struct config, host_state_dir),
    offsetof(struct config, server.label),
    offsetof(struct config, server.icon[0]),
    offsetof(struct config, server.icon[1]),
    offsetof(struct config, server.icon_sources),
    offsetof(struct config, server.info),
    offsetof(struct config, server.info_with_icons),
    offsetof(struct config, server.instructions),
};
#define DERIVED_COUNT (sizeof derived / sizeof *derived)

/* The i-th string of a configuration; NULL: that key is no string. */
static const char **string_of(struct config *c, size_t i) {
    if (i < DERIVED_COUNT)
        return (const char **)(void *)((char *)c + derived[i]);
    i -= DERIVED_COUNT;
    return config_keys[i].kind == CONFIG_TEXT || config_keys[i].kind == CONFIG_LIST
               ? (const char **)(void *)((char *)c + config_keys[i].offset)
               : NULL;
}

static struct config *pack(struct config *c) {
    const size_t count = DERIVED_COUNT + config_key_count;
    size_t size = sizeof *c;
    struct config *out;
    char *p;

    for (size_t i = 0; i < count; i++)
        if (string_of(c, i) && *string_of(c, i))
            size += strlen(*string_of(c, i)) + 1;
    out = xmalloc(size);
    memcpy(out, c, sizeof *c);
    out->arena = NULL;
    out->references = 1;
    p = (char *)(out + 1);
    for (size_t i = 0; i < count; i++) {
        const char **s = string_of(out, i);

        if (s && *s) {
            const size_t len = strlen(*s) + 1;

            *s = memcpy(p, *s, len);
            p += len;
        }
    }
    return out;
}

/* ---- the files ---- */

struct reading {
    struct loading host;
    struct config_sites *sites;
    const struct config_sites *previous;
    const struct config_candidate *candidate; /* NULL: none */
    bool same_host;                           /* nothing that sites inherit has changed */
    FILE *errors;
};

bool config_is_site_name(const char *name) {
    const size_t len = strlen(name);

    if (!len || len > SITE_NAME_MAX || *name == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
            return false;
    return true;
}

static const char *site_name(const void *sites, size_t i) {
    return ((const struct config_site *)sites)[i].config->site;
}

const struct config_site *config_sites_find(const struct config_sites *s, const char *name) {
    const size_t i = s ? text_find_place(s->all, s->count, site_name, name) : 0;

    return s && i < s->count && !strcmp(site_name(s->all, i), name) ? &s->all[i] : NULL;
}

/* The same site for another set; each has its own reference to the configuration. */
static struct config_site share(const struct config_site *site) {
    struct config_site shared = *site;

    shared.config->references++;
    shared.is_new = false;
    return shared;
}

/* The site in the previous set; NULL: it was not there. mcp-authd.conf's own is no file of
 * SITES_DIR, so it is never meant. */
static const struct config_site *previous_of(const struct config_sites *previous,
                                             const char *name) {
    return *name ? config_sites_find(previous, name) : NULL;
}

/* All zero: there is no such file. Not file_version_of: a file that was just written is not read
 * again for that alone. */
static struct file_version stamp_of(const char *path) {
    struct stat st;

    if (!*path || stat(path, &st))
        return (struct file_version){0};
    return (struct file_version){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

/* Of the file that a key names, before it is read. */
static struct file_version stamp_given(const struct loading *l, const char *key) {
    const char *given = config_given(l, key);

    return stamp_of(given ? given : config_keys[config_key_index(key)].initial);
}

/* Of the sealing key, which the site may have made since: that is no change. */
static struct file_version key_stamp(const struct config_site *site, const struct config *c) {
    return site->files[SITE_FILE_KEY].inode ? site->files[SITE_FILE_KEY]
                                            : stamp_of(c->secret_key_file);
}

static bool is_unchanged(const struct config_site *before, const char *path) {
    const bool had_key = before->files[SITE_FILE_KEY].inode;
    const char *paths[SITE_FILES] = {
        [SITE_FILE_OWN] = path,
        [SITE_FILE_DENY] = before->config->deny_file,
        [SITE_FILE_ACCESS] = before->config->access_file,
        [SITE_FILE_KEY] = had_key ? before->config->secret_key_file : "",
        [SITE_FILE_INSTRUCTIONS] = before->config->server.instructions_file};

    for (size_t i = 0; i < SITE_FILES; i++) {
        const struct file_version now = stamp_of(paths[i]), *was = &before->files[i];

        if ((was->inode || now.inode) && !file_version_equal(was, &now))
            return false;
    }
    return true;
}

static void add(struct config_sites *s, struct config_site site) {
    s->all[s->count++] = site;
}

static void note_lines(struct loading *l) {
    l->c->resource_line = l->given[config_key_index("MCP_SERVER_URI")].line;
    l->c->issuer_line = l->given[config_key_index("AUTH_PROXY_URI")].line;
    l->c->key_file_line = l->given[config_key_index("SECRET_KEY_FILE")].line;
}

static bool is_candidate(const struct reading *r, const char *name) {
    return r->candidate && !strcmp(r->candidate->name, name);
}

/* A file that cannot be read is reported by config_read. */
static void read_site(struct reading *r, const char *path, const char *name) {
    const struct config_site *before = previous_of(r->previous, name);
    const struct config_candidate *candidate = is_candidate(r, name) ? r->candidate : NULL;
    struct config_site site = {.files[SITE_FILE_OWN] = stamp_of(path),
                               .is_new = candidate || !r->candidate};
    struct loading l;

    if (before && r->same_host && is_unchanged(before, path)) {
        site = share(before);
        site.files[SITE_FILE_KEY] = key_stamp(before, before->config);
        add(r->sites, site);
        return;
    }
    loading_begin(&l, path, r->errors);
    l.host = &r->host;
    l.file = candidate ? candidate->file : NULL;
    l.c->site = name;
    if (config_read(&l)) {
        site.files[SITE_FILE_DENY] = stamp_given(&l, "DENY_FILE");
        site.files[SITE_FILE_ACCESS] = stamp_given(&l, "ACCESS_FILE");
        site.files[SITE_FILE_INSTRUCTIONS] = stamp_given(&l, "SERVER_INSTRUCTIONS_FILE");
        loading_finish(&l);
    }
    if (!l.bad) {
        site.files[SITE_FILE_KEY] = key_stamp(&site, l.c);
        note_lines(&l);
        site.config = pack(l.c);
        add(r->sites, site);
    } else {
        r->sites->refused++;
        if (before)
            add(r->sites, share(before));
    }
    arena_free(l.c->arena);
}

static bool is_off(const struct dirent *entry) {
    return text_ends_with(entry->d_name, SITE_OFF_END);
}

int config_is_site_file(const struct dirent *entry) {
    return *entry->d_name != '.' && (text_ends_with(entry->d_name, SITE_FILE_END) || is_off(entry));
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    const char *const names[] = {(*a)->d_name, (*b)->d_name};
    const size_t lens[] = {strlen(names[0]) - strlen(SITE_FILE_END),
                           strlen(names[1]) - strlen(SITE_FILE_END)};
    const int order = memcmp(names[0], names[1], lens[0] < lens[1] ? lens[0] : lens[1]);

    return order ? order : lens[0] < lens[1] ? -1 : lens[0] > lens[1];
}

static void read_entry(struct reading *r, const char *dir, const char *file) {
    char path[PATH_MAX], name[NAME_MAX + 1];

    (void)snprintf(name, sizeof name, "%.*s", (int)(strlen(file) - strlen(SITE_FILE_END)), file);
    if (is_candidate(r, name))
        return;
    if (snprintf(path, sizeof path, "%s/%s", dir, file) < (int)sizeof path &&
        config_is_site_name(name)) {
        read_site(r, path, name);
        return;
    }
    text_mask_controls(name);
    (void)fprintf(r->errors,
                  "%s/%s" SITE_FILE_END
                  ": a site's name has at most %d letters, digits, \"_\", \"-\" "
                  "and \".\"\n",
                  dir, name, SITE_NAME_MAX);
    r->sites->refused++;
}

static int by_site(const void *a, const void *b) {
    const struct config_site *const both[] = {a, b};

    return strcmp(both[0]->config->site, both[1]->config->site);
}

static void read_candidate(struct reading *r) {
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s" SITE_FILE_END, r->host.c->sites_dir,
                 r->candidate->name) >= (int)sizeof path)
        return;
    read_site(r, path, r->candidate->name);
    qsort(r->sites->all, r->sites->count, sizeof *r->sites->all, by_site);
}

static void read_entries(struct reading *r, struct dirent **entries, int count) {
    const char *dir = r->host.c->sites_dir;
    int off = 0;

    for (int i = 0; i < count; i++)
        off += is_off(entries[i]);
    if (count - off > SITES_MAX)
        config_fault(&r->host, 0, "there are %d files in %s, and a daemon has at most %d sites",
                     count - off, dir, SITES_MAX);
    r->sites->all = xcalloc((size_t)count + 2, sizeof *r->sites->all);
    if (r->host.bad)
        return;
    if (!r->host.no_site)
        add(r->sites, (struct config_site){.config = r->host.c, .is_new = !r->candidate});
    for (int i = 0; i < count; i++)
        if (!is_off(entries[i]))
            read_entry(r, dir, entries[i]->d_name);
    if (r->candidate)
        read_candidate(r);
}

void config_derive_sites_dir(struct loading *l) {
    const char *given = config_given(l, "SITES_DIR"),
               *slash = l->path ? strrchr(l->path, '/') : NULL;

    l->c->sites_dir =
        given && *given ? given
        : slash         ? arena_printf(l->c->arena, "%.*s/sites.d", (int)(slash - l->path), l->path)
        : l->path       ? "sites.d"
                        : "";
}

/* Is what sites inherit the same? */
static bool same_values(struct config *a, struct config *b) {
    bool same = true;

    for (size_t i = 0; same && i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const char **text = string_of(a, DERIVED_COUNT + i);

        same = text ? !strcmp(*text, *string_of(b, DERIVED_COUNT + i))
                    : !memcmp((char *)a + key->offset, (char *)b + key->offset,
                              key->kind == CONFIG_BOOL ? sizeof(bool) : sizeof(unsigned));
    }
    return same;
}

static void read_all(struct reading *r) {
    struct loading *l = &r->host;
    struct dirent **entries = NULL;
    const char *server, *dir;
    int count = 0, why = 0;

    if (!config_read(l))
        return;
    config_derive_sites_dir(l);
    dir = l->c->sites_dir;
    if (*dir)
        count = scandir(dir, &entries, config_is_site_file, by_name);
    why = errno;
    server = config_given(l, "MCP_SERVER_URI");
    r->sites->named = count > 0 || r->candidate || (r->previous && r->previous->named);
    l->no_site = r->sites->named && (!server || !*server);
    loading_finish(l);
    if (count < 0 && (why != ENOENT || config_given(l, "SITES_DIR")))
        config_refuse(l, "SITES_DIR", "%s cannot be read: %s", dir, strerror(why));
    r->same_host = !l->bad && r->previous && same_values(l->c, r->previous->host);
    read_entries(r, entries, count > 0 ? count : 0);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

struct config_sites *config_sites_load(const char *path, const struct config_sites *previous,
                                       const struct config_candidate *candidate, FILE *errors) {
    struct reading r = {.sites = xcalloc(1, sizeof *r.sites),
                        .previous = previous,
                        .candidate = candidate,
                        .errors = errors};

    loading_begin(&r.host, path, errors);
    r.sites->host = r.host.c;
    r.sites->path = path;
    read_all(&r);
    note_lines(&r.host);
    if (!r.host.bad && (r.sites->count || !r.sites->refused))
        return r.sites;
    if (!r.host.bad)
        (void)fprintf(errors, "%s: no site is left\n", r.host.c->sites_dir);
    config_sites_free(r.sites);
    return NULL;
}

void config_sites_revert(struct config_sites *s, size_t i, const struct config_sites *previous) {
    const struct config_site *before = previous_of(previous, s->all[i].config->site);
    struct config *wrong = s->all[i].config;

    s->refused++;
    if (before && before->config != wrong) {
        s->all[i] = share(before);
    } else {
        s->count--;
        memmove(&s->all[i], &s->all[i + 1], (s->count - i) * sizeof *s->all);
    }
    if (wrong != s->host)
        config_free(wrong);
}

void config_sites_free(struct config_sites *s) {
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i].config != s->host)
            config_free(s->all[i].config);
    config_free(s->host);
    free(s->all);
    free(s);
}

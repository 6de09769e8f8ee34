#include "app/site_set.h"

#include <ctype.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "app/routes.h"
#include "base/text.h"

#define ROUTES_ARENA_MAX (1 << 20)
#define KINDS_PER_ROUTE 3 /* of entries: the address, its path at any host, its host */
#define NO_SITE UINT32_MAX

/* ---- the hash table: entries are told apart by 64 bits of hash. What a stranger sends is checked
 * again by the site's own routes; what an admin configures is refused if two are equal. ---- */

enum entry_kind {
    ENTRY_NONE,
    ENTRY_ADDRESS, /* host and path: the site's own */
    ENTRY_ROOT,    /* the same, but any site of this host could have it */
    ENTRY_HOST,    /* some site has this host */
    ENTRY_PATH,    /* some site has this path */
    /* While the table is made: */
    ENTRY_KEY_FILE, /* a sealing key */
    ENTRY_CLIENT    /* an app client */
};

struct site_entry {
    uint64_t hash;
    uint32_t site; /* NO_SITE: of several, so of none */
    enum entry_kind kind;
};

/* Host names have no case, may end in a dot, and leave out the port of their scheme (RFC 3986
 * §6.2.2.1, §6.2.3; TLS may end before the web server, so both count). */
static uint64_t hash_host(const char *host, size_t len) {
    uint64_t hash = FNV_BASIS;

    if (len > 4 && !memcmp(host + len - 4, ":443", 4))
        len -= 4;
    else if (len > 3 && !memcmp(host + len - 3, ":80", 3))
        len -= 3;
    if (len && host[len - 1] == '.')
        len--;
    for (size_t i = 0; i < len; i++)
        hash = fnv_add(hash, &(uint8_t){(uint8_t)tolower((unsigned char)host[i])}, 1);
    return hash;
}

static uint64_t hash_path(uint64_t hash, const char *path) {
    size_t len = strlen(path);

    if (len > 1 && path[len - 1] == '/') /* the routes say whether that is the same */
        len--;
    return fnv_add(fnv_add(hash, "", 1), path, len);
}

/* The entry, or the free place for it. */
static struct site_entry *entry_of(const struct site_set *s, uint64_t hash, enum entry_kind kind) {
    size_t i = fnv_fold(hash) & (s->size - 1);

    while (s->entries[i].kind &&
           (s->entries[i].hash != hash ||
            (s->entries[i].kind != kind && (s->entries[i].kind > ENTRY_ROOT || kind > ENTRY_ROOT))))
        i = (i + 1) & (s->size - 1);
    return &s->entries[i];
}

/* ---- making it ---- */

static void add_known(struct site_set *s, uint64_t hash, enum entry_kind kind) {
    struct site_entry *entry = entry_of(s, hash, kind);

    *entry = (struct site_entry){hash, NO_SITE, kind};
}

/* A root address that two sites could have is neither's. */
static void add_root(struct site_set *s, uint64_t hash, uint32_t site) {
    struct site_entry *entry = entry_of(s, hash, ENTRY_ROOT);

    if (!entry->kind)
        *entry = (struct site_entry){hash, site, ENTRY_ROOT};
    else if (entry->kind == ENTRY_ROOT && entry->site != site)
        entry->site = NO_SITE;
}

/* While the table is made. */
struct making {
    struct site_set *s;
    bool *wrong;  /* by the place: it is in conflict with another one, and is to go */
    size_t count; /* of these */
    FILE *problems;
};

/* What two sites both have. */
struct conflict {
    const char *key; /* of the configuration, that one of them needs another value of */
    const char *uri; /* its origin and the path are the address; "": the path is a file's */
    const char *path;
};

static size_t host_length(const char *origin) {
    return strcspn(origin, "/");
}

static const char *host_of(const char *uri) {
    return strstr(uri, "://") + 3;
}

static unsigned line_of(const struct config *c, const char *key) {
    if (!strcmp(key, "SECRET_KEY_FILE"))
        return c->key_file_line;
    return !strcmp(key, "AUTH_PROXY_URI") && c->issuer_line ? c->issuer_line : c->resource_line;
}

static void print_place(const struct config_sites *s, const struct config *c, const char *key,
                        FILE *out) {
    if (*c->site)
        (void)fprintf(out, "%s/%s.conf:%u: ", s->host->sites_dir, c->site, line_of(c, key));
    else
        (void)fprintf(out, "%s:%u: ", s->path ? s->path : "environment", line_of(c, key));
}

/* The wrong one is that which is new; of two new ones the second, which is never mcp-authd.conf.
 * Returns it. */
static uint32_t refuse(struct making *m, const struct conflict *found, uint32_t first,
                       uint32_t second) {
    const struct config_site *all = m->s->config->all;
    const bool is_first = !all[second].is_new && all[first].is_new && *all[first].config->site;
    const uint32_t wrong = is_first ? first : second, other = is_first ? second : first;
    const char *site = all[wrong].config->site, *name = all[other].config->site;
    FILE *problems = m->problems;
    const int origin =
        *found->uri ? (int)(host_of(found->uri) + host_length(host_of(found->uri)) - found->uri)
                    : 0;

    print_place(m->s->config, all[wrong].config, found->key, problems);
    if (!strcmp(found->key, "MCP_SERVER_URI"))
        (void)fputs(found->uri, problems);
    else
        (void)fprintf(problems, "%.*s%s", origin, found->uri, found->path);
    (void)fprintf(problems,
                  " is %s%s: ", *name ? "already of the site " : "already that of mcp-authd.conf",
                  name);
    if (!strcmp(found->key, "AUTH_PROXY_URI"))
        (void)fprintf(problems, "give this site an issuer of its own, such as %s=%.*s/%s\n",
                      found->key, origin, found->uri, site);
    else
        (void)fprintf(problems, "give this site its own %s\n", found->key);
    m->wrong[wrong] = true;
    m->count++;
    return wrong;
}

/* Takes an entry for the i-th site; one that is to go leaves its own. false: the i-th is to go. */
static bool add_own(struct making *m, struct site_entry wanted, const struct conflict *if_taken) {
    struct site_entry *entry = entry_of(m->s, wanted.hash, wanted.kind);

    if (entry->kind && entry->site != wanted.site && !m->wrong[entry->site] &&
        refuse(m, if_taken, entry->site, wanted.site) == wanted.site)
        return false;
    *entry = wanted;
    return true;
}

/* false: the i-th is to go. */
static bool add_route(struct making *m, const struct route *r, uint32_t i) {
    const struct config *c = m->s->config->all[i].config;
    const struct {
        unsigned bit;
        const char *uri, *key;
    } hosts[] = {{ROUTE_AT_ISSUER, c->auth_proxy_uri, "AUTH_PROXY_URI"},
                 {ROUTE_AT_RESOURCE, c->mcp_server_uri, "MCP_SERVER_URI"}};

    for (size_t n = 0; n < sizeof hosts / sizeof *hosts; n++) {
        const char *host = host_of(hosts[n].uri);
        const uint64_t host_hash = hash_host(host, host_length(host));

        if (!(r->hosts & hosts[n].bit))
            continue;
        add_known(m->s, host_hash, ENTRY_HOST);
        add_known(m->s, hash_path(FNV_BASIS, r->path), ENTRY_PATH);
        if (r->hosts == ROUTE_AT_BOTH)
            add_root(m->s, hash_path(host_hash, r->path), i);
        else if (!add_own(m, (struct site_entry){hash_path(host_hash, r->path), i, ENTRY_ADDRESS},
                          &(struct conflict){hosts[n].key, hosts[n].uri, r->path}))
            return false;
    }
    return true;
}

/* Those that are at these hosts. */
static void add_routes(struct making *m, unsigned hosts) {
    struct arena *a = arena_new(ROUTES_ARENA_MAX);

    for (uint32_t i = 0; i < m->s->config->count; i++) {
        bool good = !m->wrong[i];
        struct routes routes;

        if (good)
            routes_init(&routes, a, m->s->config->all[i].config);
        for (unsigned n = 0; good && n < routes.count; n++)
            if (routes.all[n].hosts == hosts)
                good = add_route(m, &routes.all[n], i);
        arena_reset(a);
    }
    arena_free(a);
}

/* A file may have several names. One that is not there yet is made by its site. */
static uint64_t hash_key_file(const char *path) {
    uint64_t id[2];
    struct stat st;

    if (stat(path, &st))
        return fnv_add(FNV_BASIS, path, strlen(path));
    id[0] = st.st_dev;
    id[1] = st.st_ino;
    return fnv_add(FNV_BASIS, id, sizeof id);
}

/* Sites with one key would open each other's sealed values. */
static void add_key_files(struct making *m) {
    for (uint32_t i = 0; i < m->s->config->count; i++) {
        const char *path = m->s->config->all[i].config->secret_key_file;

        if (!m->wrong[i])
            (void)add_own(m, (struct site_entry){hash_key_file(path), i, ENTRY_KEY_FILE},
                          &(struct conflict){"SECRET_KEY_FILE", "", path});
    }
}

static void add_client(struct site_set *s, uint32_t i, const char *client_id, size_t len) {
    struct config_site *all = s->config->all;
    const char *issuer = all[i].config->idp.issuer;
    const uint64_t hash = fnv_add(fnv_add(FNV_BASIS, issuer, strlen(issuer) + 1), client_id, len);
    struct site_entry *entry = entry_of(s, hash, ENTRY_CLIENT);

    if (!entry->kind)
        *entry = (struct site_entry){hash, i, ENTRY_CLIENT};
    else if (entry->site != i)
        all[i].shares_client = all[entry->site].shares_client = true;
}

/* Finds sites that take tokens of one app client. */
static void add_clients(struct site_set *s) {
    for (uint32_t i = 0; i < s->config->count; i++) {
        struct config_site *site = &s->config->all[i];
        const struct config_idp *idp = &site->config->idp;
        const char *lists[] = {idp->client_ids, idp->machine_client_ids}, *id;
        size_t len;

        site->has_others = true;
        site->number =
            1 | (uint32_t)fnv_add(FNV_BASIS, site->config->site, strlen(site->config->site));
        add_client(s, i, idp->client_id, strlen(idp->client_id));
        for (size_t n = 0; n < sizeof lists / sizeof *lists; n++)
            while ((id = config_app_client_next(&lists[n], &len)))
                add_client(s, i, id, len);
    }
}

/* How many entries there can be; and no site shares an app client yet. */
static size_t count_entries(struct site_set *s) {
    size_t count = 0, len;

    for (uint32_t i = 0; i < s->config->count; i++) {
        const struct config_idp *idp = &s->config->all[i].config->idp;
        const char *lists[] = {idp->client_ids, idp->machine_client_ids};

        s->config->all[i].shares_client = false;
        count += KINDS_PER_ROUTE * ROUTES_MAX + 2; /* its key file and its own app client */
        for (size_t n = 0; n < sizeof lists / sizeof *lists; n++)
            while (config_app_client_next(&lists[n], &len))
                count++;
    }
    return count;
}

/* An empty table, in place of the one that there is, with more than room for so many entries. */
static void begin_table(struct site_set *s, size_t count) {
    s->size = 64;
    while (s->size < 2 * count)
        s->size *= 2;
    free(s->entries);
    s->entries = xcalloc(s->size, sizeof *s->entries);
}

/* What is wrong is marked, and does not keep others from what it has. */
static void fill(struct making *m) {
    struct site_set *s = m->s;

    begin_table(s, count_entries(s));
    add_clients(s);
    add_routes(m, ROUTE_AT_RESOURCE);
    add_routes(m, ROUTE_AT_ISSUER);
    add_routes(m, ROUTE_AT_BOTH);
    add_key_files(m);
}

/* A table of just the size for what it has. */
static void shrink(struct site_set *s) {
    struct site_set small = {0};
    size_t count = 0;

    for (size_t i = 0; i < s->size; i++)
        count += s->entries[i].kind && s->entries[i].kind < ENTRY_KEY_FILE;
    begin_table(&small, count);
    for (size_t i = 0; i < s->size; i++)
        if (s->entries[i].kind && s->entries[i].kind < ENTRY_KEY_FILE)
            *entry_of(&small, s->entries[i].hash, s->entries[i].kind) = s->entries[i];
    free(s->entries);
    s->entries = small.entries;
    s->size = small.size;
}

/* Makes the table: again without those that were found wrong, or with what they were in `previous`,
 * till none is. false: no site is left, and some are wrong. */
static bool make_table(struct site_set *s, const struct site_set *previous, FILE *problems) {
    struct making m = {.s = s, .problems = problems};
    bool good = !s->config->named;

    while (!good) {
        const size_t count = s->config->count;

        m.wrong = xcalloc(count, sizeof *m.wrong);
        m.count = 0;
        fill(&m);
        for (size_t i = count; i-- > 0;)
            if (m.wrong[i])
                config_sites_revert(s->config, i, previous ? previous->config : NULL);
        free(m.wrong);
        good = !m.count;
    }
    if (s->entries)
        shrink(s);
    return s->config->count || !s->config->refused;
}

struct site_set *site_set_load(const char *path, const struct site_set *previous,
                               const struct config_candidate *candidate, FILE *problems) {
    struct site_set *s = xcalloc(1, sizeof *s);

    s->config = config_sites_load(path, previous ? previous->config : NULL, candidate, problems);
    if (s->config && make_table(s, previous, problems)) {
        s->mapped = s->config->count + 1; /* there may be no site */
        s->opened = memory_shared(s->mapped);
        if (!s->opened)
            out_of_memory("sites", s->mapped);
        return s;
    }
    site_set_free(s);
    return NULL;
}

void site_set_free(struct site_set *s) {
    if (!s)
        return;
    if (s->mapped)
        (void)munmap((void *)s->opened, s->mapped);
    config_sites_free(s->config);
    free(s->entries);
    free(s);
}

bool site_set_revert(struct site_set *s, size_t i, const struct site_set *previous,
                     FILE *problems) {
    config_sites_revert(s->config, i, previous ? previous->config : NULL);
    return make_table(s, previous, problems);
}

/* ---- finding ---- */

/* RFC 9112 §3.2: each request of HTTP/1.1 has Host; for others the web server's own name counts. */
static uint64_t host_of_request(const struct request *rq) {
    const char *host = request_header(rq, "host");

    if (!host || !*host)
        host = request_param(rq, "SERVER_NAME");
    return host ? hash_host(host, strlen(host)) : FNV_BASIS;
}

enum rc site_set_find(const struct site_set *s, const struct request *rq, size_t *out,
                      struct err *e) {
    const struct site_entry *found;
    uint64_t host;

    *out = 0;
    if (!s->entries)
        return OK;
    host = host_of_request(rq);
    found = entry_of(s, hash_path(host, rq->path), ENTRY_ADDRESS);
    if (found->kind && found->site != NO_SITE) {
        *out = found->site;
        return OK;
    }
    if (!found->kind && entry_of(s, host, ENTRY_HOST)->kind &&
        entry_of(s, hash_path(FNV_BASIS, rq->path), ENTRY_PATH)->kind)
        return err_set(e, ERR_MISDIRECTED, "this name has nothing at this path; another one has");
    return err_set(e, ERR_NOT_FOUND, "there is nothing at this address");
}

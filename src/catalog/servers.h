/* MCP servers that mcp-authd starts: the manifests of SERVERS_DIR. What a server offers is in its
 * lists, a file of STATE_DIR/servers that is written after the server has been asked
 * (exec/server_lists.c): so it is known before the server runs, and while it cannot run. */
#pragma once

#include "catalog/tools.h"

#define SERVERS_MAX 64
#define SERVER_ENTRIES_MAX 1000 /* of each list of one server */
#define SERVER_START_S_DEFAULT 30
#define SERVER_START_S_MAX 120
#define SERVER_LISTS_BYTES_MAX ((size_t)8 << 20)
#define SERVER_NAMES_MAX 256 /* in "allow", and in "deny" */

#define SERVER_HEADERS_MAX 32
#define SERVER_HEADER_BYTES_MAX 2048
#define SERVER_AUDIENCE_MAX 256
/* Values of "revision". */
#define SERVER_REVISION_HANDSHAKE "2025-11-25"
#define SERVER_REVISION_STATELESS "2026-07-28"

#define SERVER_INSTANCES_DEFAULT 64
#define SERVER_INSTANCES_MAX 1000
#define SERVER_CALL_IDLE_S 1 /* of an instance that is for one call */

struct server {
    struct entry entry; /* first; its access is that of all that it has */
    const char *name;   /* of the manifest, without .json */
    const char *prefix; /* of the names that clients see */
    /* Of all that it offers together; NULL: none. */
    const struct quota *quota;
    /* Names of tools and prompts, URIs and URI templates; NULL ends each; allow NULL: all. */
    const char **allow, **deny;
    struct program program; /* what is started */
    /* program.lifetime says for whom an instance is: all, a user, or one call (RUNS_ONCE). */
    int64_t instances_max; /* of those of users and calls */
    bool is_address;       /* and no program */
    const char *revision;  /* of MCP, that is asked for; NULL: any */
    const char *audience;  /* of the JWT that says who calls; NULL: it wants none */
    bool tells_caller;     /* who calls, in _meta */
    int64_t timeout_ms;    /* of a call */
    int64_t start_s;       /* for its initialization */
    const char *lists;     /* the path of its lists */
    bool subscribes;       /* it tells of changed resources */
    bool completes;        /* it answers completion/complete */
};

/* The spec of the source of what a server offers. */
struct server_item {
    const struct server *server;
    const char *name; /* that the server knows: a name, a URI or a URI template */
    const struct entry *entry;
    bool needs_task; /* a tool that is only called as a task (2025-11-25, "Tasks") */
};

/* exec/server.c */
extern const struct source_kind server_source;

/* For a URI that is read by a template that is offered, however it is spelled (url_plain), with or
 * without its query. */
bool server_denies_uri(const struct server *s, struct arena *a, const char *uri);

/* Reads the manifests and lists that are new or have changed, and puts what servers offer into the
 * catalog's sets, which are loaded. Returns how many manifests are left out, with a line to
 * `problems` for each. */
unsigned catalog_servers_update(struct catalog *c, FILE *problems);
/* The server at this place; NULL: there are no more. */
const struct server *catalog_server(const struct catalog *c, size_t i);

/* ---- of servers.c: server_entries.c, server_url.c ---- */

struct server_entries {
    struct server_entry {
        enum catalog_kind kind;
        struct entry *entry;
    } * all; /* in the arena of the manifest */
    size_t count;
    bool has_conflicts; /* one is left out, since another entry has its name */
};

/* Where they come from, and where they go. */
struct server_reading {
    const struct catalog *catalog;
    const struct server *server;
    struct manifest *manifest; /* of the server: `v` is changed */
    FILE *problems;
};

/* Reads the lists for manifest->keep, and puts what is in them into the catalog's sets: an entry
 * that clients would refuse, or whose name is used already, is left out with a line to `problems`.
 */
void server_entries_add(struct server_entries *out, const struct server_reading *r,
                        const struct json *lists);
/* Takes them out of the sets. */
void server_entries_remove(struct server_entries *entries, const struct catalog *c);
/* server_url.c: of a server that is an address: reads "url", "headers", "ca_file" and "allow_http"
 * into what is started: a program of ours, the bridge (bridge/bridge.h). ERR_INVALID_REQUEST with
 * the reason. */
enum rc server_read_url(const struct manifest *m, struct program *out) MUST_USE;

/* The configuration: KEY=value lines in a file; an environment variable of the same name wins.
 * One table (keys.c) drives the parser, `-t`, the redacted dump and the annotated file. */
#pragma once

#include "base/base.h"

/* Groups of endpoints that a service can be limited to (the four functions of the AWS design). */
enum endpoint_group {
    GROUP_AUTHORIZE = 1 << 0, /* /authorize and /callback: session PutItem, UpdateItem */
    GROUP_TOKEN = 1 << 1,     /* /token: session GetItem, DeleteItem */
    GROUP_METADATA = 1 << 2,  /* the well-known documents */
    GROUP_MCP = 1 << 3,       /* the MCP endpoint */
};
#define ENDPOINT_GROUP_WORDS "authorize token metadata mcp"

/* The session stores: the word of SESSION_STORE is also the end of the name of the store's table of
 * functions, session_store_WORD. The first is the default. */
#define SESSION_STORES(each) each(LMDB, lmdb) each(DYNAMODB, dynamodb)
#define SESSION_STORE_CHOICE(name, word) SESSION_STORE_##name,
enum session_store_choice { SESSION_STORES(SESSION_STORE_CHOICE) };

/* REQUIRE_AUDIENCE: AUDIENCE_AUTO is yes if another site of the daemon has one of its clients. */
#define AUDIENCES(each) each(AUTO, auto) each(YES, yes) each(NO, no)
#define AUDIENCE_CHOICE(name, word) AUDIENCE_##name,
enum require_audience { AUDIENCES(AUDIENCE_CHOICE) };

/* AUDIT_EVENTS: what has lines in the audit log. */
enum audit_event { AUDIT_LOGINS = 1 << 0, AUDIT_CALLS = 1 << 1 };
#define AUDIT_EVENT_WORDS "logins calls"

/* AUDIT_ARGUMENTS: what is told there of the arguments of a call. */
#define AUDIT_ARGUMENTS(each) each(NONE, none) each(DIGEST, digest)
#define AUDIT_ARGUMENTS_CHOICE(name, word) AUDIT_ARGUMENTS_##name,
enum audit_arguments { AUDIT_ARGUMENTS(AUDIT_ARGUMENTS_CHOICE) };

/* It owns all its strings. None is NULL; an optional one that is absent is "". */
struct config {
    struct arena *arena; /* NULL: it is one block of memory, see config_free */
    unsigned references; /* of such a block */
    const char *site;    /* the name of its file in SITES_DIR; "": mcp-authd.conf itself */
    /* The identity provider. What is not given follows from the keys of the provider (idp/). */
    struct config_idp {
        const char *client_id, *issuer;
        /* Further app clients whose access tokens are good, of users and of programs without one:
         * words like those of config_app_client. */
        const char *client_ids, *machine_client_ids;
        const char *authorize_url, *token_url, *jwks_url;
        const char *revoke_url; /* "": it has none */
        /* Derived; "": a login with another account is asked for by prompt. */
        const char *logout_url;
    } idp;
    const char *aws_region; /* of the user pool, and of DynamoDB unless AWS's settings name one */
    const char *cognito_user_pool_id, *cognito_domain;
    /* Who we are. */
    const char *mcp_server_uri; /* the resource, byte for byte as a user types it */
    const char *auth_proxy_uri; /* the issuer, without a trailing slash */
    const char *supported_scopes, *required_scopes; /* space separated */
    enum require_audience require_audience;
    const char *private_use_schemes; /* space separated */
    const char *allowed_origins;     /* space separated origins, or * */
    /* How the server introduces itself to clients and users; "" for what it leaves out. */
    struct config_server {
        const char *name, *title;
        const char *icons; /* one address, or one for light and one for dark */
        const char *website, *documentation, *policy, *terms;
        const char *instructions_file;
        const char *label; /* derived, as what follows: the title, or else the name */
        /* Each icon, "" for none (the second: for dark), and as sources of a
         * Content-Security-Policy, with a space before each. */
        const char *icon[2], *icon_sources;
        /* MCP's Implementation, an object, as JSON; without and with icons and website. */
        const char *info, *info_with_icons;
        const char *instructions; /* the text of the file; NULL: none */
    } server;
    /* Derived from the two URIs, so that nobody builds them again. "" where MCP_SERVER_URI is not
     * set: then config_at makes them for each request. */
    const char *mcp_path;     /* path of the MCP endpoint, such as /mcp */
    const char *mcp_origin;   /* its scheme://host[:port] */
    const char *auth_path;    /* path of the issuer, "" for most */
    const char *callback_uri; /* auth_proxy_uri + /callback */
    const char *prm_uri;      /* protected resource metadata, RFC 9728 §3.1: path inserted */
    bool auth_is_https;
    /* Of a site, for messages: the lines of MCP_SERVER_URI, AUTH_PROXY_URI and SECRET_KEY_FILE in
     * its file; 0: not given there. */
    unsigned resource_line, issuer_line, key_file_line;
    /* Store and host. */
    enum session_store_choice session_store;
    const char *session_table_name, *task_table_name; /* of the latter, "": none */
    const char *state_dir, *secret_key_file, *status_file, *listen;
    const char *host_state_dir; /* of a site: STATE_DIR of mcp-authd.conf, which its own is below */
    const char *sites_dir;      /* "": none */
    bool makes_secret_key;      /* SECRET_KEY_FILE is not set: the first start makes the file */
    unsigned endpoints;         /* enum endpoint_group bits */
    const char *run_user, *runner_socket; /* "": the same user; a runner that the master starts */
    unsigned workers_min, workers_max;
    unsigned worker_max_requests;
    unsigned max_body_bytes;
    /* Metrics. */
    bool metrics_emf;
    const char *metrics_emf_file, *metrics_listen;
    unsigned metrics_interval_s;
    unsigned sites_metrics; /* sites that have metrics of their own */
    /* Tools and clients. */
    const char *tools_dir, *resources_dir, *prompts_dir, *skills_dir, *servers_dir, *secrets_dir,
        *clients_dir;
    bool list_forbidden;
    unsigned stream_keep_alive_s;
    const char *templates_dir;
    unsigned consent_remember_days; /* 0: never */
    bool use_other_account;
    /* Limits, denied users and clients, and the audit log. */
    unsigned calls_max, calls_per_user; /* that run at once on this host; per user 0: a quarter */
    unsigned site_workers, site_calls;  /* of a site among several: config_share */
    unsigned tasks_max, tasks_max_user; /* the same of tasks */
    unsigned rate_limit_address, rate_limit_client, rate_limit_user; /* a minute; 0: no limit */
    const char *deny_file, *revoked_file, *audit_log;
    unsigned audit_events, audit_arguments; /* enum audit_event bits; enum audit_arguments */
    const char *access_file;                /* "": none */
    const char *https_proxy_upstream, *no_proxy_upstream; /* ways to Cognito and AWS; "": none */
    const char *client_metadata_ca_file, *client_metadata_allow_nets, *client_metadata_proxy;
    const char *clients_allow, *clients_deny; /* space separated; oauth/clients.c */
    bool dynamic_registration;
    unsigned refresh_replay_s;
};

/* The status of several sites is in a file beside STATUS_FILE whose name ends so. */
#define CONFIG_STATUS_SITES_END ".sites"

#define CONFIG_STANDARD_PATH "/etc/mcp-authd/mcp-authd.conf" /* need not exist */

/* For commands that need only single keys of mcp-authd.conf, so that they do without the rest
 * (sites.h reads all): each given value is read and checked alone; required ones, and the standard
 * file, may be absent; but for names of files, what follows from several is "" or 0. Writes every
 * fault found to `errors`: a line each, with file, line, what was read and what would be right.
 * NULL if there was any, unless despite_faults is set and the file could be read: then all but what
 * is wrong can be relied on. path NULL: environment only. Free with config_free. */
struct config *config_load_values(const char *path, bool despite_faults, FILE *errors) MUST_USE;
/* Of a site's configuration, which several sets may have: gives one reference back. NULL is
 * accepted. */
void config_free(struct config *c);

struct loading;
/* Sets the function that checks the keys of the identity provider and fills in config->idp, of a
 * module above: idp_check_config. There is none at first. */
void config_on_provider(void (*check)(struct loading *l));

/* For a service of the groups authorize and token alone, which has no MCP_SERVER_URI: a copy in the
 * arena with ORIGIN/mcp for it and what follows from that. NULL: `origin` is no origin. */
const struct config *config_at(const struct config *c, struct arena *a, const char *origin);

/* What a site among several may use of something that all share: the configured number; 0: a third
 * of it. */
static inline unsigned config_share(unsigned given, unsigned all) {
    return given ? given : (all + 2) / 3;
}

#define APP_CLIENTS_MAX 64 /* of each of the two keys below: each call looks through them */

/* COGNITO_CLIENT_IDS, COGNITO_MACHINE_CLIENT_IDS: lists of words which are the id of an app client,
 * or ID=CALLS for so many calls a minute. The next one's id, of *len bytes, and moves *list behind
 * it; NULL: there is none. The list may be NULL here and below. */
const char *config_app_client_next(const char **list, size_t *len);
/* Is the app client one of the list? *per_minute: its calls; 0: not given. */
bool config_app_client(const char *list, const char *client_id, unsigned *per_minute);

/* Every key with its value in force: what `-t` prints; of a site (`all` false), without those that
 * are the whole daemon's. No key holds a secret; secrets are files. */
void config_dump(const struct config *c, bool all, FILE *out);
/* The annotated file that the package ships, made from the same table. */
void config_print_annotated(FILE *out);

/* Where a key may stand when there are several sites (sites.h). */
enum config_scope {
    CONFIG_INHERITED, /* in a site's file, which takes it from mcp-authd.conf if it leaves it out */
    CONFIG_OWN,       /* the same, but it is not taken from there: it would join two sites */
    CONFIG_HOST       /* in mcp-authd.conf alone: it is the whole daemon's */
};

/* keys.c: the table, in the order of the annotated file. */
enum config_kind {
    CONFIG_TEXT,
    CONFIG_LIST, /* words, kept with one space between them */
    CONFIG_BOOL,
    CONFIG_NUMBER,
    CONFIG_CHOICE, /* one of its words: an enum in their order */
    CONFIG_CHOICES /* one or more of its words: bits in their order */
};
struct config_key {
    const char *name;
    enum config_kind kind;
    size_t offset;       /* of the member in struct config */
    const char *initial; /* the value when none is given */
    const char *help;    /* for the annotated file; a topic's first key has its heading before it */
    unsigned min, max;   /* for numbers */
    const char *words;   /* for choices */
    enum config_scope scope;
};
extern const struct config_key config_keys[];
extern const size_t config_key_count;

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
    GROUP_ALL = GROUP_AUTHORIZE | GROUP_TOKEN | GROUP_METADATA | GROUP_MCP,
};

enum session_store { SESSION_STORE_LMDB, SESSION_STORE_DYNAMODB };

/* All strings are owned by the configuration and never NULL; an optional one that is absent is "".
 */
struct config {
    struct arena *arena;
    /* The identity provider. What is not given follows from the keys of the provider (idp/). */
    struct config_idp {
        const char *client_id, *issuer;
        const char *authorize_url, *token_url, *jwks_url;
        const char *revoke_url; /* "": it has none */
    } idp;
    const char *aws_region; /* of the user pool, and of DynamoDB unless AWS's settings name one */
    const char *cognito_user_pool_id, *cognito_domain;
    /* Who we are. */
    const char *mcp_server_uri; /* the resource, byte for byte as a user types it */
    const char *auth_proxy_uri; /* the issuer, without a trailing slash */
    const char *supported_scopes, *required_scopes; /* space separated */
    const char *private_use_schemes;                /* space separated */
    const char *allowed_origins;                    /* space separated origins, or * */
    /* Derived from the two URIs, so that nobody builds them again. "" where MCP_SERVER_URI is not
     * set: then config_at makes them for each request. */
    const char *mcp_path;     /* path of the MCP endpoint, such as /mcp */
    const char *mcp_origin;   /* its scheme://host[:port] */
    const char *auth_path;    /* path of the issuer, "" for most */
    const char *callback_uri; /* auth_proxy_uri + /callback */
    const char *prm_uri;      /* protected resource metadata, RFC 9728 §3.1: path inserted */
    bool auth_is_https;
    /* Store and host. */
    enum session_store session_store;
    const char *session_table_name, *task_table_name; /* of the latter, "": none */
    const char *state_dir, *secret_key_file, *status_file, *listen;
    bool makes_secret_key; /* SECRET_KEY_FILE is not set: the first start makes the file */
    unsigned endpoints;    /* enum endpoint_group bits */
    unsigned workers_min, workers_max;
    unsigned worker_max_requests;
    unsigned max_body_bytes;
    /* Metrics. */
    bool metrics_emf;
    const char *metrics_emf_file, *metrics_listen;
    unsigned metrics_interval_s;
    /* Tools and clients. */
    const char *tools_dir, *resources_dir, *prompts_dir, *clients_dir;
    bool list_forbidden;
    unsigned stream_keep_alive_s;
    const char *templates_dir;
    unsigned consent_remember_days; /* 0: never */
    /* Limits, denied users and clients, and the audit log. */
    unsigned tasks_max, tasks_max_user; /* that run at once on this host */
    unsigned rate_limit_address, rate_limit_client, rate_limit_user; /* a minute; 0: no limit */
    const char *deny_file, *revoked_file, *audit_log;
    const char *client_metadata_ca_file, *client_metadata_allow_nets, *client_metadata_proxy;
    const char *clients_allow, *clients_deny; /* space separated; oauth/clients.c */
    bool dynamic_registration;
    unsigned refresh_replay_s;
};

#define CONFIG_STANDARD_PATH "/etc/mcp-authd/mcp-authd.conf" /* need not exist */

/* Reads and checks everything, and writes every fault found to `errors`: a line each, with file,
 * line, what was read and what would be right. NULL if there was any. path NULL: environment only.
 * Free with config_free. */
struct config *config_load(const char *path, FILE *errors) MUST_USE;
void config_free(struct config *c); /* NULL is accepted */

struct loading;
/* Sets the function that checks the keys of the identity provider and fills in config->idp, of a
 * room above: idp_check_config. There is none at first. */
void config_on_provider(void (*check)(struct loading *l));

/* For a service of the groups authorize and token alone, which has no MCP_SERVER_URI: a copy in the
 * arena with ORIGIN/mcp for it and what follows from that. NULL: `origin` is no origin. */
const struct config *config_at(const struct config *c, struct arena *a, const char *origin);

/* Every key with its value in force: what `-t` prints. No key holds a secret; secrets are files. */
void config_dump(const struct config *c, FILE *out);
/* The annotated file that the package ships, made from the same table. */
void config_print_annotated(FILE *out);

/* keys.c: the table. */
enum config_kind {
    CONFIG_TEXT,
    CONFIG_LIST, /* words, kept with one space between them */
    CONFIG_BOOL,
    CONFIG_NUMBER,
    CONFIG_ENDPOINTS,
    CONFIG_STORE
};
struct config_key {
    const char *name;
    enum config_kind kind;
    size_t offset;       /* of the member in struct config */
    const char *initial; /* the value when none is given */
    unsigned min, max;   /* for numbers */
    const char *help;    /* for the annotated file; lines end in \n but for the last */
};
extern const struct config_key config_keys[];
extern const size_t config_key_count;
/* The annotated file has a heading before the first key of each topic. */
struct config_topic {
    const char *topic, *first_key;
};
extern const struct config_topic config_topics[];
extern const size_t config_topic_count;

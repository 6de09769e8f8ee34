#include "config/config.h"

#define TEXT(name, member, initial, help)                                                          \
    { name, CONFIG_TEXT, offsetof(struct config, member), initial, 0, 0, help }
#define LIST(name, member, initial, help)                                                          \
    { name, CONFIG_LIST, offsetof(struct config, member), initial, 0, 0, help }
#define NUMBER(name, member, initial, min, max, help)                                              \
    { name, CONFIG_NUMBER, offsetof(struct config, member), initial, min, max, help }

/* The order is that of the annotated file, by topic. */
const struct config_key config_keys[] = {
    TEXT(
        "MCP_SERVER_URI", mcp_server_uri, "",
        "The URL that a user types into an MCP client. Clients compare it byte for byte. Only a\n"
        "service of the groups authorize and token alone may leave it out: then it is /mcp at the\n"
        "name that the web server gives each request (SERVER_NAME).\n"
        "Example: https://mcp.example.com/mcp"),
    TEXT("AUTH_PROXY_URI", auth_proxy_uri, "",
         "The OAuth issuer: /authorize, /callback and /token are below it. No slash at the end.\n"
         "Empty: scheme and host of MCP_SERVER_URI. At Cognito, the app client's callback URL is\n"
         "this with /callback appended."),
    LIST("ALLOWED_ORIGINS", allowed_origins, "",
         "Web origins besides our own whose pages may call the MCP endpoint, or * for all.\n"
         "Example: https://inspector.example.com"),
    TEXT("COGNITO_REGION", aws_region, "",
         "AWS region of the user pool, such as eu-west-1. Empty: the one that its ID begins with."),
    TEXT("COGNITO_USER_POOL_ID", cognito_user_pool_id, "",
         "The user pool, such as eu-west-1_AbCdEfGhI."),
    TEXT("COGNITO_CLIENT_ID", idp.client_id, "",
         "The pool's app client: public (no secret), authorization code grant, the scopes below.\n"
         "One for each MCP_SERVER_URI: two that share one take each other's tokens."),
    TEXT("COGNITO_DOMAIN", cognito_domain, "",
         "The pool's domain: its prefix, or a whole custom domain such as login.example.com."),
    TEXT("COGNITO_ISSUER", idp.issuer, "",
         "Set these five only for an OpenID provider that is not Cognito; otherwise they follow\n"
         "from region, pool and domain."),
    TEXT("COGNITO_AUTHORIZE_URL", idp.authorize_url, "", ""),
    TEXT("COGNITO_TOKEN_URL", idp.token_url, "", ""),
    TEXT("COGNITO_JWKS_URL", idp.jwks_url, "", ""),
    TEXT("COGNITO_REVOKE_URL", idp.revoke_url, "", ""),
    LIST("SUPPORTED_SCOPES", supported_scopes, "openid email profile mcp-server/tools",
         "Scopes that clients may ask for. Others are left out of the request to Cognito."),
    LIST("REQUIRED_SCOPES", required_scopes, "mcp-server/tools",
         "Scopes that every call of the MCP endpoint needs; each login asks for them."),
    NUMBER("REFRESH_REPLAY_S", refresh_replay_s, "120", 0, 240,
           "For so many seconds a refresh token that is sent again gets the answer it had before,\n"
           "so that parallel refreshes and lost answers log nobody out. If it comes again later, "
           "it is\n"
           "in two hands, and the login ends."),
    TEXT("CLIENTS_DIR", clients_dir, "/etc/mcp-authd/clients.d",
         "Client metadata documents that are pinned here and never fetched (*.json).\n"
         "Many are ready in /usr/share/mcp-authd/clients.d."),
    LIST("CLIENTS_ALLOW", clients_allow, "",
         "Which clients may log users in, by the address of their document: hosts (claude.ai),\n"
         "domains (*.example.com, which leaves out example.com itself), documents\n"
         "(https://claude.ai/oauth/client.json), or all below an address that ends in a slash.\n"
         "Empty: all. Pinned clients are always allowed.\n"
         "You vouch for both: their users need not confirm that they started the login."),
    LIST("CLIENTS_DENY", clients_deny, "",
         "Which clients may not, in the same form, or by their client_id. Wins over CLIENTS_ALLOW\n"
         "and over pinned clients."),
    {"DYNAMIC_REGISTRATION", CONFIG_BOOL, offsetof(struct config, dynamic_registration), "no", 0, 0,
     "yes: clients without a document may register at /register (RFC 7591). Nothing is stored:\n"
     "the client_id that they get is their sealed metadata, and ends after 90 days. Such clients\n"
     "have no host that could be checked, so CLIENTS_ALLOW does not apply to them."},
    LIST("PRIVATE_USE_SCHEMES", private_use_schemes, "cursor",
         "Schemes of apps that a client may be answered at (cursor://…), besides https, loopback "
         "and\n"
         "schemes with a dot in them (RFC 8252 §7.1). Any app on a user's computer can take a "
         "scheme,\n"
         "so name only those of clients that offer nothing better."),
    TEXT("CLIENT_METADATA_CA_FILE", client_metadata_ca_file, "",
         "PEM file of certificate authorities that are trusted for client documents besides the\n"
         "system's, and by doctor for the public addresses. For tests and intranets."),
    LIST("CLIENT_METADATA_ALLOW_NETS", client_metadata_allow_nets, "",
         "Private address ranges that client documents may come from, such as 10.1.0.0/16.\n"
         "For tests and intranets."),
    TEXT("CLIENT_METADATA_PROXY", client_metadata_proxy, "",
         "HTTP proxy through which client documents are fetched, such as http://10.0.0.5:3128.\n"
         "It resolves the names then, and must itself refuse private addresses. The environment's\n"
         "proxy settings are not used."),
    NUMBER(
        "CONSENT_REMEMBER_DAYS", consent_remember_days, "30", 0, 365,
        "A user may let the browser remember a consent for so many days; 0: never. Clients whose\n"
        "redirect URI is no https address are always asked about again: nobody can check which\n"
        "program has it."),
    TEXT("TEMPLATES_DIR", templates_dir, "/etc/mcp-authd/templates",
         "Pages that replace the built-in ones: consent.html, continue.html, error.html."),
    TEXT("TOOLS_DIR", tools_dir, "/etc/mcp-authd/tools.d", "Manifests of tools (*.json)."),
    TEXT("RESOURCES_DIR", resources_dir, "/etc/mcp-authd/resources.d",
         "Manifests of resources (*.json); empty: none."),
    TEXT("PROMPTS_DIR", prompts_dir, "/etc/mcp-authd/prompts.d",
         "Manifests of prompts (*.json); empty: none."),
    {"LIST_FORBIDDEN", CONFIG_BOOL, offsetof(struct config, list_forbidden), "yes", 0, 0,
     "yes: lists have all tools, resources and prompts, and a call that lacks a scope is told\n"
     "which, so that a client can ask for it. no: only those that the token's scopes allow."},
    NUMBER(
        "STREAM_KEEP_ALIVE_S", stream_keep_alive_s, "5", 1, 60,
        "A client that takes event streams hears from us after so many seconds of silence: a call\n"
        "that has nothing to tell begins its stream then, with a comment. So proxies do not take "
        "it\n"
        "for dead, and we notice that the client has gone, and end its program (2026-07-28)."),
    NUMBER("TASKS_MAX", tasks_max, "64", 1, 1024,
           "Tasks (calls that run long) whose programs run at once on this host."),
    NUMBER("TASKS_MAX_USER", tasks_max_user, "16", 1, 1024, "Of these, the tasks of one user."),
    NUMBER(
        "RATE_LIMIT_ADDRESS", rate_limit_address, "600", 0, 6000,
        "Requests a minute to the OAuth endpoints from one address (IPv6: one /64), counted for\n"
        "all workers together. Generous, since an office or a hosted client may be behind it;\n"
        "0: no limit."),
    NUMBER(
        "RATE_LIMIT_CLIENT", rate_limit_client, "120", 0, 6000,
        "Of these, requests a minute that name the same client_id; 0: no limit. A hosted client\n"
        "refreshes the tokens of all its users from a few addresses: raise it if you have\n"
        "thousands of them."),
    NUMBER("RATE_LIMIT_USER", rate_limit_user, "600", 0, 6000,
           "Programs of tools, resources, prompts and completions that one user may start in a\n"
           "minute; 0: no limit. Other calls of the MCP endpoint have none."),
    {"MAX_BODY_BYTES", CONFIG_SIZE, offsetof(struct config, max_body_bytes), "1048576", 1024,
     16777216, "Longest request body."},
    TEXT("DENY_FILE", deny_file, "/etc/mcp-authd/deny.conf",
         "Clients, users and tokens that are refused from now on; read again on HUP. Lines are\n"
         "client ID, subject SUB or issued-before TIME. See docs/operating.md."),
    TEXT(
        "REVOKED_FILE", revoked_file, "",
        "Digests of access tokens that were revoked. Empty: revoked in STATE_DIR. Services of one\n"
        "group of endpoints each need the same file, which both users can write."),
    {"SESSION_STORE", CONFIG_STORE, offsetof(struct config, session_store), "", 0, 0,
     "Where logins in progress are kept: lmdb (files in STATE_DIR; one host) or dynamodb (any\n"
     "number of hosts; they need the same SECRET_KEY_FILE). Empty: dynamodb if SESSION_TABLE_NAME\n"
     "is set, otherwise lmdb. Region, credentials and endpoint of\n"
     "DynamoDB come from AWS's own environment variables and files: AWS_REGION, AWS_PROFILE, …\n"
     "and the role of the machine or container. They have no place in this file."},
    TEXT("SESSION_TABLE_NAME", session_table_name, "mcp-auth-sessions",
         "The DynamoDB table: its name, or its ARN. Partition key sessionId (String), TTL on ttl."),
    TEXT(
        "TASK_TABLE_NAME", task_table_name, "",
        "The DynamoDB table of tasks (calls that run long), so that any host can answer for them:\n"
        "its name, or its ARN. Partition key taskId (String), TTL on ttl. Empty: tasks are kept "
        "in\n"
        "STATE_DIR, and known to this host alone."),
    TEXT("STATE_DIR", state_dir, "/var/lib/mcp-authd",
         "Files that outlive a restart, of one daemon alone."),
    TEXT(
        "SECRET_KEY_FILE", secret_key_file, "",
        "Keys that seal what leaves us and comes back, mode 0600. Empty: secret.key in STATE_DIR,\n"
        "which the first start makes. Another one must be there: mcp-authd make-key FILE makes "
        "it."),
    TEXT("STATUS_FILE", status_file, "",
         "What `mcp-authd status` shows, as JSON. Empty: status.json in STATE_DIR."),
    TEXT("LISTEN", listen, "/run/mcp-authd/mcp-authd.sock",
         "Path of the Unix socket for the web server, or IP:PORT. Not used if a socket is passed\n"
         "by systemd or by the web server."),
    {"ENDPOINTS", CONFIG_ENDPOINTS, offsetof(struct config, endpoints),
     "authorize token metadata mcp", 0, 0,
     "Which groups of endpoints this service answers. For one service per group, each with its\n"
     "own user and AWS credentials."},
    NUMBER("WORKERS_MIN", workers_min, "2", 1, 256, "Worker processes kept ready."),
    NUMBER("WORKERS_MAX", workers_max, "16", 1, 256,
           "Worker processes at most. Each serves one request at a time; a tool that runs long\n"
           "holds one."),
    NUMBER("WORKER_MAX_REQUESTS", worker_max_requests, "10000", 1, 100000000,
           "Requests after which a worker is replaced."),
    TEXT("AUDIT_LOG", audit_log, "",
         "File for the audit log, a line of JSON for each request to the OAuth endpoints.\n"
         "Empty: stderr, among the other lines."),
    {"METRICS_EMF", CONFIG_BOOL, offsetof(struct config, metrics_emf), "no", 0, 0,
     "yes: write metrics for CloudWatch, as lines in its embedded metric format, to"},
    TEXT("METRICS_EMF_FILE", metrics_emf_file, "",
         "this file; empty: to stderr, between the log's lines;"),
    NUMBER("METRICS_INTERVAL_S", metrics_interval_s, "60", 1, 3600, "every so many seconds."),
    TEXT("METRICS_LISTEN", metrics_listen, "",
         "Answers GET /metrics for Prometheus: path of a Unix socket, or a loopback IP:PORT.\n"
         "Example: 127.0.0.1:9464"),
};
const size_t config_key_count = sizeof config_keys / sizeof *config_keys;

const struct config_topic config_topics[] = {
    {"Addresses", "MCP_SERVER_URI"},
    {"The identity provider", "COGNITO_REGION"},
    {"Clients and consent", "CLIENTS_DIR"},
    {"Tools, resources and prompts", "TOOLS_DIR"},
    {"Limits, and who is kept out", "RATE_LIMIT_ADDRESS"},
    {"Sessions, keys and state", "SESSION_STORE"},
    {"Processes", "LISTEN"},
    {"Logs and metrics", "AUDIT_LOG"},
};
const size_t config_topic_count = sizeof config_topics / sizeof *config_topics;

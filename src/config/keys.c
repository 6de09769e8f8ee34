/* Private part of config.h: the keys, in the order and by the topics of the annotated file. */
#include "config/config.h"

/* clang-format 14 and 19 do not agree here. */
/* clang-format off */
#define TEXT(name, member, initial, help)                                                          \
    { name, CONFIG_TEXT, offsetof(struct config, member), initial, 0, 0, help }
#define LIST(name, member, initial, help)                                                          \
    { name, CONFIG_LIST, offsetof(struct config, member), initial, 0, 0, help }
#define NUMBER(name, member, initial, min, max, help)                                              \
    { name, CONFIG_NUMBER, offsetof(struct config, member), initial, min, max, help }
/* clang-format on */

const struct config_key config_keys[] = {
    TEXT(
        "MCP_SERVER_URI", mcp_server_uri, "",
        "The URL that a user types into an MCP client. Clients compare it byte for byte. Only a\n"
        "service with just the groups authorize and token may leave it out: then it is https, the\n"
        "server name of each request (SERVER_NAME), and /mcp.\n"
        "Example: https://mcp.example.com/mcp"),
    TEXT("AUTH_PROXY_URI", auth_proxy_uri, "",
         "The OAuth issuer: /authorize, /callback and /token are below it. No slash at the end.\n"
         "Empty: scheme and host of MCP_SERVER_URI. At Cognito, the app client's callback URL is\n"
         "this with /callback appended."),
    LIST(
        "ALLOWED_ORIGINS", allowed_origins, "",
        "Web origins whose pages may call the MCP endpoint, besides the service's own; * for all.\n"
        "Example: https://inspector.example.com"),
    TEXT("COGNITO_REGION", aws_region, "",
         "AWS region of the user pool, such as eu-west-1. Empty: the region in the pool's ID."),
    TEXT("COGNITO_USER_POOL_ID", cognito_user_pool_id, "",
         "The user pool, such as eu-west-1_AbCdEfGhI."),
    TEXT("COGNITO_CLIENT_ID", idp.client_id, "",
         "The pool's app client: public (no secret), authorization code grant, the scopes below.\n"
         "Use one for each MCP_SERVER_URI: services that share one accept each other's tokens."),
    TEXT("COGNITO_DOMAIN", cognito_domain, "",
         "The pool's domain: its prefix, or a custom domain such as login.example.com."),
    TEXT("COGNITO_ISSUER", idp.issuer, "",
         "Set these five only for an OpenID provider other than Cognito; by default they are\n"
         "derived from region, pool and domain."),
    TEXT("COGNITO_AUTHORIZE_URL", idp.authorize_url, "", ""),
    TEXT("COGNITO_TOKEN_URL", idp.token_url, "", ""),
    TEXT("COGNITO_JWKS_URL", idp.jwks_url, "", ""),
    TEXT("COGNITO_REVOKE_URL", idp.revoke_url, "", ""),
    LIST("SUPPORTED_SCOPES", supported_scopes, "openid email profile mcp-server/tools",
         "Scopes that clients may ask for. Others are removed from the request to Cognito."),
    LIST("REQUIRED_SCOPES", required_scopes, "mcp-server/tools",
         "Scopes that every call of the MCP endpoint needs. Each login asks for them."),
    NUMBER(
        "REFRESH_REPLAY_S", refresh_replay_s, "120", 0, 240,
        "If a refresh token is sent again within so many seconds, it gets the same answer, so "
        "that\n"
        "parallel refreshes and lost answers log nobody out. A later reuse means that two parties\n"
        "have the token, and ends the login."),
    TEXT("CLIENTS_DIR", clients_dir, "/etc/mcp-authd/clients.d",
         "Pinned client metadata documents (*.json), which are never fetched.\n"
         "/usr/share/mcp-authd/clients.d has documents of many clients."),
    LIST(
        "CLIENTS_ALLOW", clients_allow, "",
        "Clients that may log users in, by the address of their document: hosts (claude.ai),\n"
        "domains (*.example.com, without example.com itself), documents\n"
        "(https://claude.ai/oauth/client.json), or an address with a final slash for all below "
        "it.\n"
        "Empty: all. Pinned clients are always allowed. Users of clients that are pinned or named\n"
        "here need not tick a box to confirm that they started the login."),
    LIST("CLIENTS_DENY", clients_deny, "",
         "Clients that may not, in the same form, or by their client_id. Overrides CLIENTS_ALLOW\n"
         "and pinned clients."),
    {"DYNAMIC_REGISTRATION", CONFIG_BOOL, offsetof(struct config, dynamic_registration), "no", 0, 0,
     "yes: clients without a document may register at /register (RFC 7591). Nothing is stored:\n"
     "the client_id is the client's sealed metadata, and expires after 90 days. Such clients\n"
     "have no host that could be verified, so CLIENTS_ALLOW does not apply to them."},
    LIST("PRIVATE_USE_SCHEMES", private_use_schemes, "cursor",
         "Schemes of apps allowed in redirect URIs (cursor://…), besides https, loopback and\n"
         "schemes with a dot (RFC 8252 §7.1). Any app on a user's computer can register a scheme,\n"
         "so name only those of clients that support nothing better."),
    TEXT("CLIENT_METADATA_CA_FILE", client_metadata_ca_file, "",
         "PEM file of certificate authorities that are trusted, besides the system's, for client\n"
         "documents, and by doctor for the public addresses. For tests and intranets."),
    LIST("CLIENT_METADATA_ALLOW_NETS", client_metadata_allow_nets, "",
         "Private address ranges that client documents may come from, such as 10.1.0.0/16.\n"
         "For tests and intranets."),
    TEXT("CLIENT_METADATA_PROXY", client_metadata_proxy, "",
         "HTTP proxy for fetching client documents, such as http://10.0.0.5:3128. It resolves the\n"
         "host names, and must refuse private addresses itself. Proxy settings of the environment\n"
         "are not used."),
    NUMBER("CONSENT_REMEMBER_DAYS", consent_remember_days, "30", 0, 365,
           "For how many days a user may let the browser remember a consent; 0: never. Never for\n"
           "clients whose redirect URI is not https, since it cannot be verified which program\n"
           "receives the answer."),
    TEXT("TEMPLATES_DIR", templates_dir, "/etc/mcp-authd/templates",
         "Pages that replace the built-in ones: consent.html, continue.html, error.html."),
    TEXT("TOOLS_DIR", tools_dir, "/etc/mcp-authd/tools.d", "Manifests of tools (*.json)."),
    TEXT("RESOURCES_DIR", resources_dir, "/etc/mcp-authd/resources.d",
         "Manifests of resources (*.json); empty: none."),
    TEXT("PROMPTS_DIR", prompts_dir, "/etc/mcp-authd/prompts.d",
         "Manifests of prompts (*.json); empty: none."),
    {"LIST_FORBIDDEN", CONFIG_BOOL, offsetof(struct config, list_forbidden), "yes", 0, 0,
     "yes: lists have all tools, resources and prompts, and a call without a necessary scope\n"
     "gets a challenge that names it, so that the client can ask for it. no: lists have only\n"
     "what the token's scopes allow."},
    NUMBER(
        "STREAM_KEEP_ALIVE_S", stream_keep_alive_s, "5", 1, 60,
        "After so many seconds of silence an event stream gets a comment, and a call without a\n"
        "message yet begins its stream. So proxies do not time out, and a disconnected client is\n"
        "noticed and its program ended (2026-07-28)."),
    NUMBER("TASKS_MAX", tasks_max, "64", 1, 1024,
           "Tasks (calls that run long) whose programs run at the same time on this host."),
    NUMBER("TASKS_MAX_USER", tasks_max_user, "16", 1, 1024, "Of these, the tasks of one user."),
    NUMBER("RATE_LIMIT_ADDRESS", rate_limit_address, "600", 0, 6000,
           "Requests a minute to the OAuth endpoints from one address (IPv6: one /64), for all "
           "workers\n"
           "together; 0: no limit. The default is high, since an address may be an office or a "
           "hosted\n"
           "client."),
    NUMBER(
        "RATE_LIMIT_CLIENT", rate_limit_client, "120", 0, 6000,
        "Of these, requests a minute that name the same client_id; 0: no limit. A hosted client\n"
        "refreshes the tokens of all its users from a few addresses: raise it for thousands of\n"
        "users."),
    NUMBER("RATE_LIMIT_USER", rate_limit_user, "600", 0, 6000,
           "Programs of tools, resources, prompts and completions that one user may start in a\n"
           "minute; 0: no limit. Other calls of the MCP endpoint are not limited."),
    NUMBER("MAX_BODY_BYTES", max_body_bytes, "1048576", 1024, 16777216, "Longest request body."),
    TEXT("DENY_FILE", deny_file, "/etc/mcp-authd/deny.conf",
         "Clients, users and tokens that are refused; read again on HUP. Lines are client ID,\n"
         "subject SUB or issued-before TIME. See docs/operating.md."),
    TEXT("REVOKED_FILE", revoked_file, "",
         "Digests of access tokens that were revoked. Empty: revoked in STATE_DIR. Services of\n"
         "single groups of endpoints need one file, which both users can write."),
    {"SESSION_STORE", CONFIG_STORE, offsetof(struct config, session_store), "", 0, 0,
     "Where logins in progress are stored: lmdb (files in STATE_DIR; one host) or dynamodb (any\n"
     "number of hosts; they need the same SECRET_KEY_FILE). Empty: dynamodb if\n"
     "SESSION_TABLE_NAME is set, otherwise lmdb. Region, credentials and endpoint of DynamoDB\n"
     "come from AWS's own environment variables and files (AWS_REGION, AWS_PROFILE, …) and the\n"
     "role of the machine or container, not from this file."},
    TEXT("SESSION_TABLE_NAME", session_table_name, "mcp-auth-sessions",
         "The DynamoDB table: its name, or its ARN. Partition key sessionId (String), TTL on ttl."),
    TEXT(
        "TASK_TABLE_NAME", task_table_name, "",
        "The DynamoDB table of tasks (calls that run long), so that any host can answer for them:\n"
        "its name, or its ARN. Partition key taskId (String), TTL on ttl. Empty: tasks are stored\n"
        "in STATE_DIR, and only this host knows them."),
    TEXT("STATE_DIR", state_dir, "/var/lib/mcp-authd",
         "Files that survive a restart. Each daemon needs its own."),
    TEXT("SECRET_KEY_FILE", secret_key_file, "",
         "Keys that seal what is given out and comes back, mode 0600. Empty: secret.key in\n"
         "STATE_DIR, which the first start makes. Any other file must exist: mcp-authd make-key "
         "FILE\n"
         "makes it."),
    TEXT("STATUS_FILE", status_file, "",
         "What `mcp-authd status` shows, as JSON. Empty: status.json in STATE_DIR."),
    TEXT("LISTEN", listen, "/run/mcp-authd/mcp-authd.sock",
         "Path of the Unix socket for the web server, or IP:PORT. Not used if systemd or the web\n"
         "server passes a socket."),
    {"ENDPOINTS", CONFIG_ENDPOINTS, offsetof(struct config, endpoints),
     "authorize token metadata mcp", 0, 0,
     "Groups of endpoints that this service answers. Choose some for one service per group,\n"
     "each with its own user and AWS credentials."},
    NUMBER("WORKERS_MIN", workers_min, "2", 1, 256, "Smallest number of worker processes."),
    NUMBER(
        "WORKERS_MAX", workers_max, "16", 1, 256,
        "Largest number of worker processes. Each serves one request at a time; a long tool call\n"
        "occupies one."),
    NUMBER("WORKER_MAX_REQUESTS", worker_max_requests, "10000", 1, 100000000,
           "Requests after which a worker is replaced."),
    TEXT("AUDIT_LOG", audit_log, "",
         "File for the audit log, a line of JSON for each request to the OAuth endpoints.\n"
         "Empty: stderr, with the log."),
    {"METRICS_EMF", CONFIG_BOOL, offsetof(struct config, metrics_emf), "no", 0, 0,
     "yes: write metrics for CloudWatch, in its embedded metric format."},
    TEXT("METRICS_EMF_FILE", metrics_emf_file, "",
         "File for these metrics. Empty: stderr, with the log."),
    NUMBER("METRICS_INTERVAL_S", metrics_interval_s, "60", 1, 3600,
           "They are written every so many seconds."),
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
    {"Limits and the deny list", "RATE_LIMIT_ADDRESS"},
    {"Sessions, keys and state", "SESSION_STORE"},
    {"Processes", "LISTEN"},
    {"Logs and metrics", "AUDIT_LOG"},
};
const size_t config_topic_count = sizeof config_topics / sizeof *config_topics;

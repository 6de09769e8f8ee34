#include "base/config.h"

#define TEXT(name, member, initial, help)                                                          \
    { name, CONFIG_TEXT, offsetof(struct config, member), initial, 0, 0, help }
#define NUMBER(name, member, initial, min, max, help)                                              \
    { name, CONFIG_NUMBER, offsetof(struct config, member), initial, min, max, help }

/* The order is that of the annotated file. */
const struct config_key config_keys[] = {
    TEXT("MCP_SERVER_URI", mcp_server_uri, NULL,
         "The URL that a user types into an MCP client. Clients compare it byte for byte.\n"
         "Example: https://mcp.example.com/mcp"),
    TEXT("AUTH_PROXY_URI", auth_proxy_uri, "",
         "The OAuth issuer: /authorize, /callback and /token are below it. No slash at the end.\n"
         "Empty: scheme and host of MCP_SERVER_URI. At Cognito, the app client's callback URL is\n"
         "this with /callback appended."),
    TEXT("COGNITO_REGION", cognito_region, "", "AWS region of the user pool, such as eu-west-1."),
    TEXT("COGNITO_USER_POOL_ID", cognito_user_pool_id, "",
         "The user pool, such as eu-west-1_AbCdEfGhI."),
    TEXT("COGNITO_CLIENT_ID", cognito_client_id, NULL,
         "The pool's app client: public (no secret), authorization code grant, the scopes below."),
    TEXT("COGNITO_DOMAIN", cognito_domain, "",
         "The pool's domain: its prefix, or a whole custom domain such as login.example.com."),
    TEXT("COGNITO_ISSUER", cognito_issuer, "",
         "Set these four only for an OpenID provider that is not Cognito; otherwise they follow\n"
         "from region, pool and domain."),
    TEXT("COGNITO_AUTHORIZE_URL", cognito_authorize_url, "", ""),
    TEXT("COGNITO_TOKEN_URL", cognito_token_url, "", ""),
    TEXT("COGNITO_JWKS_URL", cognito_jwks_url, "", ""),
    TEXT("SUPPORTED_SCOPES", supported_scopes, "openid email profile mcp-server/tools",
         "Scopes that clients may ask for. Others are left out of the request to Cognito."),
    TEXT("REQUIRED_SCOPES", required_scopes, "mcp-server/tools",
         "Scopes that every call of the MCP endpoint needs."),
    TEXT("ALLOWED_ORIGINS", allowed_origins, "",
         "Web origins besides our own whose pages may call the MCP endpoint, or * for all.\n"
         "Example: https://inspector.example.com"),
    {"SESSION_STORE", CONFIG_STORE, offsetof(struct config, session_store), "lmdb", 0, 0,
     "Where logins in progress are kept: lmdb (files in STATE_DIR; one host)."},
    TEXT("STATE_DIR", state_dir, "/var/lib/mcp-authd", "Files that outlive a restart."),
    TEXT("SECRET_KEY_FILE", secret_key_file, "",
         "Keys that seal what leaves us and comes back. Made on first start, mode 0600.\n"
         "Empty: secret.key in STATE_DIR."),
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
    {"MAX_BODY_BYTES", CONFIG_SIZE, offsetof(struct config, max_body_bytes), "1048576", 1024,
     16777216, "Longest request body."},
    {"METRICS_EMF", CONFIG_BOOL, offsetof(struct config, metrics_emf), "no", 0, 0,
     "yes: write metrics for CloudWatch, as lines in its embedded metric format, to"},
    TEXT("METRICS_EMF_FILE", metrics_emf_file, "",
         "this file; empty: to stderr, between the log's lines;"),
    NUMBER("METRICS_INTERVAL_S", metrics_interval_s, "60", 1, 3600, "every so many seconds."),
    TEXT("METRICS_LISTEN", metrics_listen, "",
         "Answers GET /metrics for Prometheus: path of a Unix socket, or a loopback IP:PORT.\n"
         "Example: 127.0.0.1:9464"),
    TEXT("TOOLS_DIR", tools_dir, "/etc/mcp-authd/tools.d", "Manifests of tools (*.json)."),
    TEXT("CLIENTS_DIR", clients_dir, "/etc/mcp-authd/clients.d",
         "Client metadata documents that are pinned here and never fetched (*.json)."),
    TEXT("CLIENT_METADATA_CA_FILE", client_metadata_ca_file, "",
         "PEM file of certificate authorities that are trusted for client documents besides the\n"
         "system's. For tests and intranets."),
    TEXT("CLIENT_METADATA_ALLOW_NETS", client_metadata_allow_nets, "",
         "Private address ranges that client documents may come from, such as 10.1.0.0/16.\n"
         "For tests and intranets."),
};
const size_t config_key_count = sizeof config_keys / sizeof *config_keys;

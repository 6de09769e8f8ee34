/* Private part of config.h: the keys, in the order and by the topics of the annotated file. */
#include "config/config.h"

/* clang-format 14 and 19 do not agree here. */
/* clang-format off */
#define KEY(where, type, key, member, value, text)                                                 \
    .name = key, .kind = CONFIG_##type, .offset = offsetof(struct config, member), .initial = value,   \
    .help = text, .scope = CONFIG_##where
#define TEXT(where, ...) {KEY(where, TEXT, __VA_ARGS__)}
#define LIST(where, ...) {KEY(where, LIST, __VA_ARGS__)}
#define BOOL(where, ...) {KEY(where, BOOL, __VA_ARGS__)}
#define NUMBER(where, key, member, value, least, most, text)                                       \
    {KEY(where, NUMBER, key, member, value, text), .min = least, .max = most}
#define CHOICE(where, type, key, member, value, list, text)                                        \
    {KEY(where, type, key, member, value, text), .words = list}
#define WORD(name, word) " " #word
/* clang-format on */

const struct config_key config_keys[] = {
    TEXT(OWN, "MCP_SERVER_URI", mcp_server_uri, "",
         "---- Addresses ----\n\n"
         "The URL that a user types into an MCP client. Clients compare it byte for byte. Only a\n"
         "service without the groups metadata and mcp (ENDPOINTS) may leave it out: it is then\n"
         "made of https, the host name of the request, and /mcp.\n"
         "Example: https://mcp.example.com/mcp"),
    TEXT(OWN, "AUTH_PROXY_URI", auth_proxy_uri, "",
         "The OAuth issuer: /authorize, /callback and /token are below it. No slash at the\n"
         "end. Empty: scheme and host of MCP_SERVER_URI. At Cognito, the app client's callback\n"
         "URL is this with /callback appended."),
    TEXT(HOST, "SITES_DIR", sites_dir, "",
         "Files NAME.conf of further sites, with the same keys. What a site leaves out comes from\n"
         "this file, except for MCP_SERVER_URI, AUTH_PROXY_URI, SECRET_KEY_FILE, REVOKED_FILE,\n"
         "RUN_USER and SECRETS_DIR (a site has the folder NAME in that of this file). Empty:\n"
         "sites.d beside this file. See docs/hosting.md."),
    LIST(INHERITED, "ALLOWED_ORIGINS", allowed_origins, "",
         "Web origins whose pages may call the MCP endpoint, besides its own; * for all.\n"
         "Example: https://inspector.example.com"),
    TEXT(INHERITED, "SERVER_NAME", server.name, "mcp-authd",
         "---- What clients and users are told of the server ----\n\n"
         "The MCP server's name for programs: letters, digits, dots, underscores and hyphens."),
    TEXT(INHERITED, "SERVER_TITLE", server.title, "",
         "Its name for people, such as on the consent page. Empty: SERVER_NAME."),
    TEXT(INHERITED, "SERVER_ICON", server.icons, "",
         "Address of its icon (https or data), or two: for light and for dark screens."),
    TEXT(INHERITED, "SERVER_WEBSITE", server.website, "", "Address of a page about it."),
    TEXT(INHERITED, "SERVER_DOCUMENTATION", server.documentation, "",
         "Address of its documentation, for developers (RFC 9728 §2)."),
    TEXT(INHERITED, "SERVER_POLICY", server.policy, "",
         "Address of a page that says what happens with users' data."),
    TEXT(INHERITED, "SERVER_TERMS", server.terms, "", "Address of its terms of service."),
    TEXT(INHERITED, "SERVER_INSTRUCTIONS_FILE", server.instructions_file, "",
         "File with a text of at most 16384 bytes that tells a client's model what the server is\n"
         "for and how its tools work together; read again on HUP."),
    TEXT(INHERITED, "COGNITO_REGION", aws_region, "",
         "---- The identity provider ----\n\n"
         "AWS region of the user pool, such as eu-west-1. Empty: the region in the pool's ID."),
    TEXT(INHERITED, "COGNITO_USER_POOL_ID", cognito_user_pool_id, "",
         "The user pool, such as eu-west-1_AbCdEfGhI."),
    TEXT(INHERITED, "COGNITO_CLIENT_ID", idp.client_id, "",
         "The pool's app client: public (no secret), authorization code grant, the scopes below.\n"
         "Use one for each MCP_SERVER_URI: services that share one accept each other's tokens,\n"
         "unless REQUIRE_AUDIENCE keeps them apart."),
    LIST(INHERITED, "COGNITO_CLIENT_IDS", idp.client_ids, "",
         "Other app clients of the pool, whose users may call with their access tokens, too. Each\n"
         "may have a limit, of calls a minute that start programs: ID or ID=600. See\n"
         "docs/access.md."),
    LIST(INHERITED, "COGNITO_MACHINE_CLIENT_IDS", idp.machine_client_ids, "",
         "App clients of programs that call without a user (client credentials), in the same\n"
         "form. /token passes their requests on to Cognito."),
    TEXT(INHERITED, "COGNITO_DOMAIN", cognito_domain, "",
         "The pool's domain: its prefix, or a custom domain such as login.example.com."),
    TEXT(INHERITED, "COGNITO_ISSUER", idp.issuer, "",
         "Set these five only for an OpenID provider other than Cognito; by default they are\n"
         "derived from region, pool and domain."),
    TEXT(INHERITED, "COGNITO_AUTHORIZE_URL", idp.authorize_url, "", ""),
    TEXT(INHERITED, "COGNITO_TOKEN_URL", idp.token_url, "", ""),
    TEXT(INHERITED, "COGNITO_JWKS_URL", idp.jwks_url, "", ""),
    TEXT(INHERITED, "COGNITO_REVOKE_URL", idp.revoke_url, "", ""),
    LIST(INHERITED, "SUPPORTED_SCOPES", supported_scopes, "openid email profile mcp-server/tools",
         "Scopes that clients may ask for. Others are removed from the request to Cognito."),
    LIST(INHERITED, "REQUIRED_SCOPES", required_scopes, "mcp-server/tools",
         "Scopes that every call of the MCP endpoint needs. Each login asks for them."),
    CHOICE(INHERITED, CHOICE, "REQUIRE_AUDIENCE", require_audience, "auto", AUDIENCES(WORD),
           "yes: access tokens must name MCP_SERVER_URI as their audience (aud), so that no other\n"
           "service of the same app client can use them here. Each login then asks for it\n"
           "(RFC 8707). Cognito has this with managed login and the plans Essentials and Plus.\n"
           "auto: yes if another site of this daemon takes tokens of one of its app clients."),
    NUMBER(INHERITED, "REFRESH_REPLAY_S", refresh_replay_s, "120", 0, 240,
           "If a refresh token is sent again within so many seconds, it gets the same answer,\n"
           "so that parallel refreshes and lost answers log nobody out. A later reuse means\n"
           "that two parties have the token, and ends the login."),
    TEXT(
        HOST, "HTTPS_PROXY_UPSTREAM", https_proxy_upstream, "",
        "HTTP proxy on the way to the identity provider and to AWS (DynamoDB, STS), such as\n"
        "http://10.0.0.5:3128. It connects (CONNECT), and cannot read what is sent. Loopback,\n"
        "plain http, and the metadata endpoints of instances and containers are asked without it.\n"
        "Proxy settings of the environment are not used."),
    LIST(HOST, "NO_PROXY_UPSTREAM", no_proxy_upstream, "",
         "Hosts and domains, with all below them, that are asked without it, such as\n"
         "dynamodb.eu-west-1.amazonaws.com internal.example.com."),
    TEXT(INHERITED, "CLIENTS_DIR", clients_dir, "/etc/mcp-authd/clients.d",
         "---- Clients and consent ----\n\n"
         "Pinned client metadata documents (*.json), which are never fetched.\n"
         "/usr/share/mcp-authd/clients.d has documents of many clients."),
    LIST(INHERITED, "CLIENTS_ALLOW", clients_allow, "",
         "Clients that may log users in, by the address of their document: hosts (claude.ai),\n"
         "domains (*.example.com, without example.com itself), documents\n"
         "(https://claude.ai/oauth/client.json), or an address with a final slash for all\n"
         "below it. Empty: all. Pinned clients are always allowed. Users of clients that are\n"
         "pinned or named here need not tick a box to confirm that they started the login."),
    LIST(INHERITED, "CLIENTS_DENY", clients_deny, "",
         "Clients that may not log users in: in the same form, or by client_id. Overrides\n"
         "CLIENTS_ALLOW and pinned clients."),
    BOOL(INHERITED, "DYNAMIC_REGISTRATION", dynamic_registration, "no",
         "yes: clients without a document may register at /register (RFC 7591). Nothing is\n"
         "stored: the client_id is the client's encrypted metadata, and expires after 90 days.\n"
         "Such clients have no host that could be verified, so CLIENTS_ALLOW does not apply to\n"
         "them."),
    LIST(INHERITED, "PRIVATE_USE_SCHEMES", private_use_schemes, "cursor",
         "Schemes of apps allowed in redirect URIs (cursor://…), besides https, loopback and\n"
         "schemes with a dot (RFC 8252 §7.1). Any app on a user's computer can register a\n"
         "scheme, so name only those of clients that support nothing better."),
    TEXT(INHERITED, "CLIENT_METADATA_CA_FILE", client_metadata_ca_file, "",
         "PEM file of certificate authorities that are trusted, besides the system's, for\n"
         "client documents, and by doctor for the public addresses. For tests and intranets."),
    LIST(INHERITED, "CLIENT_METADATA_ALLOW_NETS", client_metadata_allow_nets, "",
         "Private address ranges that client documents may come from, such as 10.1.0.0/16.\n"
         "For tests and intranets."),
    TEXT(INHERITED, "CLIENT_METADATA_PROXY", client_metadata_proxy, "",
         "HTTP proxy for fetching client documents, such as http://10.0.0.5:3128. It resolves\n"
         "the host names, and must refuse private addresses itself. Proxy settings of the\n"
         "environment are not used."),
    NUMBER(INHERITED, "CONSENT_REMEMBER_DAYS", consent_remember_days, "30", 0, 365,
           "For how many days a user may let the browser remember a consent; 0: never. Never\n"
           "for clients whose redirect URI is not https, since it cannot be verified which\n"
           "program receives the answer."),
    BOOL(INHERITED, "USE_OTHER_ACCOUNT", use_other_account, "no",
         "yes: the consent page has a button that ends the browser's login at Cognito (/logout)\n"
         "and lets the user log in with another account. Another provider is asked with\n"
         "prompt=select_account."),
    TEXT(INHERITED, "TEMPLATES_DIR", templates_dir, "/etc/mcp-authd/templates",
         "Pages that replace the built-in ones: consent.html, continue.html, error.html,\n"
         "server.html. See docs/templates.md."),
    TEXT(INHERITED, "TOOLS_DIR", tools_dir, "/etc/mcp-authd/tools.d",
         "---- Tools, resources, prompts and skills ----\n\n"
         "Manifests of tools (*.json)."),
    TEXT(INHERITED, "RESOURCES_DIR", resources_dir, "/etc/mcp-authd/resources.d",
         "Manifests of resources (*.json); empty: none."),
    TEXT(INHERITED, "PROMPTS_DIR", prompts_dir, "/etc/mcp-authd/prompts.d",
         "Manifests of prompts (*.json); empty: none."),
    TEXT(INHERITED, "SKILLS_DIR", skills_dir, "/etc/mcp-authd/skills.d",
         "Skills (NAME/SKILL.md, with its files); empty: none. See docs/skills.md."),
    TEXT(INHERITED, "SERVERS_DIR", servers_dir, "/etc/mcp-authd/servers.d",
         "Manifests of MCP servers (*.json); empty: none. See docs/servers.md."),
    TEXT(OWN, "SECRETS_DIR", secrets_dir, "/etc/mcp-authd/secrets",
         "Secrets of programs (run.secrets of a manifest), each in a file that only the daemon\n"
         "can read."),
    BOOL(INHERITED, "LIST_FORBIDDEN", list_forbidden, "yes",
         "yes: lists have all tools, resources and prompts, and a call without a necessary\n"
         "scope gets a challenge that names it, so that the client can ask for it. no: lists\n"
         "have only what the caller may use."),
    TEXT(INHERITED, "ACCESS_FILE", access_file, "",
         "Rules that say which groups, scopes, clients and users may use which tools, prompts and\n"
         "resources, such as: deny tool:admin_* *. Read again when it changes. Empty: none, only\n"
         "what manifests demand. See docs/access.md."),
    TEXT(INHERITED, "RUNNER_SOCKET", runner_socket, "",
         "Socket of the service that starts programs as another user (mcp-authd-runner). Empty:\n"
         "the daemon starts a process of its own for that. Read at the start only."),
    TEXT(
        OWN, "RUN_USER", run_user, "",
        "User that programs run as, if the daemon runs as root and RUNNER_SOCKET is empty.\n"
        "Empty: the daemon's own user; then only Landlock keeps programs from its files. Read\n"
        "at the start only. In a site's file: the user whose runner it uses, so its RUNNER_SOCKET\n"
        "is /run/mcp-authd-runner/USER.sock (mcp-authd-runner@USER.socket)."),
    NUMBER(INHERITED, "STREAM_KEEP_ALIVE_S", stream_keep_alive_s, "5", 1, 60,
           "After so many seconds of silence an event stream gets a comment, and a call\n"
           "without a message yet begins its stream. So proxies do not time out, and a\n"
           "disconnected client is noticed. With protocol version 2026-07-28 its program is\n"
           "then ended."),
    NUMBER(HOST, "CALLS_MAX", calls_max, "64", 1, 1024,
           "Calls of programs (of tools, resources, prompts and completions) that run at the\n"
           "same time on this host. Each has a worker of its own, besides WORKERS_MAX."),
    NUMBER(INHERITED, "CALLS_PER_USER", calls_per_user, "0", 0, 1024,
           "Of these, the calls of one user; 0: a quarter of CALLS_MAX."),
    NUMBER(INHERITED, "SITE_CALLS", site_calls, "0", 0, 1024,
           "Of these, the calls of one site, if SITES_DIR has several; 0: a third of CALLS_MAX."),
    NUMBER(HOST, "TASKS_MAX", tasks_max, "64", 1, 1024,
           "Tasks (calls that run long) whose programs run at the same time on this host. Of\n"
           "several sites each may have a third."),
    NUMBER(INHERITED, "TASKS_MAX_USER", tasks_max_user, "16", 1, 1024,
           "Of these, the tasks of one user."),
    NUMBER(INHERITED, "RATE_LIMIT_ADDRESS", rate_limit_address, "600", 0, 6000,
           "---- Limits and the deny list ----\n\n"
           "Requests a minute to the OAuth endpoints from one address (IPv6: one /64), for all\n"
           "workers together; 0: no limit. The default is high, since an address may be an\n"
           "office or a hosted client. If an address sends as many wrongly signed access tokens a\n"
           "minute, its tokens that were not checked before are refused for a moment."),
    NUMBER(INHERITED, "RATE_LIMIT_CLIENT", rate_limit_client, "120", 0, 6000,
           "Of these, requests a minute that name the same client_id; 0: no limit. A hosted\n"
           "client refreshes the tokens of all its users from a few addresses: raise it for\n"
           "thousands of users."),
    NUMBER(INHERITED, "RATE_LIMIT_USER", rate_limit_user, "600", 0, 6000,
           "Programs of tools, resources, prompts and completions that one user may start in a\n"
           "minute; 0: no limit. Other calls of the MCP endpoint are not limited."),
    NUMBER(HOST, "MAX_BODY_BYTES", max_body_bytes, "1048576", 1024, 16777216,
           "Longest request body."),
    TEXT(INHERITED, "DENY_FILE", deny_file, "/etc/mcp-authd/deny.conf",
         "Clients, users and tokens that are refused; read again on HUP. Lines are client ID,\n"
         "subject SUB or issued-before TIME. See docs/operating.md."),
    TEXT(OWN, "REVOKED_FILE", revoked_file, "",
         "Digests of access tokens that were revoked. Empty: revoked in STATE_DIR. If token and\n"
         "mcp are services of their own, they need the same file, which both users can write."),
    CHOICE(INHERITED, CHOICE, "SESSION_STORE", session_store, "", SESSION_STORES(WORD),
           "---- Sessions, keys and state ----\n\n"
           "Where logins in progress are stored: lmdb (files in STATE_DIR; one host) or dynamodb\n"
           "(any number of hosts; they need the same SECRET_KEY_FILE). Empty: dynamodb if\n"
           "SESSION_TABLE_NAME is set, otherwise lmdb. Region, credentials and endpoint of\n"
           "DynamoDB come from AWS's own environment variables and files (AWS_REGION,\n"
           "AWS_PROFILE, …) and the role of the machine or container, not from this file."),
    TEXT(INHERITED, "SESSION_TABLE_NAME", session_table_name, "mcp-auth-sessions",
         "The DynamoDB table (name or ARN): partition key sessionId (String), TTL on ttl."),
    TEXT(INHERITED, "TASK_TABLE_NAME", task_table_name, "",
         "The DynamoDB table of tasks (calls that run long), so that any host can answer for\n"
         "them: its name, or its ARN. Partition key taskId (String), TTL on ttl. Empty: tasks\n"
         "are stored in STATE_DIR, and only this host knows them."),
    TEXT(
        HOST, "STATE_DIR", state_dir, "/var/lib/mcp-authd",
        "Files that survive a restart. Each daemon needs its own. A site of SITES_DIR has them in\n"
        "the folder sites/NAME in it."),
    TEXT(OWN, "SECRET_KEY_FILE", secret_key_file, "",
         "Keys that encrypt (seal) what clients and browsers get and send back, mode 0600. Empty:\n"
         "secret.key in STATE_DIR, which the first start makes. Any other file must exist:\n"
         "mcp-authd make-key FILE makes it. See docs/keys.md."),
    TEXT(HOST, "STATUS_FILE", status_file, "",
         "What `mcp-authd status` shows, as JSON. Empty: status.json in STATE_DIR."),
    TEXT(HOST, "LISTEN", listen, "/run/mcp-authd/mcp-authd.sock",
         "---- Processes ----\n\n"
         "Path of the Unix socket for the web server, or IP:PORT. Not used if systemd or the web\n"
         "server passes a socket."),
    CHOICE(HOST, CHOICES, "ENDPOINTS", endpoints, ENDPOINT_GROUP_WORDS, ENDPOINT_GROUP_WORDS,
           "Groups of endpoints that this service answers. Choose some for one service per\n"
           "group, each with its own user and AWS credentials."),
    NUMBER(HOST, "WORKERS_MIN", workers_min, "2", 1, 256, "Smallest number of worker processes."),
    NUMBER(HOST, "WORKERS_MAX", workers_max, "16", 1, 256,
           "Largest number of worker processes, besides those that run calls (CALLS_MAX). Each\n"
           "serves one request at a time."),
    NUMBER(
        INHERITED, "SITE_WORKERS", site_workers, "0", 0, 256,
        "Of these, the workers of one site, if SITES_DIR has several: a site with so many gets\n"
        "503 while at most a quarter of WORKERS_MAX is free, and half have been at their request\n"
        "for over 150 ms. 0: a third of WORKERS_MAX, and at least two."),
    NUMBER(HOST, "WORKER_MAX_REQUESTS", worker_max_requests, "10000", 1, 100000000,
           "Requests after which a worker is replaced."),
    TEXT(INHERITED, "AUDIT_LOG", audit_log, "",
         "---- Logs and metrics ----\n\n"
         "File for the audit log, lines of JSON. Empty: stderr, with the log."),
    CHOICE(INHERITED, CHOICES, "AUDIT_EVENTS", audit_events, "logins", AUDIT_EVENT_WORDS,
           "What the audit log has a line for: each request to the OAuth endpoints (logins), each\n"
           "call of a tool, prompt or resource (calls), or both."),
    CHOICE(INHERITED, CHOICE, "AUDIT_ARGUMENTS", audit_arguments, "none", AUDIT_ARGUMENTS(WORD),
           "digest: the line of a call has the SHA-256 of its arguments."),
    BOOL(HOST, "METRICS_EMF", metrics_emf, "no",
         "yes: write metrics for CloudWatch, in its embedded metric format."),
    TEXT(HOST, "METRICS_EMF_FILE", metrics_emf_file, "",
         "File for these metrics. Empty: stderr, with the log."),
    NUMBER(HOST, "METRICS_INTERVAL_S", metrics_interval_s, "60", 1, 3600,
           "How often they are written, in seconds."),
    TEXT(HOST, "METRICS_LISTEN", metrics_listen, "",
         "Answers GET /metrics for Prometheus: path of a Unix socket, or a loopback IP:PORT.\n"
         "Example: 127.0.0.1:9464"),
    NUMBER(HOST, "SITES_METRICS", sites_metrics, "20", 0, 4096,
           "Of several sites (SITES_DIR), so many have metrics of their own: the first by name,\n"
           "and then those that come later. All others count as the site other. In CloudWatch\n"
           "each has four metrics that are paid for. Read at the start only."),
};
const size_t config_key_count = sizeof config_keys / sizeof *config_keys;

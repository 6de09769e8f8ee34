/* Private part of app.h: mcp-authd call, a call of a tool without client, login and web server. It
 * acts as a client of 2026-07-28 that supports everything. */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include "access/deny_list.h"
#include "app/app.h"
#include "app/call_report.h"
#include "base/json.h"
#include "base/problems.h"
#include "base/text.h"
#include "catalog/servers.h"
#include "catalog/tools.h"
#include "crypto/seal.h"
#include "exec/executor.h"
#include "exec/input_required.h"
#include "exec/methods.h"
#include "exec/tasks.h"
#include "mcp/bearer_auth.h"
#include "mcp/headers.h"
#include "web/sse.h"

#define CALL_ARENA_MAX ((size_t)256 << 20)
#define TOKEN_LIFE_S 3600
#define NO_CLIENT_ID "mcp-authd-call" /* where none is configured */
#define CAPABILITIES                                                                               \
    "{\"elicitation\":{\"form\":{},\"url\":{}},\"sampling\":{\"tools\":{},\"context\":{}},"        \
    "\"roots\":{},\"extensions\":{\"" TASKS_EXTENSION "\":{}}}"

struct local_call {
    const struct call_options *options;
    struct arena *arena;
    struct config config;
    struct mcp_site mcp;
    struct site site;
    const struct tool *tool;
    struct token_claims claims;
    struct json *arguments, *given_claims, *capabilities, *inputs[CALL_INPUTS_MAX];
    struct program_usage usage;
    struct call_report report;
    struct reply_sink sink; /* the stream of the call */
};

/* ---- what is given ---- */

/* An object on the command line; `what` names it in the message. */
static bool read_object(struct arena *a, const char *what, const char *text, struct json **out) {
    struct err e;

    if (json_parse(a, text, strlen(text), out, &e))
        (void)fprintf(stderr, "mcp-authd call: %s: %s\n", what, e.text);
    else if (!json_is_object(*out))
        (void)fprintf(stderr, "mcp-authd call: %s: must be a JSON object\n", what);
    else
        return true;
    return false;
}

static bool read_json(struct local_call *l) {
    const struct call_options *o = l->options;
    bool good =
        read_object(l->arena, "the arguments", o->arguments ? o->arguments : "{}", &l->arguments);

    good =
        read_object(l->arena, "--claims", o->claims ? o->claims : "{}", &l->given_claims) && good;
    for (unsigned i = 0; i < o->input_count; i++)
        good = read_object(l->arena, "--input", o->inputs[i], &l->inputs[i]) && good;
    if (json_parse(l->arena, CAPABILITIES, sizeof CAPABILITIES - 1, &l->capabilities, ERR_IGNORED))
        abort();
    return good;
}

/* Why there is no such tool: its manifest is wrong, or its name. */
static void report_missing(const struct local_call *l) {
    const struct list *tools = &l->mcp.catalog->sets[CATALOG_TOOLS]->lists[0];
    const char **names = arena_alloc(l->arena, (tools->count + 1) * sizeof *names), *meant;
    const char *dir = l->site.config->tools_dir;

    for (size_t i = 0; i < tools->count; i++)
        names[i] = tools->entries[i]->name;
    meant = suggest(l->options->tool, names);
    (void)fprintf(stderr, "mcp-authd call: there is no tool %s in %s%s%s%s\n",
                  text_quotable(l->arena, l->options->tool),
                  *dir ? dir : "TOOLS_DIR, which is empty", meant ? "; did you mean " : "",
                  meant ? meant : "", meant ? "?" : "");
}

/* As a worker loads them. */
static bool load_tool(struct local_call *l) {
    struct problems p;

    problems_begin(&p);
    l->mcp.catalog = catalog_new(l->site.config, &executor_sources);
    (void)catalog_load(l->mcp.catalog, CATALOG_TOOLS, p.f);
    (void)catalog_servers_update(l->mcp.catalog, p.f);
    l->tool = catalog_tool(l->mcp.catalog, l->options->tool);
    for (const char *line; (line = problems_next(&p));)
        if (!l->tool)
            (void)fprintf(stderr, "%s\n", line);
    if (!l->tool)
        report_missing(l);
    return l->tool;
}

/* As an array, whatever was given. */
static const char *groups_of(const struct local_call *l) {
    const struct json *groups = json_get(l->given_claims, "cognito:groups");

    return json_is_array(groups) ? json_text(l->arena, groups, NULL) : "[]";
}

/* The caller's access token, as if it were verified. */
static void make_claims(struct local_call *l) {
    const struct config *c = l->site.config;
    const struct passwd *p = getpwuid(getuid());
    const char *user = l->options->user;
    const int64_t now_s = clock_now_s(&l->site.clock);
    struct json *all;

    if (!user)
        user = p ? arena_strdup(l->arena, p->pw_name) : "nobody";
    l->claims =
        (struct token_claims){.sub = user,
                              .username = user,
                              .client_id = *c->idp.client_id ? c->idp.client_id : NO_CLIENT_ID,
                              .scope = l->options->scopes,
                              .jti = "",
                              .groups = groups_of(l),
                              .exp = now_s + TOKEN_LIFE_S,
                              .iat = now_s};
    if (!l->claims.scope)
        l->claims.scope =
            arena_printf(l->arena, "%s %s", c->required_scopes,
                         list_without(l->arena, l->tool->entry.access.scopes, c->required_scopes));
    all = json_clone(l->arena, l->given_claims);
    json_put_str(all, "sub", user);
    json_put_str(all, "username", user);
    json_put_str(all, "client_id", l->claims.client_id);
    json_put_str(all, "scope", l->claims.scope);
    l->claims.all = json_text(l->arena, all, NULL);
}

/* DENY_FILE, as the daemon reads it for each token. */
static bool is_denied(struct local_call *l, struct err *e) {
    unsigned bad;

    l->site.deny = deny_load(l->site.config->deny_file, clock_now_s(&l->site.clock), stderr, &bad);
    if (!bearer_is_denied(l->site.deny, &l->claims))
        return false;
    (void)err_set(e, ERR_INVALID_TOKEN, "DENY_FILE (%.160s) has this caller",
                  l->site.config->deny_file);
    return true;
}

/* ---- the call ---- */

static enum rc sink_begin(struct reply_sink *s, const struct reply *rp) {
    (void)s;
    (void)rp;
    return OK;
}

/* One event; comments keep a connection open, of which there is none. */
static enum rc sink_write(struct reply_sink *s, const char *p, size_t len) {
    struct local_call *l =
        (struct local_call *)(void *)((char *)s - offsetof(struct local_call, sink));
    const size_t begin = sizeof SSE_DATA - 1;
    struct json *message;

    if (len > begin && !strncmp(p, SSE_DATA, begin) &&
        !json_parse(l->arena, p + begin, len - begin, &message, ERR_IGNORED))
        call_report_message(&l->report, message);
    return OK;
}

static void sink_end(struct reply_sink *s) {
    (void)s;
}

static struct json *make_params(const struct local_call *l, struct json *responses,
                                const char *state) {
    struct json *params = json_new_object(l->arena);

    json_put(params, "_meta",
             json_new_member(l->arena, "progressToken", json_new_string(l->arena, "call")));
    json_put_str(params, "name", l->tool->entry.name);
    json_put(params, "arguments", l->arguments);
    json_put_given(params, "inputResponses", responses);
    json_put_str(params, "requestState", state);
    return params;
}

/* Calls once. The result is in the report. */
static enum rc call_once(struct local_call *l, struct json *params, struct err *e) {
    static char *const no_headers[] = {NULL};
    struct request rq = {.arena = l->arena,
                         .id = "call",
                         .method = "POST",
                         .path = "",
                         .query = "",
                         .content_type = "application/json",
                         .remote_addr = "",
                         .body = "",
                         .params = no_headers,
                         .started_ms = clock_monotonic_ms()};
    struct reply rp;
    struct exchange x = {&l->site, &rq, &rp};
    struct mcp_call c = mcp_call_begin(&x);
    enum rc rc;

    reply_init(&rp, l->arena);
    rp.sink = &l->sink;
    c.msg = (struct mcp_message){.kind = MCP_REQUEST,
                                 .id = json_new_string(l->arena, "call"),
                                 .method = "tools/call",
                                 .params = params,
                                 .protocol = PROTOCOL_STATELESS,
                                 .version = MCP_VERSION_STATELESS};
    c.client = (struct mcp_client){.claims = &l->claims, .capabilities = l->capabilities};
    c.usage = &l->usage;
    if (l->tool->task != TASK_NEVER) /* it runs here, for as long as a task may */
        c.cancel.deadline_ms = clock_monotonic_ms() + TASK_TIMEOUT_MS_MAX;
    rc = bearer_check_scopes(&x, &l->claims, l->tool->entry.access.scopes, e);
    if (!rc)
        rc = tool_call(&c, l->tool, l->arguments, e);
    if (!rc)
        rc = json_parse(l->arena, c.answer.result.p, c.answer.result.len, &l->report.result, e);
    l->report.outcome = rc == ERR_INSUFFICIENT_SCOPE ? "insufficient_scope" : c.answer.outcome;
    return rc;
}

/* The answers of --input to all that is asked for; NULL: some are missing. With several --input
 * each answers one round, and the last one all others. */
static struct json *find_answers(const struct local_call *l, unsigned round,
                                 const struct json *requests) {
    const unsigned count = l->options->input_count;
    const struct json *input = count ? l->inputs[round < count ? round : count - 1] : NULL;
    struct json *answers = json_new_object(l->arena);

    for (struct json_member m = json_first(requests); m.key; json_next(&m)) {
        if (!json_has(input, m.key))
            return NULL;
        json_put(answers, m.key, json_get(input, m.key));
    }
    return answers;
}

/* Calls again with answers, as a client does, while the tool asks for input. */
static enum call_status call_until_done(struct local_call *l, struct err *e) {
    struct json *answers = NULL, *requests;
    const char *state = NULL, *type;

    for (unsigned round = 0; round < INPUT_REQUIRED_MAX; round++) {
        if (call_once(l, make_params(l, answers, state), e))
            return CALL_REFUSED;
        type = json_get_str(l->report.result, "resultType");
        if (!type || strcmp(type, "input_required") != 0)
            return json_get_bool(l->report.result, "isError") ? CALL_TOOL_ERROR : CALL_OK;
        requests = json_get(l->report.result, "inputRequests");
        state = json_get_str(l->report.result, "requestState");
        answers = find_answers(l, round, requests);
        if (!answers)
            return CALL_INPUT_REQUIRED;
    }
    (void)err_set(e, ERR_RPC_INTERNAL, "the tool asks without end");
    return CALL_REFUSED;
}

static void init(struct local_call *l, const struct config *config, const struct call_options *o) {
    *l = (struct local_call){
        .options = o,
        .arena = arena_new(CALL_ARENA_MAX),
        .mcp.service = &exec_service,
        .usage.err = TEXT_LITERAL(""),
        .sink = {.begin = sink_begin, .write = sink_write, .end = sink_end, .fd = -1}};
    /* Without limits, stores and cache: such a call takes nothing from those of users. The key need
     * not open anything after this process. */
    l->config = *config;
    l->config.calls_max = 0;
    l->site = (struct site){.config = &l->config, .mcp = &l->mcp, .seal = seal_keys_new()};
    l->report = (struct call_report){.arena = l->arena,
                                     .tool = o->tool,
                                     .json = o->json,
                                     .usage = &l->usage,
                                     .messages = json_new_array(l->arena)};
}

int app_call_tool(const struct config *config, const struct call_options *o) {
    enum call_status status = CALL_USAGE;
    struct err e = {.code = OK};
    struct local_call l;

    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_WARN);
    init(&l, config, o);
    if (read_json(&l) && load_tool(&l)) {
        make_claims(&l);
        status = is_denied(&l, &e) ? CALL_REFUSED : call_until_done(&l, &e);
        if (!call_report_write(&l.report, status, &e)) {
            (void)fprintf(stderr, "mcp-authd call: standard output: %s\n", strerror(errno));
            status = CALL_REFUSED;
        }
    }
    deny_free(l.site.deny);
    catalog_free(l.mcp.catalog);
    seal_keys_free(l.site.seal);
    arena_free(l.arena);
    return (int)status;
}

#include "exec/server_call.h"

#include <errno.h>
#include <unistd.h>

#include "base/encode.h"
#include "crypto/digest.h"
#include "exec/program_start.h"
#include "exec/server_identity.h"
#include "mcp/session.h"
#include "runner/relay_client.h"

#define LINE_ARENA_MAX ((size_t)192 << 20) /* a message of RELAY_MESSAGE_MAX, and its values */
#define AGAIN_MS 5                         /* after a relay that was ending */
#define USER_BYTES 24                      /* of a digest */

/* ---- its relay ---- */

static void fail(struct server_answer *out, const char *outcome, const char *failure) {
    execution_fail(&out->execution, EXECUTION_ABORTED, outcome, failure);
}

static void not_started(struct mcp_call *c, const struct server *s, const char *why,
                        struct server_answer *out) {
    log_error("server_not_started", kv("server", s->name), kv("why", why));
    fail(out, "not_started", arena_printf(c->arena, "the server %s could not be started", s->name));
}

/* With the variable for the bridge, if the server wants to know who calls. */
static const char *const *with_service_identity(struct mcp_call *c, const struct server *s,
                                                const char *const *envp) {
    const char *jwt = server_service_identity(c, s), **out;
    size_t n = 0;

    if (!jwt)
        return envp;
    while (envp[n])
        n++;
    out = arena_alloc(c->arena, (n + 2) * sizeof *out);
    memcpy(out, envp, n * sizeof *envp);
    out[n] = arena_printf(c->arena, SERVER_SERVICE_VARIABLE "=%s", jwt);
    return out;
}

/* Starts the server and gives it to a relay. */
static bool start(struct mcp_call *c, const struct server *s, const struct instance_key *key,
                  struct server_answer *out) {
    const struct source source = {.kind = &server_source, .spec = &s->program};
    const struct invocation i = {.source = &source, .kind = "server", .name = s->name};
    struct program_start start;
    int fds[INSTANCE_FDS];
    struct err e = {0};
    bool ok = !program_start_begin(c, &i, &start, &e);

    if (ok) {
        start.run.envp = with_service_identity(c, s, start.run.envp);
        ok = process_start(&(struct process_spec){.run = start.run, .secrets = start.secrets}, fds);
        (void)(ok || err_set(&e, ERR_MISSING, "%s", strerror(errno)));
        program_start_end(&start);
    }
    if (!ok) {
        not_started(c, s, e.text, out);
        return false;
    }
    (void)instance_start(key, fds);
    descriptors_close(fds, INSTANCE_FDS);
    return true;
}

/* An address may serve both, and remembers nothing of us in 2026-07-28; a program that does not
 * know a request may say nothing to it. */
static uint32_t revisions_of(const struct server *s) {
    if (!s->revision)
        return s->is_address ? REVISIONS_STATELESS_FIRST : REVISIONS_HANDSHAKE_FIRST;
    return !strcmp(s->revision, SERVER_REVISION_HANDSHAKE) ? REVISIONS_HANDSHAKE
                                                           : REVISIONS_STATELESS;
}

static struct instance_key key_of(struct mcp_call *c, const struct server_request *r) {
    const struct server *s = r->server;
    const struct source source = {.kind = &server_source, .spec = &s->program};
    const struct invocation i = {.source = &source, .kind = "server", .name = s->name};
    struct instance_key key;

    program_instance_key(c, &i, &key);
    if (r->is_for_lists) /* the instance that all users share */
        memcpy(key.id, key.group, sizeof key.id);
    else if (s->program.lifetime == RUNS_ONCE)
        arc4random_buf(key.id, sizeof key.id);
    if (s->program.lifetime != PERSISTENT)
        key.instances_max = (uint32_t)s->instances_max;
    if (s->program.lifetime == RUNS_ONCE)
        key.idle_s = SERVER_CALL_IDLE_S;
    key.start_s = (uint32_t)s->start_s;
    key.call_ms = (uint32_t)s->timeout_ms;
    key.revisions = revisions_of(s);
    key.revision[0] ^= (uint8_t)key.revisions; /* another process, if it is asked for others */
    (void)snprintf(key.name, sizeof key.name, "%s", s->name);
    (void)snprintf(key.site, sizeof key.site, "%s", c->x->site->config->state_dir);
    return key;
}

struct instance_key server_instance_key(struct mcp_call *c, const struct server *s) {
    return key_of(c, &(struct server_request){.server = s, .is_for_lists = true});
}

/* Of an instance for one call, nobody but the ticket of that call knows the id: ID.TICKET. */
static const char *short_ticket(struct arena *a, const char *ticket, struct instance_key *key) {
    const char *dot = strchr(ticket, '.');
    size_t len = 0;
    const uint8_t *id = dot ? base64url_decode(a, ticket, (size_t)(dot - ticket), &len) : NULL;

    if (!id || len != sizeof key->id)
        return ticket;
    memcpy(key->id, id, len);
    return dot + 1;
}

/* A connection to the server's relay; NULL: *out says why there is none. */
static struct relay_connection *connect_relay(struct mcp_call *c, const struct server *s,
                                              const struct instance_key *key, int64_t until_ms,
                                              struct server_answer *out) {
    struct relay_connection *kept = relay_connection_find(key);
    uint32_t wait_ms = 0;
    int fd = -1;

    if (kept)
        return kept;
    while (clock_monotonic_ms() < until_ms) {
        enum instance_found found = instance_call(key, &fd, &wait_ms);

        if (found == INSTANCE_FOUND)
            return relay_connection_make(key, fd);
        if (found == INSTANCE_BACK_OFF && !wait_ms) {
            not_started(c, s, "no connection to the runner", out);
            return NULL;
        }
        if (found == INSTANCE_BACK_OFF) {
            fail(out, "not_started",
                 arena_printf(c->arena,
                              "the server %s has ended, and is started again in %u s; its log "
                              "says why",
                              s->name, (wait_ms + 999) / 1000));
            return NULL;
        }
        if (found == INSTANCE_NONE && !start(c, s, key, out))
            return NULL;
        if (found == INSTANCE_STARTING)
            clock_sleep_ms(wait_ms);
    }
    fail(out, "timeout", arena_printf(c->arena, "the server %s did not start in time", s->name));
    return NULL;
}

/* ---- a request ---- */

struct exchange_state {
    struct mcp_call *c;
    const struct server_request *request;
    struct server_answer *out;
    struct arena *scratch;
    struct relay_connection *connection;
    bool answered;
    bool is_kept; /* the connection, for the next request */
};

const char *server_user(struct mcp_call *c) {
    return sha256_base64url(c->arena, mcp_call_user(c), USER_BYTES);
}

static bool is_greeting(const struct server_request *r) {
    return !r->method && !r->ticket && !r->subscribe;
}

static void take_greeting(struct exchange_state *x, const struct json *v) {
    const struct json *initialize = json_get(v, "initialize");
    struct relay_connection *connection = x->connection;

    (void)snprintf(connection->stamp, sizeof connection->stamp, "%s", json_get_str(v, "stamp"));
    connection->is_stateless = json_has(initialize, "supportedVersions");
    connection->is_stored = false;
    x->out->capabilities = json_clone(x->c->arena, json_get(initialize, "capabilities"));
    x->answered = is_greeting(x->request);
}

static void take_relay_line(struct exchange_state *x, const struct json *v, const char *word) {
    const char *detail = json_get_str(v, "detail"), *name = x->request->server->name;
    struct arena *a = x->c->arena;

    if (!strcmp(word, RELAY_READY)) {
        take_greeting(x, v);
        return;
    }
    x->answered = true;
    x->is_kept = !strcmp(word, RELAY_SUBSCRIBED);
    if (!strcmp(word, RELAY_QUESTION)) {
        x->out->question = json_clone(a, v);
        json_del(x->out->question, "relay");
        x->out->ticket = json_get_str(x->out->question, "ticket");
        json_del(x->out->question, "ticket");
    } else if (!strcmp(word, RELAY_SUBSCRIBED))
        x->out->execution.outcome = "ok";
    else if (!strcmp(word, RELAY_GONE))
        fail(x->out, "lost",
             arena_printf(a, "the server %s has been started again, or the answer came too late",
                          name));
    else if (!strcmp(word, RELAY_BUSY))
        fail(x->out, "limited", arena_printf(a, "too many calls wait for the server %s", name));
    else
        fail(x->out, !strcmp(word, RELAY_ENDED) ? "lost" : "not_started",
             arena_printf(a, "the server %s %s: %s", name,
                          !strcmp(word, RELAY_ENDED) ? "has ended before it answered"
                                                     : "could not be started",
                          detail ? detail : "?"));
}

static void take_response(struct exchange_state *x, const struct json *v) {
    struct json *error = json_get(v, "error");
    int64_t id = 0;

    (void)json_get_int(v, "id", &id);
    if (id != x->connection->requests &&
        !x->request->ticket) /* a resumed call keeps its first id */
        return;
    x->answered = x->is_kept = true;
    if (json_is_object(json_get(v, "result"))) {
        x->out->execution.result = json_clone(x->c->arena, json_get(v, "result"));
        x->out->execution.outcome = "ok";
        return;
    }
    fail(x->out, "server_error",
         arena_printf(x->c->arena, "the server %s has answered with an error%s%s",
                      x->request->server->name, json_get_str(error, "message") ? ": " : "",
                      json_get_str(error, "message") ? json_get_str(error, "message") : ""));
    x->out->execution.end = EXECUTION_ERROR;
    if (error)
        x->out->error = json_clone(x->c->arena, error);
}

static void take_line(void *arg, const char *line, size_t len) {
    struct exchange_state *x = arg;
    const char *word, *method;
    struct json *v;
    struct err e;

    arena_reset(x->scratch);
    if (x->answered)
        return;
    if (json_parse(x->scratch, line, len, &v, &e)) {
        fail(x->out, "bad_output",
             arena_printf(x->c->arena, "the answer of the server %s cannot be read: %s",
                          x->request->server->name, e.text));
        x->answered = true;
        return;
    }
    word = json_get_str(v, "relay");
    method = json_get_str(v, "method");
    if (word)
        take_relay_line(x, v, word);
    else if (!method)
        take_response(x, v);
    else if (x->request->on_notification)
        x->request->on_notification(x->request->arg, x->scratch, method, json_get(v, "params"));
}

/* Lists, and what tells of changes, are asked for by no user. */
static bool is_of_user(const struct server_request *r) {
    return r->server->audience && !r->is_for_lists && !r->subscribe;
}

static struct text as_line(struct arena *a, const struct json *o) {
    struct text t = json_as_text(a, o);

    return text_join(a, (struct text[]){t, TEXT_LITERAL("\n")}, 2);
}

/* The server may have to be asked for the rest of an answer when the first JWT is not valid any
 * more. */
static struct text renewal(void *arg) {
    const struct exchange_state *x = arg;
    struct json *o = json_new_object(x->c->arena);

    json_put_str(o, "relay", RELAY_RENEW);
    json_put_str(o, SERVER_USER, server_identity(x->c, x->request->server));
    return as_line(x->c->arena, o);
}

static struct text request_line(struct mcp_call *c, const struct server_request *r, int64_t id) {
    struct json *o = json_new_object(c->arena);

    if (is_greeting(r))
        return TEXT_LITERAL("");
    if (is_of_user(r))
        json_put_str(o, SERVER_USER, server_identity(c, r->server));
    if (r->subscribe) {
        json_put_str(o, "relay", RELAY_SUBSCRIBE);
        json_put_str(o, "uri", r->subscribe);
        json_put_str(o, "user", r->user);
        json_put_int(o, "seconds", r->seconds);
    } else if (r->ticket) {
        json_put_str(o, "relay", RELAY_RESUME);
        json_put_str(o, "ticket", r->ticket);
        json_put(o, "answer", (struct json *)(uintptr_t)r->answer);
    } else {
        json_put_str(o, "jsonrpc", "2.0");
        json_put_int(o, "id", id);
        json_put_str(o, "method", r->method);
        json_put(o, "params", r->params);
        json_put_str(o, SERVER_SERVICE, server_service_identity(c, r->server));
        if (r->can_be_asked) {
            json_put_str(o, "relay", server_user(c));
            json_put(o, "capabilities", mcp_known_capabilities(c->arena, c->client.capabilities));
        }
        if (r->on_notification && mcp_log_level_name(c->client.log_level)) {
            json_put_int(o, "level", c->client.log_level);
            json_put_str(o, "levelName", mcp_log_level_name(c->client.log_level));
        }
    }
    return as_line(c->arena, o);
}

static void note_end(struct exchange_state *x, enum exchange_end end) {
    struct arena *a = x->c->arena;
    const char *name = x->request->server->name;

    switch (end) {
    case EXCHANGE_TIMED_OUT:
        fail(x->out, "timeout",
             arena_printf(a, "the server %s did not answer within %lld ms", name,
                          (long long)x->request->timeout_ms));
        break;
    case EXCHANGE_TOO_LONG:
        fail(x->out, "too_much_output",
             arena_printf(a, "the server %s sent more than %zu bytes", name, RELAY_MESSAGE_MAX));
        break;
    case EXCHANGE_CANCELLED:
        execution_fail(&x->out->execution, EXECUTION_CANCELLED, "cancelled",
                       "the call was cancelled");
        break;
    case EXCHANGE_LOST:
        fail(x->out, "lost",
             arena_printf(a, "the server %s was stopped in the middle of the call", name));
        break;
    case EXCHANGE_ANSWERED:
    case EXCHANGE_UNREAD:
        break;
    }
}

/* Of an answer: what the relay has said of its server. */
static void note_connection(struct exchange_state *x) {
    struct relay_connection *connection = x->connection;

    if (*connection->stamp)
        x->out->stamp = arena_strdup(x->c->arena, connection->stamp);
    x->out->is_stateless = connection->is_stateless;
    if (x->is_kept && !connection->is_broken && x->request->server->program.lifetime != RUNS_ONCE)
        x->out->is_stored = &connection->is_stored;
    else
        relay_connection_close(connection);
}

/* false: nobody has read the request, and it may be sent again. */
static bool exchange_once(struct exchange_state *x, int64_t until_ms) {
    const struct server_request *r = x->request;
    const struct relay_exchange spec = {.request = request_line(x->c, r, ++x->connection->requests),
                                        .file = r->subscribe ? r->file : -1,
                                        .until_ms = until_ms,
                                        .on_line = take_line,
                                        .arg = x,
                                        .answered = &x->answered,
                                        .renew = is_of_user(r) ? renewal : NULL,
                                        .renew_ms = SERVER_USER_RENEW_MS,
                                        .waiter = r->waiter};
    const enum exchange_end end = relay_exchange(x->c->arena, x->connection, &spec);

    note_end(x, end);
    if (end == EXCHANGE_ANSWERED)
        note_connection(x);
    return end != EXCHANGE_UNREAD;
}

void server_request(struct mcp_call *c, const struct server_request *given,
                    struct server_answer *out) {
    const int64_t until_ms = clock_monotonic_ms() + given->timeout_ms;
    const bool is_of_call = given->server->program.lifetime == RUNS_ONCE;
    struct instance_key key = key_of(c, given);
    struct server_request r = *given;
    struct exchange_state x = {
        .c = c, .request = &r, .out = out, .scratch = arena_new(LINE_ARENA_MAX)};

    if (is_of_call && r.ticket)
        r.ticket = short_ticket(c->arena, r.ticket, &key);
    *out = (struct server_answer){0};
    if (is_greeting(&r) &&
        (x.connection = relay_connection_find(&key))) /* its first line is read */
        relay_connection_close(x.connection);
    while ((x.connection = connect_relay(c, r.server, &key, until_ms, out))) {
        const bool was_kept = x.connection->requests;

        if (exchange_once(&x, until_ms))
            break;
        if (!was_kept)
            clock_sleep_ms(AGAIN_MS);
    }
    if (is_of_call && out->ticket)
        out->ticket = arena_printf(c->arena, "%s.%s",
                                   base64url_encode(c->arena, key.id, sizeof key.id), out->ticket);
    arena_free(x.scratch);
}

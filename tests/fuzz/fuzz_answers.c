/* Messages of other workers: what a client answered to the questions of a call, as it reaches the
 * worker that waits. Each line of an input is one message; it goes through a real socket. */
#include "input.h"
#include "shared/message_socket.h"
#include "standalone.h"

/* For struct pending_requests and how a message is taken. */
#include "exec/pending_requests.c"

#define LINE_MAX_BYTES 65536 /* fits the socket: one thread writes and reads */

static const char requests[] =
    "{\"a\":{\"method\":\"elicitation/create\",\"params\":{\"message\":\"?\",\"requestedSchema\":{"
    "\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":1}},\"required\":["
    "\"n\"]}}},"
    "\"b\":{\"method\":\"roots/list\"},"
    "\"c\":{\"method\":\"sampling/createMessage\",\"params\":{\"messages\":[],\"maxTokens\":1}}}";

static void expect(struct pending_requests *q, const char *key, const struct json *v) {
    q->list[q->count] = (struct pending_request){
        arena_printf(q->c->arena, "%s.%zu", q->token, q->count), key, json_get_str(v, "method"),
        client_answer_expected(q->c->arena, v, true), NULL};
    q->count++;
}

/* A request without an answer stays so, or has an answer that fits. */
static void check(const struct pending_requests *q) {
    size_t answered = 0;

    for (size_t i = 0; i < q->count; i++)
        if (q->list[i].answer &&
            !client_answer_fault(q->c->arena, q->list[i].expected, q->list[i].answer))
            answered++;
    MUST(q->count - q->unanswered <= answered);
}

/* The same requests are without an answer when the call is parked and when it goes on. */
static void check_parked(const struct pending_requests *q) {
    struct resumed resumed = {.fds = {-1, -1, -1}};
    struct request rq = {.resumed = &resumed};
    struct exchange x = {.rq = &rq};
    struct mcp_call c = {.x = &x, .arena = q->c->arena};
    struct pending_requests again = {.c = &c};
    struct input_required before = {.round = 3}, after = {.round = 0};
    struct json *saved;
    size_t len;
    const char *text = json_text(c.arena, save(q, &before), &len);
    struct err e;

    MUST(!json_parse(c.arena, text, len, &saved, &e));
    MUST((resumed.fds[PARKED_ANSWERS] = dup(STDERR_FILENO)) >= 0);
    MUST(restore(&again, &after, saved) && after.round == before.round);
    MUST(again.count == q->count && again.unanswered == q->unanswered &&
         !strcmp(again.token, q->token));
    for (size_t i = 0; i < q->count; i++)
        MUST(!strcmp(again.list[i].id, q->list[i].id) &&
             !strcmp(again.list[i].key, q->list[i].key) &&
             !strcmp(again.list[i].method, q->list[i].method) &&
             !strcmp(json_text(c.arena, again.list[i].expected, NULL),
                     json_text(c.arena, q->list[i].expected, NULL)) &&
             !strcmp(json_text(c.arena, again.list[i].answer, NULL),
                     json_text(c.arena, q->list[i].answer, NULL)));
    descriptor_close(again.socket);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    const struct token_claims claims = {.sub = "user-1"};
    const struct config config = {.site = ""};
    struct site site = {.config = &config};
    struct exchange x = {.site = &site};
    struct mcp_call c = {.x = &x, .arena = a, .client.claims = &claims};
    struct pending_requests q = {.c = &c, .token = "T"};
    struct json *asked;
    int m;
    struct buf message;
    struct err e = {.code = OK};
    const char *name = arena_printf(a, "fuzz-%d", (int)getpid());

    (void)fuzz_folder(); /* nothing is logged */
    MUST(!json_parse(a, requests, sizeof requests - 1, &asked, &e));
    for (struct json_member request = json_first(asked); request.key; json_next(&request))
        expect(&q, request.key, request.value);
    q.unanswered = q.count;
    MUST(!message_socket_open(name, &m, &e));
    buf_init(&message, a, LINE_MAX_BYTES);
    while (size && q.unanswered && !e.code) {
        const char *line = take_line_of(a, &data, &size);
        size_t len = strlen(line);

        if (len > LINE_MAX_BYTES)
            break;
        MUST(message_socket_send(name, line, len));
        MUST(message_socket_wait(m, -1, clock_monotonic_ms() + 10000, &message) ==
             MESSAGE_SOCKET_RECEIVED);
        MUST(message.len == len && !memcmp(message.p, line, len));
        if (take_message(&q, &message, &e))
            MUST(e.code == ERR_RPC_INTERNAL && is_utf8_text(e.text));
        else
            e.code = OK; /* it was left aside */
        if (!e.code)
            check(&q);
    }
    if (!e.code)
        check_parked(&q);
    descriptor_close(m);
    arena_free(a);
    return 0;
}

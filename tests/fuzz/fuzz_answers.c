/* Messages of other workers: what a client answered to the questions of a call, as it reaches the
 * worker that waits. Each line of an input is one message; it goes through a real socket. */
#include "input.h"
#include "shared/message_socket.h"
#include "standalone.h"

/* For struct client_requests and how a message is taken. */
#include "exec/input_required.c"

#define LINE_MAX_BYTES 65536 /* fits the socket: one thread writes and reads */

static const char requests[] =
    "{\"a\":{\"method\":\"elicitation/create\",\"params\":{\"message\":\"?\",\"requestedSchema\":{"
    "\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":1}},\"required\":["
    "\"n\"]}}},"
    "\"b\":{\"method\":\"roots/list\"},"
    "\"c\":{\"method\":\"sampling/createMessage\",\"params\":{\"messages\":[],\"maxTokens\":1}}}";

static void expect(struct client_requests *q, const char *key, const struct json *v) {
    q->keys[q->count] = key;
    q->methods[q->count] = json_get_str(v, "method");
    q->expected[q->count] = client_answer_expected(q->c->arena, v);
    q->count++;
}

/* What was open stays open, or has an answer that fits. */
static void check(const struct client_requests *q) {
    size_t answered = 0;

    for (size_t i = 0; i < q->count; i++)
        if (q->answers[i] && !client_answer_fault(q->c->arena, q->expected[i], q->answers[i]))
            answered++;
    MUST(q->count - q->open <= answered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena *a = arena_new(ARENA_BYTES);
    const struct token_claims claims = {.sub = "user-1"};
    struct mcp_call c = {.arena = a, .client.claims = &claims};
    struct client_requests q = {.c = &c, .token = "T"};
    struct json_member request;
    struct json *asked;
    struct message_socket *m;
    struct buf message;
    struct err e = {.code = OK};
    const char *name = arena_printf(a, "fuzz-%d", (int)getpid());

    (void)fuzz_folder(); /* nothing is logged */
    MUST(!json_parse(a, requests, sizeof requests - 1, &asked, &e));
    for (bool more = json_first(asked, &request); more; more = json_next(&request))
        expect(&q, request.key, request.value);
    q.open = q.count;
    MUST(!message_socket_open(name, &m, &e));
    buf_init(&message, a, LINE_MAX_BYTES);
    while (size && q.open && !e.code) {
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
    message_socket_close(m);
    arena_free(a);
    return 0;
}

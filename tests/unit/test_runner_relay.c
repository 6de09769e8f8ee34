/* What a relay sends, and to whom: floods, and calls that are given up. */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "runner/relay.h"

static struct relay r;
static struct relay_figures figures;
static struct relay_record record;

/* relay.c ends the process that it is in. */
void relay_end(struct relay *relay, const char *why) {
    relay->why = why;
}

static void from_server(const char *line) {
    arena_reset(r.arena);
    relay_from_server(&r, text_of(line));
}

static void from_caller(unsigned i, const char *line) {
    arena_reset(r.arena);
    assert_true(relay_from_caller(&r, &r.callers[i], text_of(line)));
}

static int setup(void **state) {
    (void)state;
    r = (struct relay){.callers_used = 2,
                       .key = {.call_ms = 60000},
                       .lists_file = -1,
                       .place = {&record, &figures}};
    r.callers[0].passed = r.callers[1].passed = -1;
    r.arena = arena_new((size_t)192 << 20);
    r.keep = arena_new((size_t)1 << 20);
    relay_initialize(&r);
    from_server("{\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\"}}");
    return r.state == RELAY_RUNNING ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    relay_queue_free(&r.callers[0].out);
    relay_queue_free(&r.callers[1].out);
    for (size_t i = 0; i < RELAY_CALLS_MAX; i++)
        relay_end_question(&r, &r.calls[i]);
    relay_queue_free(&r.to_server);
    arena_free(r.arena);
    arena_free(r.keep);
    return 0;
}

#define CALL "{\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}}"
#define OF(user) "{\"id\":1,\"method\":\"tools/call\",\"params\":{},\"relay\":\"" user "\"}"
#define ASK "{\"id\":\"q\",\"method\":\"roots/list\",\"params\":{}}"
#define LOG "{\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"x\"}}"

static void test_questions_of_a_server_that_reads_nothing_end_it(void **state) {
    size_t most = 0;

    (void)state;
    for (size_t i = 0; i <= RELAY_QUEUE_MAX / 32 && !r.why; i++) {
        from_server("{\"id\":\"abc\",\"method\":\"ping\"}");
        most = r.to_server.len;
    }
    assert_non_null(r.why);
    assert_in_range(most, RELAY_QUEUE_MAX, RELAY_QUEUE_MAX + 64);
}

static void test_lines_that_are_no_json_take_no_memory_for_long(void **state) {
    const size_t room = arena_room(r.keep);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        r.log_from_ms = 0;
        from_server("a line of a log, of which a server prints one after the other to stdout");
    }
    assert_int_equal(arena_room(r.keep), room);
}

static void test_log_messages_after_a_call_was_given_up_reach_nobody(void **state) {
    size_t len;

    (void)state;
    from_caller(0, OF("a"));
    from_server(LOG);
    assert_true(r.callers[0].out.len > 0);
    from_caller(1, OF("a"));
    relay_forget_caller(&r, &r.callers[0]);
    len = r.callers[1].out.len;
    from_server(LOG);
    assert_int_equal(r.callers[1].out.len, len);
}

static void test_a_log_message_may_be_of_a_call_that_was_given_up_long_ago(void **state) {
    (void)state;
    from_caller(0, OF("a"));
    relay_forget_caller(&r, &r.callers[0]);
    r.gave_up_until_ms = 0;
    from_caller(1, OF("b"));
    from_server(LOG);
    assert_int_equal(r.callers[1].out.len, 0);
    from_server("{\"id\":2,\"result\":{}}"); /* late, but then it is over */
    from_server(LOG);
    assert_true(r.callers[1].out.len > 0);
}

static void test_calls_that_were_given_up_are_remembered_to_a_limit(void **state) {
    (void)state;
    for (int i = 0; i <= RELAY_GIVEN_UP_MAX; i++) {
        from_caller(0, OF("a"));
        relay_forget_caller(&r, &r.callers[0]);
        from_server(arena_printf(r.keep, "{\"id\":%lld,\"result\":{}}", (long long)r.pinging->id));
    }
    r.gave_up_until_ms = 0;
    assert_int_equal(r.given_up_count, RELAY_GIVEN_UP_MAX);
    from_caller(1, OF("a")); /* all are its own */
    from_server(LOG);
    assert_true(r.callers[1].out.len > 0);
    from_caller(0, OF("b")); /* one user over */
    relay_forget_caller(&r, &r.callers[0]);
    r.gave_up_until_ms = 0;
    relay_queue_free(&r.callers[1].out);
    from_server(LOG);
    assert_int_equal(r.callers[1].out.len, 0);
}

static void test_a_log_message_that_names_its_call_reaches_its_user_alone(void **state) {
    (void)state;
    from_caller(0, OF("a"));
    from_caller(1, OF("b"));
    from_server("{\"method\":\"notifications/"
                "message\",\"params\":{\"_meta\":{\"progressToken\":3},\"data\":\"x\"}}");
    assert_int_equal(r.callers[0].out.len, 0);
    assert_true(r.callers[1].out.len > 0);
    assert_null(memmem(r.callers[1].out.p, r.callers[1].out.len, "progressToken", 13));
}

static void test_a_call_that_is_given_up_early_has_its_time_to_end(void **state) {
    const int64_t now = clock_monotonic_ms();

    (void)state;
    from_caller(0, CALL);
    relay_forget_caller(&r, &r.callers[0]);
    assert_true(r.deadline_ms >= now + 60000 + RELAY_PING_MS);
    from_server("{\"id\":3,\"result\":{}}"); /* the ping */
    assert_true(r.deadline_ms == INT64_MAX);
}

static void test_a_call_whose_time_is_over_has_that_of_the_ping(void **state) {
    (void)state;
    r.key.call_ms = 0;
    from_caller(0, CALL);
    relay_forget_caller(&r, &r.callers[0]);
    assert_true(r.deadline_ms <= clock_monotonic_ms() + RELAY_PING_MS);
}

static void test_the_answer_to_a_ping_leaves_a_server_that_is_ended_no_more_time(void **state) {
    (void)state;
    from_caller(0, CALL);
    relay_forget_caller(&r, &r.callers[0]);
    r.state = RELAY_INPUT_CLOSED; /* it is idle, or not needed any more */
    r.deadline_ms = 1;
    from_server("{\"id\":3,\"result\":{}}");
    assert_null(r.pinging);
    assert_int_equal(r.deadline_ms, 1);
}

/* ---- what the server asks ---- */

/* All that waits in the queue, which is empty then. */
static const char *take(struct relay_queue *q) {
    const char *text = arena_strndup(r.keep, q->len ? q->p + q->from : "", q->len);

    relay_queue_take(q, q->len);
    return text;
}

static const char *to_server(void) {
    return take(&r.to_server);
}

static bool has(const char *text, const char *part) {
    return strstr(text, part);
}

/* The ticket of the question that the caller has got, and for which it closes the connection. */
static const char *asked(unsigned caller) {
    const char *ticket = strstr(take(&r.callers[caller].out), "\"ticket\":\"");

    assert_non_null(ticket);
    relay_forget_caller(&r, &r.callers[caller]);
    return arena_strndup(r.keep, ticket + 10, RELAY_TICKET_LEN);
}

/* A call by caller 0 that has asked and is parked. Returns its ticket. */
static const char *park(const char *call) {
    from_caller(0, call);
    from_server(ASK);
    return asked(0);
}

static void resume(unsigned caller, const char *ticket, const char *answer) {
    from_caller(caller,
                arena_printf(r.keep, "{\"relay\":\"resume\",\"ticket\":\"%s\"%s}", ticket, answer));
}
#define ANSWER ",\"answer\":{\"result\":{\"roots\":[]}}"

static void test_a_question_waits_for_its_answer_without_a_caller(void **state) {
    const char *ticket = park(OF("a"));

    (void)state;
    assert_int_equal(r.parked, 1);
    assert_false(has(to_server(), "cancelled"));
    resume(1, ticket, ANSWER);
    assert_int_equal(r.parked, 0);
    assert_true(has(to_server(), "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{\"roots\":[]}}"));
    from_server("{\"id\":2,\"result\":{}}");
    assert_string_equal(take(&r.callers[1].out), "{\"id\":1,\"result\":{}}\n");
    assert_int_equal(r.call_count, 0);
    resume(1, ticket, ANSWER);
    assert_true(has(take(&r.callers[1].out), RELAY_GONE));
}

static void test_an_answer_before_that_to_the_question_is_kept(void **state) {
    const char *ticket = park(OF("a"));

    (void)state;
    from_server("{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":\"q\"}}");
    from_server("{\"id\":2,\"result\":{\"late\":false}}");
    from_server("{\"id\":2,\"result\":{\"late\":true}}");
    (void)to_server();
    resume(1, ticket, ANSWER);
    assert_string_equal(to_server(), "");
    assert_string_equal(take(&r.callers[1].out), "{\"id\":1,\"result\":{\"late\":false}}\n");
    assert_int_equal(r.call_count, 0);
}

#define ROOTS(id) "{\"id\":\"" id "\",\"method\":\"roots/list\"}"
#define ANSWERED(id) "{\"jsonrpc\":\"2.0\",\"id\":\"" id "\",\"result\":{\"roots\":[]}}\n"

static void test_several_questions_of_a_call_are_asked_one_after_the_other(void **state) {
    const char *ticket = park(OF("a"));

    (void)state;
    from_server(ROOTS("s"));
    from_server(ROOTS("withdrawn"));
    from_server(ROOTS("t"));
    from_server(
        "{\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":\"withdrawn\"}}");
    (void)to_server();
    resume(1, ticket, ANSWER);
    assert_string_equal(to_server(), ANSWERED("q"));
    resume(0, asked(1), ANSWER);
    assert_string_equal(to_server(), ANSWERED("s"));
    from_server(ROOTS("u"));
    ticket = asked(0);
    from_server("{\"id\":2,\"result\":{}}");
    resume(1, ticket, ANSWER);
    assert_true(has(to_server(), ANSWERED("t") "{\"jsonrpc\":\"2.0\",\"id\":\"u\",\"error\":"));
    assert_string_equal(take(&r.callers[1].out), "{\"id\":1,\"result\":{}}\n");
    assert_int_equal(r.call_count, 0);
}

static void test_questions_that_wait_have_a_limit(void **state) {
    (void)park(OF("a"));

    (void)state;
    (void)to_server();
    while (!r.to_server.len && r.calls[2].next.len < 2 * RELAY_HELD_MAX)
        from_server(ROOTS("s"));
    assert_in_range(r.calls[2].next.len, RELAY_HELD_MAX, RELAY_HELD_MAX + 64);
    assert_true(has(to_server(), "asked for too much"));
}

#define PAGE(id)                                                                                   \
    "{\"id\":\"q\",\"method\":\"elicitation/create\",\"params\":{\"mode\":\"url\","                \
    "\"elicitationId\":\"" id "\",\"url\":\"https://example.com/\",\"message\":\"m\"}}"
#define ROOTS_OF(call)                                                                             \
    "{\"id\":\"r\",\"method\":\"roots/list\",\"params\":{\"_meta\":{\"progressToken\":" call "}}}"
#define COMPLETE(id)                                                                               \
    "{\"method\":\"notifications/elicitation/complete\",\"params\":{\"elicitationId\":" id "}}"

static void test_that_a_page_is_done_is_told_to_the_call_that_asked_for_it(void **state) {
    const char *ticket;

    (void)state;
    from_caller(0, OF("a"));
    from_server(PAGE("e"));
    ticket = asked(0);
    from_caller(0, OF("b"));
    resume(1, ticket, ",\"answer\":{\"result\":{\"action\":\"accept\"}}");
    from_server(ROOTS_OF("2")); /* while the user visits it */
    resume(1, asked(1), ANSWER);
    from_server(COMPLETE("\"other\""));
    from_server(COMPLETE("null"));
    from_server(COMPLETE("\"e\""));
    assert_string_equal(take(&r.callers[0].out), "");
    assert_string_equal(take(&r.callers[1].out), COMPLETE("\"e\"") "\n");
    from_server("{\"id\":2,\"result\":{}}");
    from_server(COMPLETE("\"e\""));
    assert_string_equal(take(&r.callers[1].out), "{\"id\":1,\"result\":{}}\n");
}

static void test_messages_of_a_batch_are_taken_each(void **state) {
    (void)state;
    from_caller(0, CALL);
    from_caller(1, CALL);
    (void)to_server();
    from_server(
        "[{\"id\":3,\"result\":{},\"relay\":\"gone\"},7,null,{\"id\":\"p\",\"method\":\"ping\"},"
        "{\"id\":2,\"error\":{\"code\":1}}]");
    assert_string_equal(to_server(), "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"result\":{}}\n");
    assert_string_equal(take(&r.callers[0].out), "{\"id\":1,\"error\":{\"code\":1}}\n");
    assert_string_equal(take(&r.callers[1].out), "{\"id\":1,\"result\":{}}\n");
    assert_int_equal(r.log_from_ms, 0);
    from_server("[]");
    assert_int_not_equal(r.log_from_ms, 0); /* as a line that is no JSON */
}

static void test_nobody_is_asked_for_another_user(void **state) {
    (void)state;
    from_caller(0, OF("a"));
    from_caller(1, OF("b"));
    (void)to_server();
    from_server(ASK);
    assert_true(has(to_server(), "cannot be told which call"));
    from_server(
        "{\"id\":\"q\",\"method\":\"roots/list\",\"params\":{\"_meta\":{\"progressToken\":3}}}");
    assert_true(has(take(&r.callers[1].out), RELAY_QUESTION));
    assert_int_equal(r.callers[0].out.len, 0);
    relay_forget_caller(&r, &r.callers[0]); /* the server may still work for a */
    relay_forget_caller(&r, &r.callers[1]);
    from_caller(0, OF("b"));
    (void)to_server();
    from_server("{\"id\":\"other\",\"method\":\"roots/list\"}");
    assert_true(has(to_server(), "cannot be told which call"));
    r.gave_up_until_ms = 0;
    from_server("{\"id\":\"other\",\"method\":\"roots/list\"}");
    assert_true(has(take(&r.callers[0].out), RELAY_QUESTION));
}

static void test_a_question_of_a_call_that_is_over_is_for_no_other_call(void **state) {
    (void)state;
    from_caller(0, OF("a"));
    from_server("{\"id\":2,\"result\":{}}");
    from_caller(1, OF("b"));
    (void)to_server();
    from_server(
        "{\"id\":\"q\",\"method\":\"roots/list\",\"params\":{\"_meta\":{\"progressToken\":2}}}");
    assert_true(has(to_server(), "the call that its progressToken names is over"));
    assert_int_equal(r.callers[1].out.len, 0);
    from_server(/* a token of its own */
                "{\"id\":\"q\",\"method\":\"roots/"
                "list\",\"params\":{\"_meta\":{\"progressToken\":0}}}");
    assert_true(has(take(&r.callers[1].out), RELAY_QUESTION));
}

static void test_one_who_cannot_be_asked_is_not(void **state) {
    (void)state;
    from_caller(0, CALL);
    (void)to_server();
    from_server(ASK);
    assert_true(has(to_server(), "cannot be told which call"));
    from_server("{\"id\":\"q\",\"method\":\"other\"}");
    assert_true(has(to_server(), "-32601"));
}

static void test_parked_calls_have_a_limit_of_each_user(void **state) {
    const char *first = park(OF("a"));

    (void)state;
    for (int i = 1; i < RELAY_PARKED_USER_MAX; i++) {
        r.calls[2].until_ms = 1;
        (void)park(OF("a"));
    }
    assert_int_equal(r.parked, RELAY_PARKED_USER_MAX);
    (void)to_server();
    (void)park(OF("a"));
    assert_int_equal(r.parked, RELAY_PARKED_USER_MAX);
    assert_true(has(to_server(), "notifications/cancelled"));
    resume(1, first, ANSWER);
    assert_true(has(take(&r.callers[1].out), RELAY_GONE));
}

static void test_parked_calls_have_a_limit_of_all(void **state) {
    (void)state;
    for (int i = 0; i < RELAY_PARKED_MAX; i++) {
        r.gave_up_until_ms = 0;
        for (size_t n = 0; n < RELAY_CALLS_MAX; n++) /* of other users: they would be ambiguous */
            r.calls[n].answered = true;
        (void)park(arena_printf(r.keep, "{\"id\":1,\"method\":\"m\",\"relay\":\"u%d\"}", i));
    }
    assert_int_equal(r.parked, RELAY_PARKED_MAX);
    for (size_t n = 0; n < RELAY_CALLS_MAX; n++)
        r.calls[n].answered = true;
    (void)park(OF("one over"));
    assert_int_equal(r.parked, RELAY_PARKED_MAX);
}

static void test_a_question_that_nobody_answers_ends(void **state) {
    (void)state;
    (void)park(OF("a"));
    assert_in_range(relay_parked_due(&r), clock_monotonic_ms(),
                    clock_monotonic_ms() + RELAY_PARKED_MS);
    (void)to_server();
    r.calls[2].until_ms = clock_monotonic_ms();
    assert_true(relay_parked_due(&r) == INT64_MAX);
    assert_int_equal(r.parked + r.call_count, 0);
    assert_true(has(to_server(), "The client has given no answer"));
}

static void test_a_call_that_is_given_up_with_its_question_is_cancelled(void **state) {
    (void)state;
    resume(1, park(OF("a")), "");
    assert_true(has(to_server(), "notifications/cancelled"));
    assert_true(has(take(&r.callers[1].out), RELAY_GONE));
    assert_int_equal(r.parked + r.call_count, 0);
}

/* ---- limits ---- */

static void test_calls_have_a_limit(void **state) {
    (void)state;
    while (r.call_count < RELAY_CALLS_MAX)
        from_caller(0, CALL);
    assert_int_equal(r.callers[0].calls, RELAY_CALLS_MAX);
    assert_int_equal(r.callers[0].out.len, 0);
    from_caller(0, CALL);
    assert_string_equal(take(&r.callers[0].out), "{\"relay\":\"busy\"}\n");
    from_server("{\"id\":2,\"result\":{}}");
    (void)take(&r.callers[0].out);
    from_caller(0, CALL);
    assert_int_equal(r.callers[0].out.len, 0);
}

/* A call, in parts of which one is a text of this length. */
static bool takes(const char *before, size_t len, const char *behind) {
    char *text = arena_alloc(r.keep, len + 1);

    memset(text, 'x', len);
    text[len] = 0;
    arena_reset(r.arena);
    return relay_from_caller(&r, &r.callers[0],
                             text_of(arena_printf(r.keep, "%s%s%s", before, text, behind)));
}

static void test_ids_and_users_have_a_limit(void **state) {
    static const char id[] = "{\"method\":\"m\",\"id\":\"";
    static const char user[] = "{\"id\":1,\"method\":\"m\",\"relay\":\"";

    (void)state;
    assert_true(takes(id, RELAY_ID_MAX - 3, "\"}")); /* with quotation marks, and a NUL */
    assert_false(takes(id, RELAY_ID_MAX - 2, "\"}"));
    assert_true(takes(user, RELAY_USER_MAX - 1, "\"}"));
    assert_false(takes(user, RELAY_USER_MAX, "\"}"));
    assert_int_equal(r.call_count, 2);
}

static void test_what_a_call_says_after_its_question_is_kept_to_a_limit(void **state) {
    const char *ticket = park(OF("a"));
    size_t most;

    (void)state;
    while (r.calls[2].held.len < RELAY_HELD_MAX) {
        most = r.calls[2].held.len;
        from_server(LOG);
        if (r.calls[2].held.len == most)
            fail();
    }
    most = r.calls[2].held.len;
    from_server(LOG);
    assert_int_equal(r.calls[2].held.len, most);
    from_server("{\"id\":2,\"result\":{\"end\":1}}"); /* the answer always */
    assert_true(r.calls[2].held.len > most);
    resume(1, ticket, ANSWER);
    assert_true(has(take(&r.callers[1].out), "\"end\":1"));
}

/* ---- JWTs ---- */

#define SIGNED                                                                                     \
    "{\"id\":1,\"method\":\"tools/call\",\"params\":{},\"relay\":\"a\","                           \
    "\"mcp-authd/user\":\"first\"}"

static void test_the_jwt_of_a_caller_reaches_the_bridge(void **state) {
    (void)state;
    (void)to_server();
    from_caller(0, SIGNED);
    assert_true(has(to_server(), "\"mcp-authd/user\":\"first\""));
    from_caller(0, "{\"relay\":\"renew\",\"mcp-authd/user\":\"second\"}");
    assert_string_equal(to_server(), "{\"mcp-authd/call\":2,\"mcp-authd/user\":\"second\"}\n");
    from_caller(1, "{\"relay\":\"renew\",\"mcp-authd/user\":\"other\"}"); /* it has no call */
    from_caller(0, "{\"relay\":\"renew\"}");
    assert_string_equal(to_server(), "");
    relay_send_service_jwt(&r, TEXT_LITERAL("ours"));
    assert_string_equal(to_server(), "{\"mcp-authd/service\":\"ours\"}\n");
}

static void test_an_answer_to_a_question_has_the_jwt_of_who_gave_it(void **state) {
    const char *said;

    (void)state;
    resume(1, park(SIGNED), ANSWER ",\"mcp-authd/user\":\"newer\"");
    said = to_server();
    assert_true(has(said, "{\"mcp-authd/call\":2,\"mcp-authd/user\":\"newer\"}\n"));
    assert_true(has(said, "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{\"roots\":[]},"
                          "\"mcp-authd/user\":\"newer\"}"));
    assert_false(has(take(&r.callers[1].out), "newer"));
    /* One that nobody gives has none. */
    from_server("{\"id\":2,\"result\":{}}");
    (void)park(SIGNED);
    (void)to_server();
    r.calls[3].until_ms = clock_monotonic_ms();
    (void)relay_parked_due(&r);
    said = to_server();
    assert_true(has(said, "The client has given no answer"));
    assert_false(has(said, "mcp-authd/"));
}

/* ---- revisions ---- */

/* As after a start: what the server is asked first. */
static const char *negotiate(uint32_t revisions) {
    for (size_t i = 0; i < RELAY_CALLS_MAX; i++)
        r.calls[i].id = 0;
    r.call_count = 0;
    r.key.revisions = revisions;
    r.key.start_s = 30;
    r.refusal = r.why = NULL;
    relay_begin_negotiation(&r);
    return to_server();
}

static void refuse(void) {
    from_server(arena_printf(r.keep, "{\"id\":%lld,\"error\":{\"code\":-32601}}",
                             (long long)(r.discovering ? r.discovering : r.initializing)->id));
}

static void test_revisions_are_asked_for_in_their_order(void **state) {
    (void)state;
    assert_true(has(negotiate(REVISIONS_HANDSHAKE_FIRST), "initialize"));
    refuse();
    assert_true(has(to_server(), "server/discover"));
    refuse();
    assert_true(has(r.why, "initialize"));
    assert_true(has(negotiate(REVISIONS_STATELESS_FIRST), "server/discover"));
    refuse();
    assert_false(r.is_stateless);
    assert_true(has(to_server(), "initialize"));
    refuse();
    assert_true(has(r.why, "initialize"));
    assert_true(has(negotiate(REVISIONS_STATELESS), "server/discover"));
    refuse();
    assert_true(has(r.why, "2026-07-28"));
    assert_true(has(negotiate(REVISIONS_HANDSHAKE), "initialize"));
    refuse();
    assert_true(has(r.why, "initialize"));
    assert_string_equal(to_server(), "");
}

static void
test_a_server_that_is_silent_to_what_it_does_not_know_is_asked_for_the_other(void **state) {
    (void)state;
    (void)negotiate(REVISIONS_STATELESS_FIRST);
    assert_true(r.deadline_ms <= clock_monotonic_ms() + RELAY_DISCOVER_MS);
    relay_note_silence(&r);
    assert_true(has(to_server(), "initialize"));
    assert_int_equal(r.call_count, 1);
    assert_true(r.deadline_ms > clock_monotonic_ms() + RELAY_DISCOVER_MS);
    relay_note_silence(&r);
    assert_true(has(r.why, "did not answer initialize within 30 s"));
}

static void listen_ends(const char *with) {
    from_server(arena_printf(r.keep, "{\"id\":%lld,%s}", (long long)r.listening->id, with));
    assert_null(r.listening);
}

static void test_changes_are_asked_for_again_with_longer_and_longer_waits(void **state) {
    const unsigned changes = r.changes;
    int64_t wait = RELAY_LISTEN_FIRST_MS;

    (void)state;
    r.is_stateless = true;
    relay_listen(&r);
    for (int i = 0; i < 9; i++) {
        const int64_t before = clock_monotonic_ms();

        listen_ends("\"error\":{\"code\":-32603}");
        assert_in_range(relay_listen_due(&r), before + wait, clock_monotonic_ms() + wait);
        wait = 2 * wait < RELAY_LISTEN_MAX_MS ? 2 * wait : RELAY_LISTEN_MAX_MS;
        r.listen_ms = clock_monotonic_ms();
        assert_true(relay_listen_due(&r) == INT64_MAX);
        assert_non_null(r.listening);
    }
    assert_int_equal(r.changes, changes + 1);
    r.listened_from_ms = clock_monotonic_ms() - RELAY_LISTEN_MAX_MS;
    listen_ends("\"result\":{}");
    assert_true(relay_listen_due(&r) <= clock_monotonic_ms() + RELAY_LISTEN_FIRST_MS);
    relay_listen(&r);
    listen_ends("\"error\":{\"code\":-32601}");
    assert_true(relay_listen_due(&r) == INT64_MAX);
}

static void test_changes_are_asked_for_when_there_are_fewer_calls_again(void **state) {
    (void)state;
    r.is_stateless = true;
    while (r.call_count < RELAY_CALLS_MAX)
        from_caller(0, CALL);
    relay_listen(&r);
    assert_null(r.listening);
    from_server("{\"id\":2,\"result\":{}}");
    assert_true(relay_listen_due(&r) <= clock_monotonic_ms() + RELAY_LISTEN_FIRST_MS);
    r.listen_ms = clock_monotonic_ms();
    (void)relay_listen_due(&r);
    assert_non_null(r.listening);
}

/* ---- subscriptions ---- */

/* What the relay says to it. */
static const char *subscribe(const char *uri, const char *user, const char *seconds) {
    r.callers[0].passed = open("/dev/null", O_WRONLY | O_CLOEXEC);
    from_caller(0, arena_printf(r.keep,
                                "{\"relay\":\"subscribe\",\"uri\":\"%s\",\"user\":\"%s\","
                                "\"seconds\":%s}",
                                uri, user, seconds));
    assert_int_equal(r.callers[0].passed, -1);
    return take(&r.callers[0].out);
}

static void end_subscriptions(void) {
    r.retired = true;
    (void)relay_subscriptions_due(&r);
    assert_int_equal(r.subscription_count + r.call_count, 0);
}

static void test_the_server_is_told_of_a_subscription_once(void **state) {
    (void)state;
    (void)to_server();
    assert_true(has(subscribe("x:a", "u", "60"), RELAY_SUBSCRIBED));
    assert_true(has(to_server(), "\"resources/subscribe\",\"params\":{\"uri\":\"x:a\"}"));
    assert_true(has(subscribe("x:a", "other", "90"), RELAY_SUBSCRIBED));
    assert_string_equal(to_server(), "");
    assert_true(relay_subscriptions_due(&r) > clock_monotonic_ms() + 80000);
    r.subscriptions[0].until_ms = clock_monotonic_ms();
    assert_true(relay_subscriptions_due(&r) == INT64_MAX);
    assert_true(has(to_server(), "\"resources/unsubscribe\",\"params\":{\"uri\":\"x:a\"}"));
    end_subscriptions();
}

#define LOST "{\"method\":\"" SERVER_SUBSCRIPTIONS_LOST "\"}"

static void test_lost_subscriptions_are_made_again_with_longer_and_longer_waits(void **state) {
    (void)state;
    (void)subscribe("x:a", "u", "60");
    (void)to_server();
    r.lost_ms = -RELAY_LISTEN_MAX_MS; /* never */
    for (int wait = 0; wait <= 4 * RELAY_LISTEN_FIRST_MS; wait = wait ? 2 * wait : 1000) {
        from_server(LOST);
        from_server(LOST);
        assert_in_range(r.again_ms, clock_monotonic_ms() + wait - 500, clock_monotonic_ms() + wait);
        r.again_ms = clock_monotonic_ms();
        (void)relay_subscriptions_due(&r);
        assert_true(has(to_server(), "\"resources/subscribe\",\"params\":{\"uri\":\"x:a\"}"));
        (void)relay_subscriptions_due(&r);
        assert_string_equal(to_server(), "");
    }
    r.lost_ms = clock_monotonic_ms() - RELAY_LISTEN_MAX_MS;
    from_server(LOST);
    assert_true(r.again_ms <= clock_monotonic_ms());
    end_subscriptions();
}

static void test_a_change_of_lists_touches_a_file_once_a_second(void **state) {
    struct stat before, after;
    char path[] = "/tmp/mcp-relay-XXXXXX";
    const int fd = mkstemp(path);
    const struct timespec long_ago[] = {{1, 0}, {1, 0}};

    (void)state;
    assert_int_equal(unlink(path) || futimens(fd, long_ago), 0);
    r.callers[0].passed = fd;
    from_caller(0, "{\"relay\":\"subscribe\",\"uri\":\"\"}");
    assert_true(has(take(&r.callers[0].out), RELAY_SUBSCRIBED));
    assert_int_equal(r.lists_file, fd);
    r.touched_ms = clock_monotonic_ms() - RELAY_TELL_EVERY_MS;
    from_server("{\"method\":\"notifications/tools/list_changed\"}");
    assert_int_equal(fstat(fd, &before), 0);
    assert_true(before.st_mtim.tv_sec > 1);
    assert_int_equal(futimens(fd, long_ago), 0);
    from_server("{\"method\":\"notifications/prompts/list_changed\"}");
    from_server("{\"method\":\"notifications/prompts/list_changed\"}");
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(after.st_mtim.tv_sec, 1);
    assert_int_equal(relay_lists_due(&r), r.touched_ms + RELAY_TELL_EVERY_MS);
    r.touch_ms = clock_monotonic_ms();
    assert_true(relay_lists_due(&r) == INT64_MAX);
    assert_int_equal(fstat(fd, &after), 0);
    assert_true(after.st_mtim.tv_sec > 1);
    (void)close(fd);
    r.lists_file = -1;
}

static void test_subscriptions_have_limits(void **state) {
    (void)state;
    assert_true(has(subscribe("x:a", "u", "0"), RELAY_BUSY));
    assert_true(has(subscribe("x:a", "u", "604801"), RELAY_BUSY));
    from_caller(0, "{\"relay\":\"subscribe\",\"uri\":\"x:a\",\"user\":\"u\",\"seconds\":1}");
    assert_true(has(take(&r.callers[0].out), RELAY_BUSY)); /* without a file */
    for (int i = 0; i < RELAY_SUBSCRIPTIONS_MAX; i++)
        assert_true(
            has(subscribe(arena_printf(r.keep, "x:%d", i),
                          arena_printf(r.keep, "%d", i / RELAY_SUBSCRIPTIONS_USER_MAX), "604800"),
                RELAY_SUBSCRIBED));
    assert_true(has(subscribe("x:over", "new", "60"), RELAY_BUSY));
    r.subscriptions[RELAY_SUBSCRIPTIONS_MAX - 1].until_ms = 0;
    (void)relay_subscriptions_due(&r);
    assert_true(has(subscribe("x:over", "0", "60"), RELAY_BUSY));
    assert_true(has(subscribe("x:over", "new", "60"), RELAY_SUBSCRIBED));
    end_subscriptions();
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_questions_of_a_server_that_reads_nothing_end_it),
        TEST(test_lines_that_are_no_json_take_no_memory_for_long),
        TEST(test_log_messages_after_a_call_was_given_up_reach_nobody),
        TEST(test_a_log_message_may_be_of_a_call_that_was_given_up_long_ago),
        TEST(test_calls_that_were_given_up_are_remembered_to_a_limit),
        TEST(test_a_log_message_that_names_its_call_reaches_its_user_alone),
        TEST(test_a_call_that_is_given_up_early_has_its_time_to_end),
        TEST(test_a_call_whose_time_is_over_has_that_of_the_ping),
        TEST(test_the_answer_to_a_ping_leaves_a_server_that_is_ended_no_more_time),
        TEST(test_a_question_waits_for_its_answer_without_a_caller),
        TEST(test_an_answer_before_that_to_the_question_is_kept),
        TEST(test_that_a_page_is_done_is_told_to_the_call_that_asked_for_it),
        TEST(test_several_questions_of_a_call_are_asked_one_after_the_other),
        TEST(test_questions_that_wait_have_a_limit),
        TEST(test_messages_of_a_batch_are_taken_each),
        TEST(test_nobody_is_asked_for_another_user),
        TEST(test_a_question_of_a_call_that_is_over_is_for_no_other_call),
        TEST(test_one_who_cannot_be_asked_is_not),
        TEST(test_parked_calls_have_a_limit_of_each_user),
        TEST(test_parked_calls_have_a_limit_of_all),
        TEST(test_a_question_that_nobody_answers_ends),
        TEST(test_a_call_that_is_given_up_with_its_question_is_cancelled),
        TEST(test_calls_have_a_limit),
        TEST(test_ids_and_users_have_a_limit),
        TEST(test_what_a_call_says_after_its_question_is_kept_to_a_limit),
        TEST(test_the_jwt_of_a_caller_reaches_the_bridge),
        TEST(test_an_answer_to_a_question_has_the_jwt_of_who_gave_it),
        TEST(test_revisions_are_asked_for_in_their_order),
        TEST(test_a_server_that_is_silent_to_what_it_does_not_know_is_asked_for_the_other),
        TEST(test_changes_are_asked_for_again_with_longer_and_longer_waits),
        TEST(test_changes_are_asked_for_when_there_are_fewer_calls_again),
        TEST(test_the_server_is_told_of_a_subscription_once),
        TEST(test_lost_subscriptions_are_made_again_with_longer_and_longer_waits),
        TEST(test_a_change_of_lists_touches_a_file_once_a_second),
        TEST(test_subscriptions_have_limits),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
